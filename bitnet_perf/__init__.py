"""bitnet_perf: measure and judge the speed of 1-bit language model kernels."""
