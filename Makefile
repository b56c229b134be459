# Short cuts over plain commands: what each does can be typed by hand after `. .offline/env`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

STACK ?= dev
JOBS ?= 5
RELEASE ?= release.json
TRIAL ?= release
BENCH ?= --write

# Under another name than MAKE, since make runs recipes that name it even with --dry-run.
SUBMAKE = $(MAKE) --no-print-directory

# What the set-up found: tools on PATH, the plugin's home, base images. Without offline/, the machine's own.
TOOLS := export PATH="$(CURDIR)/.venv/bin:$$PATH"; if [ -r .offline/env ]; then . .offline/env; fi;

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Provide everything that is missing: engine, Pulumi, plugin, base images, Python packages
	@if [ -x offline/setup ]; then offline/setup $(SETUP); fi
	$(SUBMAKE) --silent .venv/.complete

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
	gixctl status --verify --stack "$(STACK)"

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
	$(if $(LEDGER),gixctl delete-ledger "$(LEDGER)" --stack "$(STACK)" --destroy, \
		pulumi destroy --stack "$(STACK)" --yes --skip-preview --exclude-protected)

.PHONY: status
status: setup ## Show every service: container, image digest, address, health
	@$(TOOLS)
	gixctl status --stack "$(STACK)"

.PHONY: demo
demo: setup ## Send jobs to the running stack (JOBS=5) and show the ledger; DEMO='--ca ca.pem' for one with TLS
	@$(TOOLS)
	router=$$(gixctl address router --stack "$(STACK)")
	auction=$$(gixctl address auction --stack "$(STACK)" 2>/dev/null || true)
	python sample/demo.py --jobs "$(JOBS)" --router "$$router" $${auction:+--auction "$$auction"} $(DEMO)

.PHONY: comment
comment: setup ## Say what HEAD does to every environment, or to ENVIRONMENT=, against BASE=HEAD^1, in COMMENT=comment.md; FORK=true for a fork's
	@$(TOOLS)
	gixctl pull-request comment --base "$(or $(BASE),HEAD^1)" --file "$(or $(COMMENT),comment.md)" \
		$(if $(filter true,$(FORK)),--fork) $(if $(ENVIRONMENT),--stack "$(ENVIRONMENT)")

.PHONY: post
post: .venv/.complete ## Put COMMENT=comment.md on the pull request in the file NUMBER, which must be at the commit HEAD
	@$(TOOLS)
	gixctl pull-request post --file "$(COMMENT)" --number "$(NUMBER)" --head "$(HEAD)" $(if $(filter true,$(FORK)),--fork)

.PHONY: release
release: setup ## Build TAG=, run it beside all else, scan it, push it, and write its digests into RELEASE=release.json
	@$(TOOLS)
	trap 'gixctl release down --stack "$(TRIAL)"' EXIT
	gixctl release try --stack "$(TRIAL)" --tag "$(TAG)"
	gixctl verify --stack "$(TRIAL)"
	gixctl scan --stack "$(TRIAL)" --sbom "$(or $(SBOM),sbom)" $(if $(filter true,$(SCANNER)),--require)
	gixctl release push --stack "$(TRIAL)" --file "$(RELEASE)"

.PHONY: deploy
deploy: setup ## Run the digests of RELEASE=release.json in STACK=, held to the policy pack, and verify it; MESSAGE= is for the history
	@$(TOOLS)
	pulumi stack select --create "$(STACK)"
	gixctl release pin "$(STACK)" --file "$(RELEASE)"
	if ! pulumi up --stack "$(STACK)" --yes --skip-preview --policy-pack "$${GIX_POLICY_PACK:-policy}" \
			$${MESSAGE:+--message "$$MESSAGE"}; then
		gixctl status --stack "$(STACK)" || true
		echo "make: the deployment failed; the table shows what serves. To go back: make rollback STACK=$(STACK)" >&2
		exit 1
	fi
	gixctl status --verify --stack "$(STACK)"

