# One target per developer task; `make help` lists them.
# Works with GNU make >= 3.81 and any POSIX shell; nothing is installed outside $(VENV).

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Settings a caller may override: make demo ARGS="--for 5s", make test PYTEST_ARGS="-k lease", make image CONTAINER_TOOL=podman
ARGS ?=
PYTEST_ARGS ?=
VENV ?= .venv
CONTAINER_TOOL ?= docker
PYTHON ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --no-warn-script-location
INSTALL_PACKAGE := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-deps --no-build-isolation --no-index --editable .
REALPARTS := PYTHONPATH=tests $(BIN)/python -m support.parts
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/audit_event_operator/__init__.py)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
IMAGE ?= audit-event-operator:$(VERSION)

# Stamp files: set-up runs once, and again only when a lock file or the package's metadata changes.
CREATED := $(VENV)/.created
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {print substr($$0, 5) ":"} /^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it
.PHONY: demo
demo: $(RUN) ## Print events on this terminal; no cluster, no broker (ARGS="--for 5s")
	@exec $(BIN)/audit-event-operator demo $(ARGS)

.PHONY: control-plane
control-plane: $(DEV) ## Run a real API server (with CRD and RBAC) and RabbitMQ on loopback until Ctrl-C
	@exec env $(REALPARTS).stay $(ARGS)

##@ Check it
# Tests on real parts mostly wait, so there are more workers than processors; each runs whole files, with parts of its own.
# Their files take longest, so they start first. PYTEST_ARGS=-n0 runs everything in one process.
TEST_WORKERS ?= 3
SIDE_BY_SIDE = -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: $(DEV) ## Run unit and integration tests (TEST_WORKERS=3); installs and builds what they need
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@$(REALPARTS).helm >/dev/null
	@exec $(BIN)/pytest $(SIDE_BY_SIDE) tests/integration tests/unit $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: $(DEV) ## Run the tests that need nothing but Python
	@exec $(BIN)/pytest -n auto --dist worksteal tests/unit $(PYTEST_ARGS)

.PHONY: test-integration
test-integration: $(DEV) ## Run the tests on a real API server and a real RabbitMQ
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@$(REALPARTS).helm >/dev/null
	@exec $(BIN)/pytest $(SIDE_BY_SIDE) tests/integration $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(DEV) ## Run unit and integration tests, print the lines they miss, write coverage.xml; fails below 95 %
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@$(REALPARTS).helm >/dev/null
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(SIDE_BY_SIDE) tests/integration tests/unit $(PYTEST_ARGS) || failed=1; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage xml --quiet --fail-under=0 && $(BIN)/coverage report || failed=1; \
	exit $${failed:-0}

# The tests that talk to a broker; the others do not depend on its version.
BROKER_TESTS = $(wildcard tests/integration/test_rabbitmq_*.py) $(addprefix tests/integration/test_, \
  realparts.py broker_outage.py exchanges.py exchange_streams.py first_resource.py generate_event.py live_changes.py \
  no_secret_anywhere.py without_a_cluster.py) \
  $(addprefix tests/faults/test_, alarms.py broker_outages.py exchanges.py network.py queues.py quorum.py secrets.py tls.py)

SUITE ?= trixie
.PHONY: test-rabbitmq4
test-rabbitmq4: $(DEV) ## Run the broker tests on RabbitMQ 4 of Debian SUITE=trixie or forky (as root on Debian)
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@$(REALPARTS).rabbitmq4 $(SUITE) >/dev/null
	@exec env AEG_TEST_RABBITMQ=$(SUITE) $(BIN)/pytest -p support.faults.table $(BROKER_TESTS) $(PYTEST_ARGS)

# The tests whose outcome can depend on the version of the API server, kubectl or the controller manager.
KUBERNETES_TESTS = $(addprefix tests/integration/test_, realparts.py validation_parity.py crd_on_the_api_server.py api_versions.py \
  api_server_outage.py argocd_operator_folder.py autoscaling.py cluster_on_the_api_server.py cluster_rights.py \
  commands_of_the_docs.py first_resource.py generate_event.py guard_rails.py leadership.py live_changes.py manifests_on_the_api_server.py \
  namespaces_of_the_setting.py nothing_of_ours_on_the_object.py overlay_combinations.py reading_with_authentication.py recipes.py \
  replicas.py rights.py the_dial.py watch_and_crd.py what_others_do.py) $(addprefix tests/integration/chart/test_, on_the_api_server.py page.py)

.PHONY: test-kubernetes
test-kubernetes: $(DEV) ## Run the tests that speak to an API server on another Kubernetes, VERSION=1.31 to 1.37
	@assets=$$($(REALPARTS).kubernetes_versions $(VERSION)) && $(REALPARTS).install && $(REALPARTS).helm >/dev/null && \
	KUBEBUILDER_ASSETS=$$assets exec $(BIN)/pytest $(SIDE_BY_SIDE) $(KUBERNETES_TESTS) $(PYTEST_ARGS)

