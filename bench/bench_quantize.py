"""Suite `quantize` as a pyperf program: `python bench/bench_quantize.py -o x.json`."""

from bitnet_perf.bench.suite import run_suite

if __name__ == "__main__":
    run_suite("quantize")
