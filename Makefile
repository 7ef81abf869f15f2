# `make run` and `make test` do everything on a machine that has Python 3.11 and make.
# Variables:
#   PYTHON        the interpreter that makes the environment            (python3.11, else python3)
#   TORCH_INDEX   an extra package index, say one with CPU-only torch wheels (the default wheels take 5 GB)
#   HOST, PORT    where the service listens                             (127.0.0.1:8000)
#   TEST_WORKERS  processes that run the tests, 2 GB of memory each     (2)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
HOST ?= 127.0.0.1
PORT ?= 8000
TEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP_INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help install run test lint types unit format clean

help:
	@echo "make run    environment, dependencies, weights; service on http://$(HOST):$(PORT)"
	@echo "make test   lint, types and all tests"
	@echo "make lint | types | unit | format | clean"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tastespace needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install $(PIP_INDEX) --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed

run: install
	$(BIN)/tastespace serve --host $(HOST) --port $(PORT)

test: lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# One thread for each process: two processes of two threads each are slower on two cores.
unit: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
