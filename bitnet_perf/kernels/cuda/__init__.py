"""CUDA kernels: the list of them, compiled for a GPU or run on the CPU."""
