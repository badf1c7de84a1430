# `make demo` and `make test` need Python 3.11 or newer and make, nothing else: all the rest is installed into .venv from
# lists that are locked by hash. Options are passed on: make demo ARGS="--hours 2 --port 8801"

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTHON ?= python3.13 python3.12 python3.11 python3
WEB := dashboards/web
BUNDLE := $(WEB)/dist/index.html
WEB_SOURCES := $(shell find $(WEB)/src -type f 2>/dev/null) $(WEB)/build.mjs $(WEB)/package-lock.json dashboards/build_web.py
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test lint bench web lock clean
.DEFAULT_GOAL := help

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/package.stamp $(BUNDLE) ## Start broker, simulated plant and web page (http://127.0.0.1:8800)
	@$(BIN)/lineside demo $(ARGS)

test: $(VENV)/package.stamp $(VENV)/dev.stamp $(BUNDLE) ## Run every test; those whose service is absent are skipped
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.stamp ## Check style, format, types and the layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/package.stamp $(VENV)/dev.stamp ## Measure every figure that the README quotes
	@$(BIN)/python -m benchmarks $(ARGS)

web: $(BUNDLE) ## Bundle the web application

lock: $(VENV)/run.stamp ## Lock the dependencies anew; ARGS=--upgrade takes newer versions
	@$(COMPILE) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(COMPILE) $(ARGS) pyproject.toml requirements/run.in -o requirements/run.txt
	@$(COMPILE) $(ARGS) pyproject.toml requirements/run.in --group dev -c requirements/run.txt -o requirements/dev.txt
	@cd $(WEB) && $(CURDIR)/$(BIN)/npm install --package-lock-only --loglevel=error

clean: ## Remove all that make has made (never the data folder)
	rm -rf $(VENV) $(WEB)/dist $(WEB)/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp says that one list was installed as a whole. `make -j` is safe: uv locks the environment while it installs.
$(BIN)/python:
	@enough='import sys; sys.exit(sys.version_info < (3, 11))'; chosen=; old=; \
	for python in $(PYTHON); do \
	  "$$python" -c "$$enough" 2>/dev/null || continue; \
	  if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then chosen=$$python; break; else old=$$python; fi; \
	done; \
	if [ -z "$$chosen" ] && [ -n "$$old" ]; then \
	  echo "$$old has no venv module; install it, on Debian and Ubuntu by: apt install python3-venv" >&2; exit 1; \
	elif [ -z "$$chosen" ]; then \
	  echo "Python 3.11 or newer is needed, and none of these is one: $(PYTHON)" >&2; exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$chosen" --version)"; "$$chosen" -m venv --clear $(VENV)

$(VENV)/uv.stamp: requirements/bootstrap.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/run.stamp: requirements/run.txt $(VENV)/uv.stamp
	@$(INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@$(INSTALL) --require-hashes -r $<
	@touch $@

$(BUNDLE): $(WEB_SOURCES) | $(VENV)/run.stamp
	@$(BIN)/python dashboards/build_web.py

$(VENV)/package.stamp: pyproject.toml dashboards/build_hook.py $(VENV)/run.stamp | $(BUNDLE)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
