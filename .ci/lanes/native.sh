# Lint, types, stubs and the whole suite on this CPU.
set -eu
make -s lint
export OPENBLAS_NUM_THREADS=1 # of the oracles: both cores have a process that runs tests
.venv/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadfile --durations=5
