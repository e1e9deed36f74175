# Lint, types, stubs and the whole suite on this CPU.
set -eu
make -s lint
.venv/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadfile --durations=5
