# `make demo`, `make test`, `make lint`, `make bench`, `make faults`: each sets itself up.
# The environment of an installation (envs/powerview) is used if there is one, else .venv is made.
PYTHON ?= python3
VENV := $(if $(wildcard envs/powerview/bin/python),envs/powerview,.venv)
BIN := $(VENV)/bin

.PHONY: setup setup-tests demo test lint bench faults golden clean
.DEFAULT_GOAL := demo

setup: $(VENV)/.installed
setup-tests: $(VENV)/.installed-tests

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-tests: tests/requirements.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -r tests/requirements.txt
	touch $@

test: setup-tests
	$(BIN)/python -m pytest

lint: setup-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)
