#!/usr/bin/env bash
# Renews the three hashed lock files. They name versions and hashes, never a registry.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade "$@"; }
compile -o shim/requirements.lock shim/pyproject.toml
compile -o mock/requirements.lock mock/pyproject.toml
compile -o requirements-dev.lock --group dev shim/pyproject.toml mock/pyproject.toml
