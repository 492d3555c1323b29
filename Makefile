# Everything here needs python3 (3.11 or newer, with venv and pip) and a package registry; nothing else.
#   make ask                          set up, then answer a question over Python's own language reference
#   make ask Q="..." SOURCES="a.txt b/"   the same with your question and your texts
#   make test                         set up, then check and test everything

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

Q ?= Which command line option requests optimization, so that __debug__ is False?
SOURCES ?= python-docs:
export Q

.DEFAULT_GOAL := help
.PHONY: help ask test test-all test-gpu lint format pictures constraints clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo "also: make test-all test-gpu lint format pictures constraints clean"

ask: $(VENV)/.runtime
	@$(BIN)/pansophy models pull >/dev/null
	@$(BIN)/pansophy ask "$$Q" $(SOURCES)

test: lint
	@$(BIN)/python -m pytest

test-all: lint
	@$(BIN)/python -m pytest -m "slow or not slow"

test-gpu: $(VENV)/.dev
	@PANSOPHY_TEST_GPU=1 $(BIN)/python -m pytest tests/white_box/test_white_box_gpu.py

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

pictures: $(VENV)/.runtime
	@$(BIN)/python docs/make_pictures.py

# After changing the dependencies: `make clean`, delete constraints.txt's pins that block, install, then this.
constraints: $(VENV)/.dev
	@{ head -1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep -v '^#' | grep -v '^torch==' | sort -f; \
	   grep '^torch==' constraints.txt; } > constraints.txt.partial && mv constraints.txt.partial constraints.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("pansophy needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3's venv module is missing (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }

# The stamps say what is installed; they are made anew when the dependencies change.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pansophy and what it runs on (a minute or two) ..."
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pansophy and what its tests need (a minute or two) ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.runtime $@
