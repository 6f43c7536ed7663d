# Two commands do all the set-up: `make run` and `make test`. They need Python 3.11 or newer, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Hundreds of processes start in the tests: each would compile anew what it may not keep.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run run-example example-unknown examples test lint bench docs reference install clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Installed anew only when what is to be installed has changed. Today's pip takes half the time of the one that came with Python 3.11,
# and to compile on every core half the time of doing it while installing. Neither is needed: an index without pip, or a file that ships
# with a package and does not compile, stops nothing.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.11 …"; exit 1; }
	@# One that exists stays: another Python laid over it would leave a mixture of the two that does not import.
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip || true
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

install: $(VENV)/installed ## Make the virtual environment.

run: $(VENV)/installed ## Hold one flash sale on embedded services, and judge it.
	$(BIN)/loadtest run $(ARGS)

# What each of the shops in examples/ needs to be installed, and the services that it needs beside Postgres and Redis, which are embedded.
EXAMPLES := $(patsubst examples/%/shop.toml,%,$(wildcard examples/*/shop.toml))
installed = $(if $(wildcard examples/$(1)/package.json),examples/$(1)/node_modules/installed,examples/.venv/$(1).installed)
SERVICES_django_celery := --broker amqp://boxoffice:boxoffice@127.0.0.1:5672/boxoffice
SERVICES_code_jwt := --mysql mysql+pymysql://seckill:seckill@127.0.0.1:3306/seckill

run-example: $(if $(filter $(NAME),$(EXAMPLES)),$(VENV)/installed install-example-$(NAME),example-unknown) ## Hold a sale of a shop in examples/: NAME=counter; add MISTAKE=naive for one that is wrong.
	@if test -x examples/$(NAME)/setup.sh; then examples/$(NAME)/setup.sh; fi
	$(BIN)/loadtest run examples/$(NAME)/sale.toml $(SERVICES_$(NAME)) $(if $(MISTAKE),--set mutant=$(MISTAKE)) $(ARGS)

example-unknown:
	@echo "run-example: expected NAME=…, one of $(EXAMPLES); found '$(NAME)'"; exit 2

examples: $(EXAMPLES:%=install-example-%) ## Install what the examples need, and run none.

.PHONY: $(EXAMPLES:%=install-example-%)
$(foreach name,$(EXAMPLES),$(eval install-example-$(name): $(call installed,$(name))))

examples/.venv/bin/python:
	$(PYTHON) -m venv examples/.venv

examples/.venv/%.installed: examples/%/requirements.txt | examples/.venv/bin/python
	examples/.venv/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	@touch $@

examples/%/node_modules/installed: examples/%/package-lock.json
	@command -v npm >/dev/null || { echo "needs Node.js 18 or newer, and npm: apt install nodejs npm"; exit 1; }
	cd examples/$* && npm ci --no-progress --loglevel=error
	@touch $@

# Locust patches the process that imports it, which ends pytest's own ways of running in parallel: each part is a process of its own.
# Whole sales mostly wait, so there are more parts at a time than cores. What takes longest comes first.
# Locust's patches also stop threads while a C library waits: what tests the harness is no process of the load's.
PARTS := loadtest judge load reports target scenarios $(notdir $(wildcard tests/test_*.py))
ALL := test-alone $(PARTS:%=test-%) lint
test: $(VENV)/installed ## Everything: style, types, imports, and the tests on real services. Ends in what failed and what was not run.
	@export LOADTEST_OUTCOMES="$${LOADTEST_OUTCOMES:-$$(mktemp -d)}"; \
	echo $(ALL) >"$$LOADTEST_OUTCOMES/parts"; \
	$(MAKE) --no-print-directory --keep-going --jobs=5 --output-sync=target $(ALL); code=$$?; \
	$(BIN)/python -m tests.outcomes "$$LOADTEST_OUTCOMES"; \
	$(if $(LOADTEST_OUTCOMES),,rm -r "$$LOADTEST_OUTCOMES";) exit $$code

# In that directory each part leaves what its tests came to, written by pytest, and its exit code, which is there too when pytest is killed.
test-%: export LOADTEST_OUTCOME = $(LOADTEST_OUTCOMES:%=%/$@.json)
leave = $(if $(LOADTEST_OUTCOMES),echo $(1) >"$(LOADTEST_OUTCOMES)/$@.code",:)
define pytest
@echo $(2) 'pytest $(1)'
@$(2) $(BIN)/pytest $(1); code=$$?; $(call leave,$$code); exit $$code
endef

# Sales that are held to a rate come before whatever else runs: the rest has the time in which they wait, and no other.
test-alone: $(VENV)/installed
	$(call pytest,-m alone tests)

BEHIND := $(if $(shell command -v chrt),chrt --idle 0,nice -n 19)
WHERE_loadtest := tests/loadtest --ignore=tests/loadtest/load --ignore=tests/loadtest/judge
WHERE_judge := tests/loadtest/judge
WHERE_load := tests/loadtest/load
test-%: $(VENV)/installed
	$(call pytest,-m "not alone" $(or $(WHERE_$*),tests/$*),$(BEHIND))

lint: $(VENV)/installed ## Style, types and import rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(call leave,0)

BENCHMARKS := client rules herd logins users arrivals recorder claim_path verify limiter batching plan buyers sampler
bench: $(VENV)/installed ## Measure every performance claim; prints both sides of each.
	@for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; $(BIN)/python benchmarks/$$benchmark.py || exit 1; done

docs: $(VENV)/installed ## Run the experiments that the pages tell of, and write their tables and pictures: a quarter of an hour.
	$(BIN)/python docs/make.py $(ARGS)

reference: $(VENV)/installed ## Write docs/manifest.md from the manifest's schema.
	PYTHONPATH=. $(BIN)/python docs/reference.py

clean: ## Remove what was installed and built; runs are kept.
	rm -rf $(VENV) examples/.venv examples/*/node_modules dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
