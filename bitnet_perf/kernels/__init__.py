"""Kernels of this host, by family, format and instruction set."""
