# make run        check against the BitNet.rs crates, run a small model of random weights end to
#                 end, judge the checkout against its previous commit
# make test       every lane that this host can test, the missing ones named at the end
# make test-all   the same lanes, each on all of its models
# make acceptance  twelve seeded changes, each judged by three gates (hours; resumable)
# All need only Python 3.11+, a C++20 compiler and make; the rest comes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test test-all acceptance quick lint build venv clean

venv: $(STAMP)

# pyproject.toml is the only list of what is needed. Python compiles what is imported, when it is.
$(STAMP): pyproject.toml .ci/tools.sh .ci/requirements.py
	@sh .ci/tools.sh $(PYTHON)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python .ci/requirements.py > $(VENV)/requirements.txt
	@echo "bitnet_perf: installing $$(wc -l < $(VENV)/requirements.txt) requirements into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r $(VENV)/requirements.txt || \
	  { echo "bitnet_perf: pip could not install the requirements (above): it needs the network or, in PIP_FIND_LINKS, a folder of wheels" >&2; exit 1; }
	@touch $@

# Editable: Python files are used in place, the extension is rebuilt by this target.
build: venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest bitnet_perf._native
	find csrc cuda tests -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' | xargs $(BIN)/clang-format --dry-run --Werror

quick: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

run: build
	@$(BIN)/bitnet-perf rust
	@mkdir -p results
	@$(BIN)/bitnet-perf make-model --shape small --head q6_k results/small.gguf
	@$(BIN)/bitnet-perf benchmark --model results/small.gguf --tokens 64 --no-output --json results/benchmark.json
	@$(BIN)/bitnet-perf gate --report-only

test: build
	@.ci/lanes/run

test-all: build
	@.ci/lanes/run --all

# ACCEPTANCE='--only slow-load --rounds 1': a part of it; --help tells all options.
acceptance: build
	@PYTHONPATH=tests $(BIN)/python -m acceptance $(ACCEPTANCE)

clean:
	rm -rf $(VENV) build dist wheelhouse
