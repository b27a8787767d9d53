# One command for everything: `make test`. The quick checks come first, so that they speak first.

BIN := .venv/bin
PY := $(BIN)/python
CODE := htmx_ws adapters tests examples
ADAPTERS := htmx_ws_starlette,htmx_ws_fastapi,htmx_ws_channels
PROJECT := tests.channels.project.settings
SUITES := $(addprefix tests/,services browser package fuzz chaos scaling)
ROOTS := . adapters examples/channels_board

# No look-up of whether a newer pyright than the pinned one is out.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup dev format lint types unit suites browser bench bench-check demo test test-all
.PHONY: hosts matrix clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@.ci/setup

dev:
	@.ci/setup dev

test: setup lint types unit hosts suites bench-check ## the gate: everything that must pass, as in CI

test-all: test matrix bench ## the gate, then every Python and framework version, all benchmarks

format: dev ## format the code and mend what ruff can mend
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

lint: dev ## format, lint rules and import floors, checked only
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(BIN)/lint-imports --no-logo

types: dev ## mypy on everything, pyright on what users import
	$(PY) -m mypy $(CODE)
	$(PY) -m pyright --pythonpath $(PY)
	@said=$$(PYTHONPATH=. $(PY) -m pyright --pythonpath $(PY) --verifytypes htmx_ws --ignoreexternal) || \
		{ echo "$$said"; exit 1; }

unit: dev ## the unit tests; they cover every line and branch of htmx_ws
	$(PY) -m coverage run -m pytest tests/unit
	$(PY) -m coverage report

# Not .coverage.hosts, which the report of the unit tests would take for a part of its own.
hosts: export COVERAGE_FILE := .hosts-coverage
hosts: dev ## the suites of the adapters and of the examples; those of Django run by themselves
	$(PY) -m coverage run --source=$(ADAPTERS) -m pytest tests/conformance
	$(PY) -m coverage run --source=$(ADAPTERS) --append -m pytest tests/channels --ds=$(PROJECT)
	$(PY) -m coverage report --include='adapters/*' --fail-under=98
	$(PY) -m pytest examples --ignore=examples/channels_board
	$(PY) -m pytest examples/channels_board --ds=board.settings -o pythonpath="$(ROOTS)"

# Two files at a time, for they wait a lot; alone what measures.
suites: setup ## services, browser, the built wheel, what is thrown at them; then for how long
	$(PY) -m pytest -n 2 --dist loadfile $(SUITES)
	$(PY) -m pytest tests/reliability

matrix: setup ## unit tests and adapters on each Python here, newest and oldest frameworks
	$(PY) -m pytest tests/conformance --all-dialects
	@.ci/matrix

browser: setup ## the browser tests alone
	$(PY) -m pytest tests/browser

bench: setup ## the benchmarks, with what they measured
	PYTHONPATH=adapters $(PY) -m tests.benchmarks

bench-check: setup
	PYTHONPATH=adapters $(PY) -m tests.benchmarks --check

demo: ## the chat of examples/starlette_chat; prints its address
	@.ci/setup demo
	$(PY) examples/starlette_chat/app.py

clean: ## remove what make and the tools made
	rm -rf .venv .venv-matrix tests/npm/node_modules dist .coverage .coverage.* .hosts-coverage .hypothesis
	rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