.PHONY: e2e
e2e: $(DEV) ## Run the tests on a real node, from KUBECONFIG (kind) or a rig (AEG_RIGS)
	@$(REALPARTS).helm >/dev/null
	@exec $(BIN)/pytest tests/e2e -v $(PYTEST_ARGS)

.PHONY: rigs
rigs: $(DEV) ## Run the tests with third-party clients (Argo CD, kstatus) from a rig (AEG_RIGS)
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@$(REALPARTS).helm >/dev/null
	@exec $(BIN)/pytest tests/rigs -v $(PYTEST_ARGS)

FAULT_WORKERS ?= 3
FAULT_TESTS = $(BIN)/pytest -p support.faults.table -m row -n $(FAULT_WORKERS) --dist loadfile tests/faults tests/integration tests/unit
.PHONY: faults
faults: $(DEV) ## Run the fault matrix at full length (FAULT_WORKERS=3; AEG_FAULT_TABLE=file keeps the figures)
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@AEG_FAULTS=full AEG_TEST_OUTAGE_SECONDS=$${AEG_TEST_OUTAGE_SECONDS:-600} exec $(FAULT_TESTS) $(PYTEST_ARGS)

.PHONY: faults-short
faults-short: $(DEV) ## Run the fault matrix with short faults and time constants, as .ci/run does
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@exec $(FAULT_TESTS) $(PYTEST_ARGS)

SOAK_SECONDS ?= 3600
.PHONY: soak
soak: $(DEV) ## A quiet stream for ten minutes, then random faults for SOAK_SECONDS=3600; memory growth and event-loop lag
	@$(REALPARTS).install
	@$(REALPARTS).build >/dev/null
	@AEG_TEST_QUIET_SECONDS=600 $(BIN)/pytest tests/integration/test_believable_streams.py -k five_events $(PYTEST_ARGS)
	@AEG_SOAK_SECONDS=$(SOAK_SECONDS) exec $(BIN)/pytest -p support.faults.table tests/faults/test_soak.py $(PYTEST_ARGS)

.PHONY: bench
bench: $(DEV) ## Measure throughput and CPU per event, compared with a bare flood of the same bodies
	@exec $(BIN)/python -m benchmarks $(ARGS)

.PHONY: lint
lint: $(DEV) ## Check style and formatting (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: format
format: $(DEV) ## Fix style and formatting (ruff)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: types
types: $(DEV) ## Check types (mypy, strict)
	@$(BIN)/mypy

.PHONY: imports
imports: $(DEV) ## Check the arrows between the packages (import-linter)
	@$(BIN)/lint-imports

.PHONY: check-drift
check-drift: $(DEV) ## Fail if a generated file (CRD, install.yaml, Argo CD patch, what the chart copies) is stale
	@$(RENDER_CRD) | diff -u $(CRD) - || { echo "$(CRD) is stale; run: make crd" >&2; exit 1; }
	@$(RENDER_INSTALL) | diff -u $(INSTALL) - || { echo "$(INSTALL) is stale; run: make manifests" >&2; exit 1; }
	@$(RENDER_ARGOCD) | diff -u $(ARGOCD) - || { echo "$(ARGOCD) is stale; run: make manifests" >&2; exit 1; }
	@$(RENDER_CHART) --check

##@ Make it
# Generated files: the CRD from the models, install.yaml from the default overlay, the chart's copies of both. All offline.
KUBECTL ?= $(shell command -v kubectl 2>/dev/null || PYTHONPATH=tests $(BIN)/python -c "from support.parts.build import find_binaries; print(find_binaries() / \"kubectl\")")
CRD := crds/auditeventgenerators.yaml
INSTALL := manifests/install.yaml
RENDER_CRD := $(BIN)/audit-event-operator crd
ARGOCD := manifests/argocd/argocd-cm-patch.yaml
RENDER_ARGOCD := $(BIN)/python manifests/argocd/render.py
RENDER_CHART := $(BIN)/python charts/render.py
RENDER_INSTALL = { echo "\# Rendered from manifests/overlays/default by make manifests; change that, not this." && $(KUBECTL) kustomize manifests/overlays/default; }

.PHONY: crd
crd: $(DEV) ## Write crds/ from the models
	@$(RENDER_CRD) >$(CRD).new && mv $(CRD).new $(CRD) || { rm -f $(CRD).new; exit 1; }

.PHONY: manifests
manifests: crd ## Write crds/, manifests/install.yaml, the Argo CD patch and what the chart copies
	@$(RENDER_INSTALL) >$(INSTALL).new && mv $(INSTALL).new $(INSTALL) || { rm -f $(INSTALL).new; exit 1; }
	@$(RENDER_ARGOCD) >$(ARGOCD).new && mv $(ARGOCD).new $(ARGOCD) || { rm -f $(ARGOCD).new; exit 1; }
	@$(RENDER_CHART)

