"""Cargo workspaces: their benches built at two revisions and run in turns."""
