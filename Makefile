# Everything runs in .venv, which is made on first use and again when the dependencies change.
#
#   make demo               PYTHON=python3.12 make demo     another interpreter
#   make test               PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make test
#                                                           the small torch build, without CUDA
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
QUICK := tests/series tests/images tests/alarms tests/nn tests/networks tests/report tests/test_store.py tests/test_house_rules.py
PIP_INSTALL := $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: help demo test quick bench clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## fit a detector on the bundled pump data and score its faulty weeks
	$(VENV)/bin/tsae demo

test: $(VENV)/test.stamp  ## run all tests: behaviour, examples, style, types, room order
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile

quick: $(VENV)/test.stamp  ## run the tests that need no fitted model, style and types: under a minute
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(QUICK)

bench: $(VENV)/test.stamp  ## hold speed against a matrix product, a bare training loop, reading and writing
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.benchmarks.speed

clean:  ## remove the environment and everything that can be made again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find tsae tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tsae needs Python 3.11 or newer, $(PYTHON) is `$(PYTHON) --version`:" \
	       "name another one with 'make PYTHON=python3.12 ...'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'Installing into $(VENV) (a few minutes the first time) ...'
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'Installing into $(VENV) (a few minutes the first time) ...'
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@
