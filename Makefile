# Short cuts over plain commands: what each does can be typed by hand after `. .offline/env`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

STACK ?= dev
JOBS ?= 5

# What the set-up found: tools on PATH, the plugin's home, base images. Without offline/, the machine's own.
TOOLS := export PATH="$(CURDIR)/.venv/bin:$$PATH"; if [ -r .offline/env ]; then . .offline/env; fi;

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Provide everything that is missing: engine, Pulumi, plugin, base images, Python packages
	@if [ -x offline/setup ]; then offline/setup $(SETUP); fi
	$(MAKE) --no-print-directory --silent .venv/.complete

.venv/.complete: requirements.txt pyproject.toml
	@echo "python     installing what requirements.txt locks into .venv"
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: up
up: setup ## Bring the stack up (STACK=dev), show what runs, and verify it
	@$(TOOLS)
	pulumi stack select --create "$(STACK)"
	pulumi up --stack "$(STACK)" --yes --skip-preview
	gixctl status --stack "$(STACK)"
	gixctl verify --stack "$(STACK)"

.PHONY: preview
preview: setup ## Show what `make up` would change, and change nothing
	@$(TOOLS)
	pulumi stack select --create "$(STACK)"
	pulumi preview --stack "$(STACK)" --diff

.PHONY: plan
plan: setup ## Say what `make up` would do to each service, and why
	@$(TOOLS)
	pulumi stack select --create "$(STACK)"
	gixctl plan --stack "$(STACK)"

.PHONY: down
down: setup ## Remove containers and network; the ledger stays, unless LEDGER=gcam-data names it
	@$(TOOLS)
	pulumi destroy --stack "$(STACK)" --yes --skip-preview --exclude-protected
	$(if $(LEDGER),gixctl delete-ledger "$(LEDGER)")

.PHONY: status
status: setup ## Show every service: container, image digest, address, health
	@$(TOOLS)
	gixctl status --stack "$(STACK)"

.PHONY: demo
demo: setup ## Send jobs to the running stack (JOBS=5) and show the ledger
	@$(TOOLS)
	router=$$(gixctl address router --stack "$(STACK)")
	auction=$$(gixctl address auction --stack "$(STACK)" 2>/dev/null || true)
	python sample/demo.py --jobs "$(JOBS)" --router "$$router" $${auction:+--auction "$$auction"}

.PHONY: check
check: .venv/.complete ## Lint and types
	@$(TOOLS)
	ruff format --check --quiet
	ruff check --quiet
	mypy
	git ls-files -co --exclude-standard -z '*.sh' offline/setup offline/clean .ci/run | xargs -0r shellcheck -x

.PHONY: test-unit
test-unit: .venv/.complete ## Tests that need no engine: seconds
	@$(TOOLS)
	pytest tests/unit

.PHONY: test
test: ## All tests, on the real engine
	@$(MAKE) --no-print-directory setup SETUP=--tests
	$(MAKE) --no-print-directory check
	$(TOOLS)
	pytest --numprocesses auto --dist loadfile

.PHONY: lock
lock: ## Write requirements.txt anew from pyproject.toml
	@python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv
	.venv/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--quiet --output-file requirements.txt

.PHONY: reference
reference: .venv/.complete ## Write docs/configuration.md and the keys of Pulumi.yaml anew from the models
	@$(TOOLS)
	python -m gix_components.reference

.PHONY: clean
clean: ## Remove what the set-up put into this clone; stacks, ledgers and the engine stay
	@if [ -x offline/clean ]; then offline/clean; fi
	rm -rf .venv