.PHONY: rollback
rollback: setup ## Run the images and settings of VERSION= in the history of STACK= again, by default the release before; YES=true does not ask
	@$(TOOLS)
	# From the environment, not from make: a person types it into the form of the workflow.
	gixctl rollback --stack "$(STACK)" $(if $(filter true,$(YES)),--yes) $${VERSION:+-- "$$VERSION"}
	gixctl status --verify --stack "$(STACK)"

.PHONY: drift
drift: setup ## Look whether STACKS="staging prod" are as they were deployed; ISSUE=true opens an issue for each that is not
	@$(TOOLS)
	gixctl drift $(or $(STACKS),$(STACK)) $(if $(filter true,$(ISSUE)),--issue)

.PHONY: review-up
review-up: setup ## Bring up the throw-away stack of the pull request NUMBER=
	@$(TOOLS)
	gixctl review up "$(NUMBER)"

.PHONY: review-down
review-down: setup ## Remove the throw-away stack of the pull request NUMBER=
	@$(TOOLS)
	gixctl review down "$(NUMBER)"

.PHONY: check
check: .venv/.complete ## Lint and types, of workflows, too
	@$(TOOLS)
	ruff format --check --quiet
	ruff check --quiet
	mypy
	codespell
	git ls-files -co --exclude-standard -z '*.sh' offline/setup offline/clean .ci/run | xargs -0r shellcheck -x
	git ls-files -co --exclude-standard -z ':!*ignore' 'infra/docker/Dockerfile.*' 'benchmarks/compose/Dockerfile.*' '*.Dockerfile' | xargs -0r hadolint
	if ! command -v actionlint >/dev/null && [ -x offline/actionlint.sh ]; then
		offline/actionlint.sh
		. .offline/parts/actionlint
		PATH="$$GIX_ACTIONLINT:$$PATH"
	fi
	actionlint
	# Everything that zizmor can see without a network, its strictest findings included.
	zizmor --offline --quiet --persona auditor .github

.PHONY: test-unit
test-unit: .venv/.complete ## Tests that need no engine: seconds
	@$(TOOLS)
	pytest tests/unit

.PHONY: test
test: ## All tests, on the real engine
	@$(SUBMAKE) setup SETUP=--tests
	$(SUBMAKE) check
	$(TOOLS)
	# Two more than there are processors: containers that start are waited for. In the files' order: those of the
	# engine come first, so that none of the long ones is left alone at the end.
	pytest --numprocesses $$(($$(nproc) + 2)) --dist loadfile --no-loadscope-reorder -m "not load and not swarm and not outage"
	# They count failed requests and need the machine for themselves, or need the default ports.
	pytest -m "load or (swarm and not outage)" tests/engine

.PHONY: test-outages
test-outages: ## Lose nodes of a Swarm, cut them off, and run a hundred tasks: 20 minutes, as root
	@$(SUBMAKE) setup SETUP=--tests
	$(TOOLS)
	pytest -m outage tests/engine

.PHONY: cluster
cluster: ## A Swarm cluster on this machine, to try things: three engines and a registry; CLUSTER='--managers 3' for more
	@$(SUBMAKE) setup SETUP=--tests
	$(TOOLS)
	python -m tests.support.cluster up $(CLUSTER)

.PHONY: cluster-down
cluster-down: .venv/.complete ## Remove the cluster with all that runs there
	@$(TOOLS)
	python -m tests.support.cluster down

.PHONY: bench
bench: setup ## Compare with Docker Compose and write docs/benchmarks.md; hours for all cases, BENCH='--case b c' runs some
	@$(TOOLS)
	python -m benchmarks $(BENCH)

.PHONY: lock
lock: ## Write requirements.txt anew from pyproject.toml
	@python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv
	.venv/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--quiet --output-file requirements.txt

.PHONY: generate
generate: .venv/.complete ## Write the files that are generated from the code: reference, schemas, arguments, Dockerfiles, parts of Pulumi.yaml and README
	@$(TOOLS)
	python -m generators

.PHONY: docs
docs: .venv/.complete ## Build the documentation site into build/site
	@$(TOOLS)
	mkdocs build --quiet

.PHONY: clean
clean: ## Remove what the set-up put into this clone; stacks, ledgers and the engine stay
	@if [ -x offline/clean ]; then offline/clean; fi
	rm -rf .venv
