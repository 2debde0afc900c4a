# Every recipe is one command; what needs more lives in scripts/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: help setup lock images demo test unit contract netns closed e2e check format bench attack attack-short soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: .venv with both programs, and a few Debian packages
	@scripts/setup.sh

lock: setup ## Renew the hashed lock files from the pyproject files
	@scripts/lock.sh

images: ## Build the two images, imds-mock and imds-shim, with the Docker engine that is in use
	@scripts/images.sh

demo: setup ## Show it work: the compose stack where Docker is usable, the embedded lab elsewhere
	@$(BIN)/python scripts/demo.py

test: setup ## Unit, contract and network namespace tests (no Docker needed)
	@scripts/tiers.sh unit contract netns

unit: setup ## Unit tests only
	@scripts/tiers.sh unit

contract: setup ## Real clients against the mock only
	@scripts/tiers.sh contract

netns: setup ## Real kernel, in network namespaces only
	@scripts/tiers.sh netns

closed: ## The network namespace tests, in a clone of HEAD below a folder of mode 700
	@scripts/closed_clone.sh netns

e2e: setup ## Real Docker: brings up an engine of its own where none runs
	@scripts/tiers.sh e2e

check: setup ## Format, lint, types, import rules, Dockerfiles, shell scripts
	@scripts/check.sh

format: setup ## Rewrite the Python code in the project's format
	@$(BIN)/ruff format .

bench: setup ## Measure, as ratios against a reference of the same run
	@$(BIN)/python bench/run.py

attack: setup ## Attack the mock and the shim: hostile bytes, neighbours, bombs, full disks, clock jumps, kills
	@scripts/attack.sh full

attack-short: setup ## The same in about three minutes, as CI runs it
	@scripts/attack.sh short

soak: setup ## Long runs: memory over a million requests and tokens
	@$(BIN)/python bench/soak.py

clean: ## Remove everything that make has made here, and name the caches elsewhere
	@scripts/clean.sh
