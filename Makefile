# Every recipe is one command; longer ones are scripts in scripts/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
# Debian's PATH for users other than root lacks the folders of ip, nft and ldconfig.
export PATH := $(PATH):/usr/sbin:/sbin
# With it, each start of a program compiles its modules again: twice the time, and more memory.
unexport PYTHONDONTWRITEBYTECODE
# Recipes get these as variables of their environment, so that neither make nor the shell runs what is in them.
override REGISTRY := $(value REGISTRY)
override PLATFORMS := $(value PLATFORMS)
export REGISTRY PLATFORMS

.PHONY: help setup setup-dev lock images demo test unit contract netns timing conformance closed browser e2e engines arm64 dist push check format pictures bench attack attack-short soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install both programs into .venv, and a few Debian packages
	@scripts/setup.sh programs

setup-dev: ## Install what all other targets need, so that each starts at once
	@scripts/setup.sh dev

.setup-test:
	@scripts/setup.sh test

lock: setup-dev ## Renew the hashed lock files from the pyproject.toml files
	@scripts/lock.sh

images: ## Build the images imds-mock and imds-shim with Docker
	@scripts/images.sh

demo: ## Demonstrate it, with Docker or in network namespaces
	@python=$$(scripts/setup.sh python) && "$$python" scripts/demo.py --setup

test: .setup-test ## Run the unit, contract and netns tests (no Docker needed)
	@scripts/tiers.sh unit contract netns

unit: .setup-test ## Run the unit tests
	@scripts/tiers.sh unit

contract: .setup-test ## Run the contract tests: real clients against the mock
	@scripts/tiers.sh contract

netns: .setup-test ## Run the tests on the real kernel, in network namespaces
	@scripts/tiers.sh netns

timing: setup-dev ## Run the tests that measure time; they need an idle machine
	@.venv/bin/pytest -m measures_time tests/unit tests/contract tests/netns tests/browser

conformance: .setup-test ## Run the official AWS SDKs against the mock
	@scripts/tiers.sh conformance

closed: ## Run the netns tests in a clone in a folder of mode 700
	@scripts/closed_clone.sh netns

browser: setup-dev ## Run the tests of the page in Chromium
	@scripts/tiers.sh browser

e2e: .setup-test ## Run the end-to-end tests on Docker, or on a temporary engine
	@scripts/tiers.sh e2e

engines: .setup-test ## Run the tests on Docker 26 and 28, Podman and Swarm; needs root
	@scripts/tiers.sh engines

arm64: .setup-test ## Build and test on arm64, in an emulated machine
	@scripts/arm64.sh

dist: setup-dev ## Build a release into dist/: packages, images, bills of materials
	@$(BIN)/python scripts/engine.py run $(BIN)/python scripts/dist.py $${PLATFORMS:+--platforms "$$PLATFORMS"}

push: ## Push the images of dist/: make push REGISTRY=HOST/PATH
	@scripts/push.sh "$$REGISTRY"

check: setup-dev ## Check format, lint, types, imports, Dockerfiles and shell scripts
	@scripts/check.sh

format: setup-dev ## Format the Python code
	@$(BIN)/ruff format .

pictures: setup-dev ## Renew the pictures of the pages from a real run
	@PYTHONPATH=tests $(BIN)/python scripts/pictures.py

bench: setup-dev ## Measure speed, memory and sizes, and renew docs/performance.md
	@$(BIN)/python bench/run.py

attack: .setup-test ## Attack the mock and the shim, with hostile bytes, kills and more
	@scripts/attack.sh full

attack-short: .setup-test ## Run a shorter attack, about three minutes
	@scripts/attack.sh short

soak: setup-dev ## Measure memory over a million requests and tokens
	@$(BIN)/python bench/run.py soak

clean: ## Remove what make has created here, and list caches elsewhere
	@scripts/clean.sh
