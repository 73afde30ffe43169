PYTHON ?= python3.13
VENV := .venv/bin
CLOUD := .local/cloud/bin
MODELS := face_recognition_models-0.3.0
CODE := src layers emulator generate local cli console audit bench harness docs examples tests
# Only tests of the stack need this plugin. Its import takes each process a second.
PARALLEL := --numprocesses 2 -p no:schemathesis

# The two environments are installed side by side.
MAKEFLAGS += --jobs=2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Prints the time of one part: $(call timed,name,command).
define timed
@start=$$(date +%s); $(2) && echo "$(1): $$(( $$(date +%s) - start )) s"
endef

# Without PACKAGE, every package is upgraded.
compile = .local/tools/bin/uv pip compile --quiet $(if $(PACKAGE),--upgrade-package $(PACKAGE),--upgrade) \
	--generate-hashes --universal --python-version 3.13 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help demo test test-code test-stack verify check static bench soak up down console docs interfaces audit sbom format record-events lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready .local/cloud/ready .local/faces/ready ## compare two photos with a local stack (SOURCE=a.jpg TARGET=b.png REGION=indonesia OPERATION=FaceCompareV2)
	@SOURCE="$(SOURCE)" TARGET="$(TARGET)" REGION="$(REGION)" OPERATION="$(OPERATION)" $(VENV)/python -m local.demo

test: static .local/cloud/ready .local/faces/ready .local/requests/ready ## run `make check`, the integration tests, and the end-to-end tests on a local stack
	@rm -f .local/skipped
	@$(CLOUD)/cfn-lint template.yaml
	@# The end-to-end tests mostly wait, the others mostly compute.
	@$(MAKE) --no-print-directory --output-sync=target test-code test-stack
	@if [ -s .local/skipped ]; then echo "Skipped:"; sort -u .local/skipped; fi

test-code:
	@$(VENV)/pytest --quiet $(PARALLEL) -m "not verify" tests/unit tests/integration

test-stack:
	@$(VENV)/pytest --quiet -m "not verify" tests/e2e

verify: static .local/cloud/ready .local/faces/ready .local/docs/ready .local/requests/ready ## run the long checks: coverage, faults, permissions, the OpenAPI document, the documentation site
	@rm -f .local/skipped
	$(call timed,coverage,$(VENV)/pytest --quiet $(PARALLEL) --cov --cov-report=term tests/unit tests/integration)
	$(call timed,stack,$(VENV)/pytest --quiet -m verify tests/e2e)
	$(call timed,permissions and leaks,$(VENV)/pytest --quiet tests/audit)
	@if [ -s .local/skipped ]; then echo "Skipped:"; sort -u .local/skipped; fi

check: static ## run the quick checks: format, lint, types, unit tests
	@$(VENV)/pytest --quiet $(PARALLEL) -m "not verify" tests/unit

static: .venv/ready
	@$(VENV)/ruff format --check --quiet $(CODE)
	@$(VENV)/ruff check --quiet $(CODE)
	@$(VENV)/mypy

bench: .venv/bench .local/cloud/ready ## measure the speed of normalising and of cold starts
	@$(VENV)/python -m bench.imaging
	@$(VENV)/python -m bench.imaging.framing
	@$(VENV)/python -m bench.cold_start

soak: .venv/ready .local/cloud/ready ## run the soak test: every load and fault, on a separate stack
	@$(VENV)/python -m bench.soak

up: .venv/ready .local/cloud/ready .local/faces/ready ## start a local stack; its addresses are in .local/stack.json
	@$(VENV)/python -m local.up

down: .venv/ready ## stop the local stack
	@$(VENV)/python -m local.up down

console: .venv/ready ## start the web console for the local stack, or for STACK=name in your AWS account (PORT=4590)
	@$(VENV)/python -m console $(if $(STACK),--stack "$(STACK)") $(if $(PORT),--port "$(PORT)")

docs: .local/docs/ready ## build the documentation as an offline site: .local/site/index.html
	@# Not --quiet, which would hide warnings in strict mode.
	@NO_MKDOCS_2_WARNING=1 .local/docs/bin/mkdocs build
	@echo ".local/site/index.html"