# RELEASE_IMAGE and DIGEST, if given, become the packaged chart's image; else it keeps the name that nobody can pull.
HELM ?= $(shell command -v helm 2>/dev/null || echo "$$(PYTHONPATH=tests $(BIN)/python -m support.parts.helm)/helm")
CHART := charts/audit-event-operator
.PHONY: chart
chart: ## Write dist/audit-event-operator-VERSION.tgz, the Helm chart (RELEASE_IMAGE=name DIGEST=sha256:…)
	@rm -rf dist/chart && mkdir -p dist/chart && cp -R $(CHART) dist/chart/
	@sed -e 's|^  repository: audit-event-operator$$|  repository: $(or $(RELEASE_IMAGE),audit-event-operator)|' \
	  -e 's|^  digest: ""$$|  digest: "$(DIGEST)"|' $(CHART)/values.yaml >dist/chart/audit-event-operator/values.yaml
	@$(HELM) package dist/chart/audit-event-operator --destination dist
	@rm -rf dist/chart

.PHONY: image
image: ## Build the container image (IMAGE=name:tag)
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t $(IMAGE) .

# A tag makes a release (docs/decisions/0005-releases.md); these two steps of it need no registry.
.PHONY: check-release
check-release: ## Fail unless TAG=vX.Y.Z matches the code's version and the changelog has its section
	@test "$(TAG)" = "v$(VERSION)" || { echo "the tag $(TAG) is not v$(VERSION), the version in operator/audit_event_operator/__init__.py" >&2; exit 1; }
	@grep -q '^## \[$(VERSION)\]' CHANGELOG.md || { echo "CHANGELOG.md has no section [$(VERSION)]" >&2; exit 1; }

.PHONY: release-files
release-files: ## Write dist/: install.yaml and the chart for RELEASE_IMAGE at DIGEST=sha256:…, the CRD, the release notes
	@test -n "$(RELEASE_IMAGE)" && test -n "$(DIGEST)" || { echo "RELEASE_IMAGE and DIGEST are needed" >&2; exit 1; }
	@rm -rf dist && mkdir -p dist/install
	@printf 'resources:\n- ../../manifests/overlays/default\nimages:\n- name: audit-event-operator\n  newName: %s\n  newTag: "%s"\n  digest: %s\n' \
	  "$(RELEASE_IMAGE)" "$(VERSION)" "$(DIGEST)" >dist/install/kustomization.yaml
	@$(KUBECTL) kustomize dist/install >dist/install.yaml
	@cp $(CRD) dist/crds.yaml
	@$(MAKE) chart RELEASE_IMAGE="$(RELEASE_IMAGE)" DIGEST="$(DIGEST)"
	@awk '/^## \[/ { on = index($$0, "## [$(VERSION)]") == 1; next } on' CHANGELOG.md >dist/notes.md

# The lock files are for CPython >= 3.11 on Linux and macOS, and name no index: pip uses the one it is configured with.
UV ?= $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS) pyproject.toml

.PHONY: lock
lock: ## Resolve requirements/*.txt (ARGS=--upgrade takes newer versions)
	@$(UV) --version >/dev/null 2>&1 || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	$(LOCK) --output-file requirements/run.txt
	$(LOCK:pyproject.toml=) --group build --constraint requirements/run.txt --output-file requirements/build.txt
	$(LOCK) --group dev --constraint requirements/run.txt --constraint requirements/build.txt --output-file requirements/dev.txt

.PHONY: clean
clean: ## Remove the virtual environment and caches; keeps the built control plane
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* coverage.xml
	find operator tests benchmarks manifests charts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- set-up -----------------------------------------------------------------------------------------------------------
# Messages go to stderr: stdout belongs to the command that is run.

$(CREATED):
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed, and none was found; name one: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Creating $(VENV) with $$found (once) ..." >&2; \
	$$found -m venv $(VENV) >&2 || { \
	  echo "$$found cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	}
	@touch $@

# No bytecode yet, the first import compiles it: compiling all of the Kubernetes client would take longer than the rest of set-up.
$(RUN): requirements/run.txt requirements/build.txt pyproject.toml | $(CREATED)
	@echo "Installing the operator and what it needs into $(VENV) (once, about half a minute) ..." >&2
	@$(PIP) --no-compile -r requirements/run.txt -r requirements/build.txt >&2
	@$(INSTALL_PACKAGE) >&2
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(CREATED)
	@echo "Installing the operator, what it needs and what its tests need into $(VENV) (once, about a minute) ..." >&2
	@$(PIP) -r requirements/dev.txt >&2
	@$(INSTALL_PACKAGE) >&2
	@touch $(RUN) $@
