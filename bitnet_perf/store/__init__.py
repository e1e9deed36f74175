"""The history: what was measured, kept in a database."""
