# Two commands from a fresh clone: `make demo` and `make test`. Each installs what it needs, once.

PYTHON ?= python3
VENV ?= .venv
DATA ?=
# Named after the data, so that a demo on other cells does not meet the run of the first.
OUT ?= runs/demo$(if $(DATA),-$(notdir $(patsubst %/,%,$(DATA))))
# Processes that run tests side by side. Each imports PyTorch, which takes about 1 GB of memory.
JOBS ?= logical
MAX_JOBS ?= 8

BIN := $(VENV)/bin
TRAIN := $(VENV)/.installed-train
DEV := $(VENV)/.installed-dev
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $(if $(CI),--quiet)
SPELLED := $(wildcard *.md *.toml *.cff) Makefile .ci src tests tests_plain docs configs benchmarks
# One thread per process, because the processes already use all cores.
# The processes that tests start share the bytecode of the package, also where the environment forbids to write it.
PARALLEL = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --maxprocesses $(MAX_JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint ruff format types layers spelling docs clean

help:
	@echo "make demo               train, evaluate and report on synthetic cells, in minutes"
	@echo "make demo DATA=FOLDER   the same on your cells (a C-NMC folder, or a folder with one subfolder per class)"
	@echo "make test               all checks and all tests on all cores, with coverage"
	@echo "make test-fast          the tests that take a moment each, in less than 3 minutes on two cores"
	@echo "make lint               only the checks: ruff, mypy, import-linter, codespell"
	@echo "make docs               build the documentation site in site/; a broken link is an error"
	@echo "make clean              remove the virtual environment and all build output"
	@echo "Options: PYTHON=python3.12, VENV=.venv, OUT=runs/demo (runs/demo-NAME with DATA), JOBS=4"

demo: $(TRAIN)
	$(BIN)/lymphoscope demo --out "$(OUT)" $(if $(DATA),--data "$(DATA)")

# Every step runs even if an earlier one failed, and any failure fails the whole. Tests that measure time or memory
# run by themselves after the others.
test: $(DEV)
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(MAKE) --no-print-directory docs || status=1; \
	$(PARALLEL) -m "not timing" --cov --cov-report= || status=1; \
	$(BIN)/pytest -m timing --cov --cov-append --cov-report=term || status=1; \
	if [ $$status -ne 0 ]; then echo "make test: FAILED, see above" >&2; fi; \
	exit $$status

test-fast: $(DEV)
	$(PARALLEL) -m "not slow and not timing"

lint: ruff format types layers spelling

ruff: $(DEV)
	$(BIN)/ruff check .

format: $(DEV)
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing

layers: $(DEV)
	$(BIN)/lint-imports

spelling: $(DEV)
	$(BIN)/codespell $(SPELLED)

docs: $(DEV)
	$(BIN)/zensical build --clean --strict

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv "$(VENV)"

# Installed again when pyproject.toml changes. The first install downloads PyTorch: several GB.
$(TRAIN): pyproject.toml | $(BIN)/pip
	$(INSTALL) --editable ".[train]"
	@touch $@

$(DEV): pyproject.toml | $(BIN)/pip
	$(INSTALL) --editable ".[dev]"
	@touch $@ $(TRAIN)

clean:
	rm -rf "$(VENV)" build dist site .cache .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
