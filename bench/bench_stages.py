"""Suite `stages` as a pyperf program: `python bench/bench_stages.py -o x.json`."""

from bitnet_perf.bench.suite import run_suite

if __name__ == "__main__":
    run_suite("stages")
