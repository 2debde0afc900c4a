#!/usr/bin/env bash
# Removes what make has created in this checkout, then lists the large caches elsewhere, with the command that removes each.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* dist mock/build shim/build
find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

row() { printf '  %-8s %-44s %s\n' "$@"; } # SIZE WHAT COMMAND

folder() { # WHAT FOLDER COMMAND
  [ ! -d "$2" ] || row "$(du -sh "$2" | cut -f1)" "$1 ($2)" "$3"
}

staying() {
  folder "pip's downloads" "${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pip}" "python3 -m pip cache purge"
  folder "uv's downloads" "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}" "uv cache clean"
  folder "npm's downloads" "${npm_config_cache:-$HOME/.npm}/_cacache" "npm cache clean --force"
  folder "Go's downloads" "${GOMODCACHE:-${GOPATH:-$HOME/go}/pkg/mod}" "go clean -modcache"
  folder "Go's compiled packages" "${GOCACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/go-build}" "go clean -cache"
  folder "Cargo's downloads" "${CARGO_HOME:-$HOME/.cargo}/registry" "rm -r ${CARGO_HOME:-$HOME/.cargo}/registry"
  folder "Maven's downloads" "$HOME/.m2/repository" "rm -r $HOME/.m2/repository"
  docker info >/dev/null 2>&1 || return 0
  docker image ls --filter 'reference=imds-*' --format '{{.Size}} {{.Repository}}:{{.Tag}}' |
    while read -r size image; do row "$size" "image $image" "docker image rm $image"; done
  docker system df --format '{{.Type}}={{.Size}}' | sed -n '/=0B$/!s/^Build Cache=//p' |
    while read -r size; do row "$size" "Docker's build cache" "docker builder prune --all"; done
}

list=$(staying)
[ -z "$list" ] || printf 'clean: these caches stay, because other projects may use them:\n%s\n' "$list"
