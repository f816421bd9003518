# Two commands for a newcomer: `make demo` and `make test`. Each makes .venv when it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install test lint

install: .venv/installed

# torch first and by its exact version, so that a CPU build on a local wheel path is taken when there is one.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
