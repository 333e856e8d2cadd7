# Everything runs in .venv, which is made where it is missing. Another Python: make PYTHON=python3.12 test
PYTHON ?= python3
BIN := .venv/bin
PROCESSES ?= auto

.DELETE_ON_ERROR: # an interrupted step is done again
.PHONY: help quickstart test check lint format

help:
	@echo 'make quickstart  install; generate videos, train, test, write quickstart/report.html'
	@echo 'make test        install; run the tests'
	@echo 'make check       format and lint checks, types, tests: what a change must pass'
	@echo 'make lint        the same without the tests'
	@echo 'make format      let ruff format the code and mend what it can'

quickstart: .venv/installed
	$(BIN)/praxiscope quickstart --out quickstart

test: .venv/installed-dev
	$(BIN)/python -m pytest -n $(PROCESSES) --maxprocesses 4 --dist worksteal

check: lint test

lint: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'Praxiscope needs Python 3.11 or newer: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv .venv

# Files that say what is installed. They are older than pyproject.toml where that has changed.
.venv/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable .
	touch $@

.venv/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[dev]'
	touch .venv/installed $@
