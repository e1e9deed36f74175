"""Suite `activations` as a pyperf program: `python bench/bench_activations.py -o x.json`."""

from bitnet_perf.bench.suite import run_suite

if __name__ == "__main__":
    run_suite("activations")
