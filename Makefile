PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CODE := itemkit fanfold functions tests bench sample_data docs examples

# Where pytest-xdist runs: one worker a core.
WORKERS ?= auto

FUZZ_SECONDS ?= 60
FUZZ_SEED ?=

export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1

.DEFAULT_GOAL := help

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## install what the project needs into .venv (once)

$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements-dev.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: $(READY) ## run the main job on sample_data/, on this machine
	$(BIN)/fanfold demo --to out

local: $(READY) ## serve the application on 127.0.0.1:4570 for the AWS CLI and boto3
	$(BIN)/fanfold local

test: $(READY) ## run all tests
	$(BIN)/pytest -n $(WORKERS)

e2e: $(READY) ## run whole programs from a shell: the README's commands, the examples, the command line on a terminal
	$(BIN)/pytest -m e2e -n $(WORKERS) --dist loadfile

slow: $(READY) ## run the tests that take minutes: large sizes, such as a drain of 5,000 files, and the benchmarks' own
	$(BIN)/pytest -m slow -n $(WORKERS)

check: $(READY) ## lint, check types, validate the template and compare the docs with the code
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	@set -ex; for folder in $(patsubst %/operation.py,%,$(wildcard examples/*/*/operation.py)); do \
	  (cd $${folder%/*} && MYPYPATH=../..:. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p $${folder##*/}); done
	@set -ex; for template in template.yaml $(wildcard examples/*/template.yaml); do \
	  $(BIN)/sam validate --lint --template $$template; done
	$(BIN)/python docs/generate.py --check

docs: $(READY) ## write the parts of the documentation that are made from the code
	$(BIN)/python docs/generate.py

# What the reviewers of the template need, and nothing else here does: a place of its own.
LINT := build/lint
CHECKOV := $(LINT)/.checkov
ASL := $(LINT)/.asl-validator

lint-cloud: $(CHECKOV) $(ASL) ## review template, workflows and artefacts as AWS would
	$(BIN)/python -m tests.cloud.lint
	$(BIN)/pytest -m cloud -n $(WORKERS) tests/cloud tests/template/test_build.py

$(CHECKOV): requirements-lint.txt $(READY)
	@mkdir -p $(LINT)
	$(BIN)/uv venv --quiet --allow-existing $(LINT)
	VIRTUAL_ENV=$(LINT) $(BIN)/uv pip sync --quiet --require-hashes requirements-lint.txt
	@touch $@

$(ASL): tests/cloud/package.json tests/cloud/package-lock.json
	@mkdir -p $(LINT)
	@if command -v npm >/dev/null; then cp $^ $(LINT) && npm ci --prefix $(LINT) --ignore-scripts --silent && touch $@; \
	else echo "SKIPPED: asl-validator needs npm, which is not here"; fi

# What the README quotes is kept; a look is not.
BENCHMARKS := engine fold images tables listing laptop
MEASURED := $(if $(QUICK),build/bench,docs/img/bench)

bench: $(READY) ## measure against the peers, keep rows and plots in docs/img/bench (45 minutes; QUICK=1 for a look, in build/bench)
	@mkdir -p $(MEASURED)
	@missed=; for name in $(BENCHMARKS); do echo "$$name:"; \
	  $(BIN)/python bench/$$name.py $(if $(QUICK),--quick) --json $(MEASURED)/$$name.json || missed="$$missed $$name"; \
	  $(BIN)/python bench/plot.py $(MEASURED)/$$name.json; done; \
	if test -n "$$missed"; then echo "targets were missed in:$$missed"; exit 1; fi

fuzz: $(READY) ## feed mutated samples to the operations (FUZZ_SECONDS=60 each, FUZZ_SEED=N for a run again)
	@mkdir -p build/fuzz
	@for target in $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.py))); do \
	  $(BIN)/python -m tests.fuzz.$$target --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) \
	    2>build/fuzz/stderr || { echo "what the libraries said is in build/fuzz/stderr"; exit 1; }; \
	done

browser: ## install Chromium for the browser tests (Debian, needs root)
	@if test -x /usr/bin/chromium; then echo "/usr/bin/chromium is here"; \
	elif ! command -v apt-get >/dev/null; then echo "SKIPPED: no apt-get here to install Chromium with"; \
	elif test "$$(id -u)" != 0; then echo "SKIPPED: installing Chromium needs root"; \
	else apt-get update -qq && apt-get install -y -qq chromium; fi

format: $(READY) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

build: $(READY) ## build the Lambda artefacts (needs Python 3.13, or a container engine)
	@if python3.13 --version >/dev/null 2>&1; then $(BIN)/sam build; \
	elif docker info >/dev/null 2>&1; then $(BIN)/sam build --use-container; \
	else echo "SKIPPED: sam build needs python3.13 on the PATH or a container engine; neither is here"; fi

sample: $(READY) ## draw the sample data anew (the same bytes)
	$(BIN)/python sample_data/draw_images.py
	$(BIN)/python sample_data/write_tables.py

COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock: $(READY) ## resolve all requirements anew
	$(COMPILE) --upgrade --universal --python-version 3.11 --extra local --group dev \
	  pyproject.toml --output-file requirements-dev.txt
	$(COMPILE) --upgrade --no-deps --python-version 3.13 --constraint requirements-dev.txt \
	  itemkit/requirements.in --output-file itemkit/requirements.txt
	$(COMPILE) --upgrade --universal --python-version 3.11 --group lint --output-file requirements-lint.txt
	for folder in functions/*/ $(dir $(wildcard examples/*/*/requirements.in)); do $(COMPILE) --upgrade --python-version 3.13 --constraint requirements-dev.txt \
	  $${folder}requirements.in --output-file $${folder}requirements.txt || exit 1; done

clean: ## remove what was made
	rm -rf .venv .aws-sam .fanfold .hypothesis .mypy_cache .pytest_cache .ruff_cache build out *.egg-info

.PHONY: help setup run local test e2e slow check docs lint-cloud bench fuzz browser format build sample lock clean
