# Two commands from a fresh clone: `make demo` and `make test`. Each installs what it needs, once.

PYTHON ?= python3
VENV ?= .venv
DATA ?=
# Named after the data, so that a demo on other cells never meets the run of the first.
OUT ?= runs/demo$(if $(DATA),-$(notdir $(patsubst %/,%,$(DATA))))

BIN := $(VENV)/bin
TRAIN := $(VENV)/.installed-train
DEV := $(VENV)/.installed-dev
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $(if $(CI),--quiet)
SPELLED := $(wildcard *.md *.toml *.cff) Makefile .ci src tests tests_plain docs configs benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo test lint ruff format types layers spelling clean

help:
	@echo "make demo               train, evaluate and report on synthetic cells, in minutes"
	@echo "make demo DATA=FOLDER   the same on your cells (a C-NMC folder, or a folder with a folder a class)"
	@echo "make test               all checks and all tests, with coverage"
	@echo "make lint               the checks alone: ruff, mypy, import-linter, codespell"
	@echo "make clean              remove the virtual environment and what the checks left"
	@echo "Options: PYTHON=python3.12, VENV=.venv, OUT=runs/demo (runs/demo-NAME with DATA)"

demo: $(TRAIN)
	$(BIN)/lymphoscope demo --out "$(OUT)" $(if $(DATA),--data "$(DATA)")

# Every check runs, whichever failed before it, and any failure fails the whole.
test: $(DEV)
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(BIN)/pytest --cov --cov-report=term || status=1; \
	if [ $$status -ne 0 ]; then echo "make test: FAILED, see above" >&2; fi; \
	exit $$status

lint: ruff format types layers spelling

ruff: $(DEV)
	$(BIN)/ruff check .

format: $(DEV)
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

layers: $(DEV)
	$(BIN)/lint-imports

spelling: $(DEV)
	$(BIN)/codespell $(SPELLED)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv "$(VENV)"

# An install is done anew when pyproject.toml changes. The first one downloads PyTorch: several GB.
$(TRAIN): pyproject.toml | $(BIN)/pip
	$(INSTALL) --editable ".[train]"
	@touch $@

$(DEV): pyproject.toml | $(BIN)/pip
	$(INSTALL) --editable ".[dev]"
	@touch $@ $(TRAIN)

clean:
	rm -rf "$(VENV)" build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
