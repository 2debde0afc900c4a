#!/usr/bin/env bash
# Builds the two images that users add to their own projects.
set -euo pipefail
cd "$(dirname "$0")/.."
docker info >/dev/null 2>&1 || { echo "images: no Docker engine answers; start one, or see what works without it: make demo" >&2; exit 1; }
docker build --tag imds-mock .
docker build --tag imds-shim --file Dockerfile.shim --target shim .