format: .venv/ready ## format the code, and apply ruff's fixes
	@$(VENV)/ruff format --quiet $(CODE)
	@$(VENV)/ruff check --quiet --fix $(CODE)

record-events: .venv/ready .local/cloud/ready ## record the sample events in events/ again, from the local cloud
	@$(VENV)/python -m local.record_events

audit: .venv/ready .local/cloud/ready .local/audit/ready ## run the security checks: template, permissions, leaks, packages
	@$(VENV)/python -m audit

sbom: .venv/ready .local/audit/ready ## write a CycloneDX bill of materials for each bundle: .local/sbom
	@$(VENV)/python -m audit.sbom

interfaces: .venv/ready ## write what is generated: parts of template.yaml, the schemas, tables and pages of the documentation
	@$(VENV)/python -m generate

lock: ## update all pinned requirements, with hashes (only one with PACKAGE=pillow)
	@$(PYTHON) -m venv .local/tools && .local/tools/bin/pip install --quiet uv
	@for name in layers/runtime/requirements layers/sdk/requirements layers/imaging/requirements requirements/dev requirements/faces requirements/bench requirements/cloud requirements/docs requirements/audit; do \
		$(compile) $$name.in -o $$name.txt || exit 1; \
	done
	@# Pillow comes with the layer imaging.
	@for name in layers/heic/requirements layers/framing/requirements; do \
		$(compile) --no-emit-package pillow $$name.in -o $$name.txt || exit 1; \
	done
	@echo "Install the new packages, then run: .venv/bin/python -m audit.licences"

clean: down ## remove all built and installed files
	@rm -rf .venv .local .aws-sam

# Paths in a .pth file are relative to its folder, so a copy of the environment finds the copy of the sources.
.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || { echo "Install Python 3.13 as '$(PYTHON)', or set its path: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "Installing the development tools into .venv (once) …"
	@$(PYTHON) -m venv .venv && $(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(VENV)/python -c 'import tomllib; roots = tomllib.load(open("pyproject.toml", "rb"))["tool"]["mypy"]["mypy_path"]; \
		print(*(f"../../../../{root}" for root in roots), sep="\n")' > $$(echo .venv/lib/python3.*/site-packages)/facematch.pth
	@touch $@

.local/requests/ready: examples/requests/package.json
	@if node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; then \
		echo "Installing the packages of the TypeScript example into .local/requests (once) …"; \
		mkdir -p .local/requests && cp $< .local/requests/ && cd .local/requests && \
			npm install --silent --no-package-lock --ignore-scripts --no-audit --no-fund && touch ready; \
	else \
		echo "The TypeScript example is not tested. Install Node 20 or later, with npm, to test it." >&2; \
	fi

.venv/bench: .venv/ready requirements/bench.txt
	@echo "Installing the packages of the benchmarks into .venv (once) …"
	@$(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

# Two files of the archive are kept. It also contains a model whose licence excludes commercial use.
.local/faces/ready: requirements/faces.txt | .venv/ready
	@echo "Downloading the emulator's face models, 100 MB (once) …"
	@rm -rf .local/faces && mkdir -p .local/faces/archive
	@$(VENV)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation \
		--dest .local/faces/archive -r $<
	@tar -xzf .local/faces/archive/$(MODELS).tar.gz -C .local/faces --strip-components 3 \
		$(MODELS)/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat \
		$(MODELS)/face_recognition_models/models/shape_predictor_5_face_landmarks.dat
	@rm -r .local/faces/archive && touch $@

.local/%/ready: requirements/%.txt
	@$(PYTHON) -c '' 2>/dev/null || { echo "Install Python 3.13 as '$(PYTHON)', or set its path: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "Installing $(what-$*) into .local/$* (once) …"
	@mkdir -p .local && $(PYTHON) -m venv .local/$* && .local/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

what-cloud := the local cloud and SAM
what-docs := MkDocs
what-audit := the audit tools
