#!/usr/bin/env bash
# Runs a make target in a clone of HEAD in a folder of mode 700, like root's home folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp --directory) # mode 700
trap 'rm -rf "$folder"' EXIT
git clone --quiet . "$folder/imds-sidecar"
make --no-print-directory --directory "$folder/imds-sidecar" "$1"
