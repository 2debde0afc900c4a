#!/usr/bin/env bash
# Checks style, types and structure. Runs every check, then fails if one of them has failed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
failed=()
run() {
  printf -- '-- %s\n' "$*"
  "$@" || failed+=("${*:1:2}")
}
mapfile -t shell < <(git ls-files '*.sh' .ci/run)
mapfile -t dockerfiles < <(git ls-files '*Dockerfile' '*Dockerfile.*')
mapfile -t compose < <(git ls-files docker-compose.yml 'examples/*/compose*.yaml')
run ruff format --check .
run ruff check .
run mypy
run lint-imports
run shellcheck "${shell[@]}"
[ "${#dockerfiles[@]}" -eq 0 ] || run hadolint "${dockerfiles[@]}"
run check-jsonschema --builtin-schema vendor.compose-spec "${compose[@]}"
run check-jsonschema --builtin-schema vendor.github-workflows examples/ci/github-actions-*.yaml .github/workflows/*.yaml
run check-jsonschema --builtin-schema vendor.gitlab-ci examples/ci/gitlab-ci.yaml .gitlab-ci.yml
[ "${#failed[@]}" -eq 0 ] || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
