"""Settings of a project: what they are, where each came from."""
