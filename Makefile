.DEFAULT_GOAL := help
SHELL := /bin/bash

# The first of these that is there and new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find broker clients -name '*.py') setup.py pyproject.toml mypyc.ini
PLAIN := PYTHONPATH=broker:clients
ARGS ?=
DEMO ?= ticketing
FOR ?= 60
PYTEST := $(BIN)/python -m pytest
# Most tests wait for something: more at a time than a small machine has cores. JOBS=0: one by one.
JOBS ?= 3
AT_A_TIME = -n $(JOBS) --dist loadfile
# How far the compiler is, while it says nothing.
TICK = while sleep 5; do echo "   $$((SECONDS - start)) s, compiled $$(find build -name '*.o' \
	2>/dev/null | wc -l) of $$(find build -name '*.c' 2>/dev/null | wc -l) files"; done

help:         ## these words
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

setup: $(VENV)/built  ## .venv with everything, the core compiled when there is a C compiler

run: setup    ## a broker on 127.0.0.1:5672, data in .peeklock/; ARGS="--help" tells more
	$(BIN)/peeklock serve --data-dir .peeklock $(ARGS)

demo: setup   ## a ticket shop against a throw-away broker; DEMO=building: a site's sensors
	$(BIN)/peeklock demo $(DEMO) --own-broker $(ARGS)

test: setup   ## all tests but the million-message ones, compiled; then the quick ones in plain Python
	$(PYTEST) tests -m "not slow" $(AT_A_TIME) $(ARGS)
	@echo "== the same in plain Python"
	$(PLAIN) $(PYTEST) tests/unit tests/property tests/conformance tests/wire -m "not slow" \
		$(AT_A_TIME) $(ARGS)

test-slow: setup ## a million messages: memory and recovery; prints figures
	$(PYTEST) tests -m slow -s $(ARGS)

lint: setup   ## ruff, import-linter
	$(BIN)/ruff format --check broker clients tests bench examples docs setup.py
	$(BIN)/ruff check broker clients tests bench examples docs setup.py
	$(PLAIN) $(BIN)/lint-imports

types: setup  ## mypy --strict
	$(BIN)/mypy

fmt: setup    ## ruff format and fix
	$(BIN)/ruff format broker clients tests bench examples docs setup.py
	$(BIN)/ruff check --fix broker clients tests bench examples docs setup.py

check: lint types test ## what CI runs

docs: setup   ## writes docs/reference/ from the code and the tests
	$(PLAIN) $(BIN)/python -m docs.reference.generate

fuzz: setup   ## random bytes into every decoder; FOR=60 seconds
	$(PLAIN) $(BIN)/python -m tests.fuzz --seconds $(FOR)

bench: setup  ## speed; ARGS="--against amqp://guest:guest@127.0.0.1:5673" compares with RabbitMQ
	$(BIN)/python -m bench.run $(ARGS)

clean:        ## remove everything that make made, but no broker's data
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "peeklock needs Python 3.11 or newer, as python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "peeklock needs Python 3.11 or newer; make PYTHON=python3.12 … names one"; exit 2; }
	@echo "== .venv, with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

$(VENV)/deps: requirements-dev.lock $(VENV)/bin/python
	@echo "== dependencies (about half a minute)"
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.lock
	@touch $@

$(VENV)/built: $(VENV)/deps $(SOURCES)
	@echo "== building peeklock (compiling its core takes a minute or two; PEEKLOCK_PURE=1 skips it)"
	@start=$$SECONDS; rm -rf build *.egg-info; ($(TICK)) & tick=$$!; trap "kill $$tick" EXIT; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
		--force-reinstall . || { echo "== that failed; PEEKLOCK_PURE=1 builds without a compiler"; exit 1; }; \
	echo "== built in $$((SECONDS - start)) s: $$($(BIN)/peeklock --version)"; \
	if [ -f build/plain-because ]; then echo "== plain Python, about a third as fast as compiled:" \
		"$$(cat build/plain-because). To build again: touch setup.py"; fi
	@rm -rf build *.egg-info; touch $@

.PHONY: help setup run demo test test-slow lint types fmt check docs fuzz bench clean
