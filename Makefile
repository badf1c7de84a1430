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
.PHONY: help demo test lint bench soak faults fuzz web lock clean audit licences sbom
.DEFAULT_GOAL := help

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/package.stamp $(BUNDLE) ## Start broker, simulated plant and web page (http://127.0.0.1:8800)
	@$(BIN)/lineside demo $(ARGS)

test: $(VENV)/package.stamp $(VENV)/dev.stamp $(BUNDLE) ## Run every test; those whose service is absent are skipped
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope $(ARGS)

lint: $(VENV)/dev.stamp ## Check style, format, types and the layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/package.stamp $(VENV)/dev.stamp ## Measure every figure that the README quotes
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/package.stamp $(VENV)/dev.stamp ## Watch memory for two hours at 200 welds/s with 20 browsers; ARGS="--minutes 20"
	@$(BIN)/python -m benchmarks.live soak $(ARGS)

audit: $(VENV)/audit.stamp ## Look up known vulnerabilities of every locked package; ARGS="-s osv" asks OSV
	@$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(ARGS) \
	  -r requirements/bootstrap.txt -r requirements/dev.txt -r requirements/audit.txt
	@cd $(WEB) && $(CURDIR)/$(BIN)/npm audit --package-lock-only --loglevel=error

licences: $(VENV)/dev.stamp ## Check that every locked package has a licence that the project accepts
	@$(BIN)/python .ci/licences.py

sbom: $(VENV)/audit.stamp ## List what is shipped, with hashes, as CycloneDX in dist/sbom
	@mkdir -p dist/sbom
	@$(VENV)/audit/bin/python -W ignore -m cyclonedx_py requirements requirements/run.txt --pyproject pyproject.toml \
	  --output-reproducible --output-format JSON --output-file dist/sbom/python.cdx.json
	@cd $(WEB) && $(CURDIR)/$(BIN)/npm sbom --sbom-format cyclonedx --package-lock-only --omit dev --loglevel=error \
	  > $(CURDIR)/dist/sbom/web.cdx.json
	@echo "dist/sbom/python.cdx.json and dist/sbom/web.cdx.json"

faults: $(VENV)/package.stamp $(VENV)/dev.stamp $(BUNDLE) ## Kill and harm running processes for an hour or more, and compare
	@$(BIN)/python -m tests.system.faults $(ARGS)

fuzz: $(VENV)/package.stamp $(VENV)/fuzz.stamp ## Feed every decoder a million hostile payloads; ARGS="weld event" only these
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

web: $(BUNDLE) ## Bundle the web application

lock: $(VENV)/run.stamp ## Lock the dependencies anew; ARGS=--upgrade takes newer versions
	@$(COMPILE) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(COMPILE) $(ARGS) pyproject.toml requirements/run.in -o requirements/run.txt
	@$(COMPILE) $(ARGS) pyproject.toml requirements/run.in --group dev -c requirements/run.txt -o requirements/dev.txt
	@$(COMPILE) $(ARGS) --group audit -c requirements/dev.txt -o requirements/audit.txt
	@$(COMPILE) $(ARGS) --group fuzz -c requirements/dev.txt -o requirements/fuzz.txt
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

# In an environment of its own: what audits is not among what is audited.
$(VENV)/audit.stamp: requirements/audit.txt $(VENV)/run.stamp
	@$(BIN)/python -m venv --clear $(VENV)/audit
	@$(BIN)/uv pip install --quiet --python $(VENV)/audit/bin/python --require-hashes -r $<
	@touch $@

$(VENV)/fuzz.stamp: requirements/fuzz.txt $(VENV)/dev.stamp
	@$(INSTALL) --require-hashes -r $<
	@touch $@

$(BUNDLE): $(WEB_SOURCES) | $(VENV)/run.stamp
	@$(BIN)/python dashboards/build_web.py

$(VENV)/package.stamp: pyproject.toml dashboards/build_hook.py $(VENV)/run.stamp | $(BUNDLE)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
