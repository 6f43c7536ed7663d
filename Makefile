# Two commands do all the set-up: `make run` and `make test`. They need Python 3.11 or newer, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint bench docs install clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# Installed anew only when what is to be installed has changed.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/installed ## Make the virtual environment.

run: $(VENV)/installed ## Hold one flash sale on embedded services, and judge it.
	$(BIN)/loadtest run $(ARGS)

# Locust patches the process that imports it, which ends pytest's own ways of running in parallel: each part is a process of its own.
PARTS := loadtest whole scenarios reports target
test: $(VENV)/installed ## Everything: style, types, imports, and the tests on real services.
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target $(PARTS:%=test-%) lint
	$(BIN)/pytest -m alone tests

test-%: $(VENV)/installed
	$(BIN)/pytest -m "not alone" $(if $(filter whole,$*),tests/test_*.py,tests/$*)

lint: $(VENV)/installed ## Style, types and import rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

BENCHMARKS := client herd arrivals recorder claim_path verify limiter batching plan buyers sampler
bench: $(VENV)/installed ## Measure every performance claim; prints both sides of each.
	@for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; $(BIN)/python benchmarks/$$benchmark.py || exit 1; done

docs: $(VENV)/installed ## Run the experiments that the pages tell of, and write their tables and pictures: half an hour.
	$(BIN)/python docs/make.py $(ARGS)

clean: ## Remove what was installed and built; runs are kept.
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
