#!/usr/bin/env bash
# Runs a make target in a clone of HEAD that only its owner may enter, like a clone below root's own home folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp --directory) # mode 700
trap 'rm -rf "$folder"' EXIT
git clone --quiet . "$folder/imds-sidecar"
make --no-print-directory --directory "$folder/imds-sidecar" "$1"
