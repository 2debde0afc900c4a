#!/usr/bin/env bash
# Runs the test tiers named, each with its time; all of them run, and one failure fails the whole.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=()
for tier in "$@"; do
  started=$SECONDS
  printf '\n== %s ==\n' "$tier"
  .venv/bin/pytest "tests/$tier" || failed+=("$tier")
  printf '== %s: %d s ==\n' "$tier" "$((SECONDS - started))"
done
[ "${#failed[@]}" -eq 0 ] || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
