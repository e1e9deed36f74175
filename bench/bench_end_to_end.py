"""Suite `end_to_end` as a pyperf program: `python bench/bench_end_to_end.py -o x.json`."""

from bitnet_perf.bench.suite import run_suite

if __name__ == "__main__":
    run_suite("end_to_end")
