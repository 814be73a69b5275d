# Everything a person runs. `make` alone lists it.

PYTHON ?= python3
PORT ?= 3000
TRAIN ?=
TEST ?=

VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' eeg_letters/__init__.py)

export BENTOML_DO_NOT_TRACK := True
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help serve train test lint bento lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/train.done ## Serve on PORT=3000; trains first if the store has no model; TEST= names the rows to serve
	@$(BIN)/python -m eeg_letters.store || $(MAKE) --no-print-directory train
	EEG_TEST_DATA="$(or $(abspath $(TEST)),$(EEG_TEST_DATA))" exec $(BIN)/bentoml serve service:EEGLetters --port $(PORT)

train: $(VENV)/train.done ## Train both models; TRAIN= and TEST= name recordings of your own
	$(BIN)/python train.py $(if $(TRAIN),--train "$(TRAIN)") $(if $(TEST),--test "$(TEST)")

test: $(VENV)/test.done ## Run the tests
	$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/test.done ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bento: $(VENV)/train.done ## Build the Bento eeg-letters:VERSION from the latest models
	@$(BIN)/python -m eeg_letters.store || $(MAKE) --no-print-directory train
	@$(BIN)/bentoml delete --yes eeg-letters:$(VERSION) >/dev/null 2>&1 || true
	$(BIN)/bentoml build --version $(VERSION)

lock: $(VENV)/bin/uv ## Resolve the requirements anew, with hashes
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file requirements/serve.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file requirements/train.txt --extra train -c requirements/serve.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --output-file requirements/test.txt --extra train --extra test -c requirements/train.txt pyproject.toml

LOCK_OPTIONS := --quiet --upgrade --universal --generate-hashes --no-annotate --python-version 3.11 --custom-compile-command "make lock"

$(VENV)/bin/uv: $(VENV)/bin/python
	$(BIN)/pip install --quiet uv

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.done: requirements/%.txt $(VENV)/bin/python
	$(BIN)/pip install --quiet --require-hashes --requirement $<
	@touch $@

clean: ## Remove the virtual environment and everything that was made here; the model store stays
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
