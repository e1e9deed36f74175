"""Kernels of this host, by family, format and instruction set."""

from bitnet_perf.kernels.registry import Kernel, isas

__all__ = ["Kernel", "isas"]
