"""The GPU cases as a pyperf program: `python bench/bench_gpu.py -o x.json`."""

from bitnet_perf.bench.gpu_suite import run_gpu_suite

if __name__ == "__main__":
    run_gpu_suite()
