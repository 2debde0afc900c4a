#!/usr/bin/env bash
# Renews the lock files of both programs, the development tools, and the clients and servers that tests run.
# They contain versions and hashes, but no registry; only Cargo.lock must have the name of Cargo's index.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade "$@"; }
compile -o shim/requirements.lock shim/pyproject.toml
compile -o mock/requirements.lock mock/pyproject.toml
compile -o requirements-dev.lock --group dev shim/pyproject.toml mock/pyproject.toml
for group in test programs; do
  # Each lock is a part of the one before.
  compile --constraint requirements-dev.lock -o "requirements-$group.lock" --group "$group" shim/pyproject.toml mock/pyproject.toml
done
compile -o tests/clients/requirements.lock tests/clients/requirements.in
compile -o tests/e2e/images/aws/requirements.lock tests/e2e/images/aws/requirements.in
compile --no-deps -o tests/clients/collections.lock tests/clients/collections.in
compile -o tests/browser/requirements.lock tests/browser/requirements.in
for package in tests/conformance/python/*.in; do compile -o "${package%.in}.lock" "$package"; done
compile -o tests/conformance/cpp/requirements.lock tests/conformance/cpp/requirements.in
.venv/bin/python scripts/client_install.py renew-node-lock
.venv/bin/python scripts/browser_install.py renew-lock
.venv/bin/python scripts/toolchains.py renew-go-locks
cargo update --quiet --manifest-path tests/conformance/rust/Cargo.toml
PYTHONPATH=tests:scripts .venv/bin/python -m support.conformance.jvm
