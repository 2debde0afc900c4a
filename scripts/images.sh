#!/usr/bin/env bash
# Builds the images imds-mock and imds-shim, and removes the ones that they replace.
set -euo pipefail
cd "$(dirname "$0")/.."
docker info >/dev/null 2>&1 || { echo "images: no Docker engine answers; start one, or run make demo, which needs none" >&2; exit 1; }

build() { # TAG OPTION...
  local tag=$1 before
  shift
  before=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
  docker build --tag "$tag" "$@" .
  [ -z "$before" ] || remove_unnamed "$before"
}

# A build takes the name from the previous image, which stays without a name.
remove_unnamed() { # IMAGE
  [ "$(docker image inspect --format '{{len .RepoTags}}' "$1" 2>/dev/null)" = 0 ] || return 0
  docker image rm "$1" >/dev/null 2>&1 ||
    echo "images: a container uses the previous image ${1#sha256:}, so it stays; to remove both, run: docker rm --force CONTAINER; docker image rm ${1#sha256:}" >&2
}

shim=(imds-shim --file Dockerfile.shim --target shim)
if docker buildx version >/dev/null 2>&1; then
  # BuildKit runs the steps that both have once, and the others side by side.
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  build "${shim[@]}" >"$log" 2>&1 &
  build imds-mock || failed=1
  wait "$!" || failed=1
  cat "$log" >&2
  [ -z "${failed-}" ] || exit 1
else
  build imds-mock
  build "${shim[@]}"
fi
# Without BuildKit, build stages stay as images without a name.
docker image prune --force --filter label=imds-sidecar.stage=build >/dev/null
