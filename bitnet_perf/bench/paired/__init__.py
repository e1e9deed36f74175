"""The paired comparison: raw files, worker processes, the driver, readings of the host."""
