#!/usr/bin/env bash
# Attacks the mock and the shim on loopback and in network namespaces: `attack.sh full|short`.
# The full run sends the numbers that docs/security.md states, and runs every test that the page names.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in
  short) exec scripts/tiers.sh attack ;;
  full) ;;
  *) echo "usage: attack.sh full|short" >&2; exit 64 ;;
esac
failed=0
IMDS_ATTACK=full scripts/tiers.sh attack || failed=1
printf '\n== tests that docs/security.md names ==\n'
mapfile -t limits < <(grep -o 'tests/[a-z]*/[a-z_]*\.py::[a-z_0-9]*' docs/security.md | sort -u)
.venv/bin/pytest -v --no-header "${limits[@]}" || failed=1
exit "$failed"
