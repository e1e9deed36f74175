"""`python -m bitnet_perf.bench SUITE`: a suite as a pyperf program, without a checkout."""

from bitnet_perf.bench.suite import main

main()
