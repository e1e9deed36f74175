"""Suites of cases, the pyperf programs that time them, and the limits of this host."""
