# One virtual environment in the checkout; every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check format clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A stamp: set up again when the requirements change.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.ready  ## generate, train, evaluate and recognise, end to end (VIDEO=path adds a video of yours)
	$(BIN)/python -m ifdd demo demo $(if $(VIDEO),--video '$(VIDEO)')

test: $(VENV)/.ready  ## run the tests
	$(BIN)/pytest -n 2

check: $(VENV)/.ready  ## format, lint, types and tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

format: $(VENV)/.ready  ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) demo runs build dist .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
