"""pyperf suites over bitnet_perf.bench."""
