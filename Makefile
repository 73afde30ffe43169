PYTHON ?= python3.13
VENV := .venv/bin
CLOUD := .local/cloud/bin
MODELS := face_recognition_models-0.3.0
CODE := src layers emulator generate local cli console audit bench harness docs examples tests
# Without a plugin that only tests of the stack need, and whose import takes each process a second.
PARALLEL := --numprocesses 2 -p no:schemathesis

# The two environments are installed side by side.
MAKEFLAGS += --jobs=2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The time of one part: $(call timed,name,command).
define timed
@start=$$(date +%s); $(2) && echo "$(1): $$(( $$(date +%s) - start )) s"
endef

# Without PACKAGE, every package is upgraded.
compile = .local/tools/bin/uv pip compile --quiet $(if $(PACKAGE),--upgrade-package $(PACKAGE),--upgrade) \
	--generate-hashes --universal --python-version 3.13 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help demo test test-code test-stack verify check static bench soak up down console docs interfaces audit sbom format record-events lock clean

help: ## what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready .local/cloud/ready .local/faces/ready ## two photos through a stack on this machine (SOURCE=a.jpg TARGET=b.png REGION=indonesia OPERATION=FaceCompareV2)
	@SOURCE="$(SOURCE)" TARGET="$(TARGET)" REGION="$(REGION)" OPERATION="$(OPERATION)" $(VENV)/python -m local.demo

test: static .local/cloud/ready .local/faces/ready .local/requests/ready ## the checks below, integration tests, and tests of the deployed stack
	@rm -f .local/skipped
	@$(CLOUD)/cfn-lint template.yaml
	@# The tests of the stack mostly wait, the others mostly compute.
	@$(MAKE) --no-print-directory --output-sync=target test-code test-stack
	@if [ -s .local/skipped ]; then echo "Skipped:"; sort -u .local/skipped; fi

test-code:
	@$(VENV)/pytest --quiet $(PARALLEL) -m "not verify" tests/unit tests/integration

test-stack:
	@$(VENV)/pytest --quiet -m "not verify" tests/e2e

verify: static .local/cloud/ready .local/faces/ready .local/docs/ready .local/requests/ready ## the long checks: coverage, faults, permissions, the API's document, the site
	@rm -f .local/skipped
	$(call timed,coverage,$(VENV)/pytest --quiet $(PARALLEL) --cov --cov-report=term tests/unit tests/integration)
	$(call timed,stack,$(VENV)/pytest --quiet -m verify tests/e2e)
	$(call timed,permissions and leaks,$(VENV)/pytest --quiet tests/audit)
	@if [ -s .local/skipped ]; then echo "Skipped:"; sort -u .local/skipped; fi

check: static ## the quick half: format, lint, types, unit tests
	@$(VENV)/pytest --quiet $(PARALLEL) -m "not verify" tests/unit

static: .venv/ready
	@$(VENV)/ruff format --check --quiet $(CODE)
	@$(VENV)/ruff check --quiet $(CODE)
	@$(VENV)/mypy

bench: .venv/bench .local/cloud/ready ## how fast photos are normalised and functions start, as ratios in one run
	@$(VENV)/python -m bench.imaging
	@$(VENV)/python -m bench.imaging.framing
	@$(VENV)/python -m bench.cold_start

soak: .venv/ready .local/cloud/ready ## every load and fault, on a stack of its own
	@$(VENV)/python -m bench.soak

up: .venv/ready .local/cloud/ready .local/faces/ready ## a stack that keeps running; .local/stack.json tells where
	@$(VENV)/python -m local.up

down: .venv/ready ## end that stack
	@$(VENV)/python -m local.up down

console: .venv/ready ## one page beside that stack, or STACK=name deployed by your AWS profile (PORT=4590)
	@$(VENV)/python -m console $(if $(STACK),--stack "$(STACK)") $(if $(PORT),--port "$(PORT)")

docs: .local/docs/ready ## the pages as a site, which reads offline: .local/site/index.html
	@# Not --quiet, which strict mode would pass over warnings with.
	@NO_MKDOCS_2_WARNING=1 .local/docs/bin/mkdocs build
	@echo ".local/site/index.html"

format: .venv/ready ## format the code, and apply ruff's fixes
	@$(VENV)/ruff format --quiet $(CODE)
	@$(VENV)/ruff check --quiet --fix $(CODE)

record-events: .venv/ready .local/cloud/ready ## record events/ anew from the local cloud
	@$(VENV)/python -m local.record_events

audit: .venv/ready .local/cloud/ready .local/audit/ready ## what a security review would run: template, permissions, leaks, packages
	@$(VENV)/python -m audit

sbom: .venv/ready .local/audit/ready ## what each bundle is made of, as CycloneDX: .local/sbom
	@$(VENV)/python -m audit.sbom

interfaces: .venv/ready ## write what is generated: parts of template.yaml, the schemas, tables and pages of the documentation
	@$(VENV)/python -m generate

lock: ## pin every requirement anew, with hashes (PACKAGE=pillow for that one alone)
	@$(PYTHON) -m venv .local/tools && .local/tools/bin/pip install --quiet uv
	@for name in layers/runtime/requirements layers/sdk/requirements layers/imaging/requirements requirements/dev requirements/faces requirements/bench requirements/cloud requirements/docs requirements/audit; do \
		$(compile) $$name.in -o $$name.txt || exit 1; \
	done
	@# Pillow comes with the layer imaging.
	@for name in layers/heic/requirements layers/framing/requirements; do \
		$(compile) --no-emit-package pillow $$name.in -o $$name.txt || exit 1; \
	done
	@echo "Now, with what is pinned installed anew: .venv/bin/python -m audit.licences"

clean: down ## remove what was built and installed
	@rm -rf .venv .local .aws-sam

# Paths in a .pth file are relative to its folder, so a copy of the environment finds the copy of the sources.
.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || { echo "Install Python 3.13 so that '$(PYTHON)' runs, or name yours: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "Installing the development tools into .venv (once) …"
	@$(PYTHON) -m venv .venv && $(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(VENV)/python -c 'import tomllib; roots = tomllib.load(open("pyproject.toml", "rb"))["tool"]["mypy"]["mypy_path"]; \
		print(*(f"../../../../{root}" for root in roots), sep="\n")' > $$(echo .venv/lib/python3.*/site-packages)/facematch.pth
	@touch $@

.local/requests/ready: examples/requests/package.json
	@if node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; then \
		echo "Installing what the request in TypeScript needs into .local/requests (once) …"; \
		mkdir -p .local/requests && cp $< .local/requests/ && cd .local/requests && \
			npm install --silent --no-package-lock --ignore-scripts --no-audit --no-fund && touch ready; \
	else \
		echo "The request in TypeScript is not tried: install Node 20 or later, with npm." >&2; \
	fi

.venv/bench: .venv/ready requirements/bench.txt
	@echo "Installing what the benchmarks compare with into .venv (once) …"
	@$(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

# Two files of the archive are kept. It also holds a model whose licence excludes commercial use.
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
	@$(PYTHON) -c '' 2>/dev/null || { echo "Install Python 3.13 so that '$(PYTHON)' runs, or name yours: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "Installing $(what-$*) into .local/$* (once) …"
	@mkdir -p .local && $(PYTHON) -m venv .local/$* && .local/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

what-cloud := the local cloud and SAM
what-docs := what makes the site
what-audit := what audits
