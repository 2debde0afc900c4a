#!/usr/bin/env bash
# Runs the given test tiers and prints the time of each. All tiers run, even after a failure.
# Tests that measure time need the machine for themselves: make timing.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=()
for tier in "$@"; do
  started=$SECONDS
  printf '\n== %s ==\n' "$tier"
  # pytest would hide that this is what takes so long. If it fails, the tests say so.
  [ "$tier" != contract ] || .venv/bin/python scripts/client_install.py || true
  .venv/bin/pytest -m "not measures_time" "tests/$tier" || failed+=("$tier")
  printf '== %s: %d s ==\n' "$tier" "$((SECONDS - started))"
done
[ "${#failed[@]}" -eq 0 ] || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
