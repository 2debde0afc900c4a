#!/usr/bin/env bash
# Runs in the container: starts a command through both entrypoints in turn, and prints lines of "NAME MICROSECONDS" from
# exec of the entrypoint to exec of the command. Bash's own clock needs no process.
set -euo pipefail
pairs=$1

once() { # NAME COMMAND...
  local name=$1 before after
  shift
  before=$EPOCHREALTIME
  # The command only prints the time of its start.
  # shellcheck disable=SC2016
  after=$("$@" bash -c 'echo "$EPOCHREALTIME"' 2>/dev/null)
  echo "$name $((${after/./} - ${before/./}))"
}

pasted() { once pasted bash /bench/pasted-entrypoint.sh; iptables -t nat -D OUTPUT -d 169.254.169.254 -j DNAT --to-destination "$address"; }
# The mock lets an address announce once per second, so a start that follows at once would wait.
shim() { once shim /opt/imds-shim/bin/imds-shim; /opt/imds-shim/bin/imds-shim --remove 2>/dev/null; sleep 1; }

address=$(dig +short "$MOCK_HOSTNAME")
for ((pair = 0; pair < pairs; pair++)); do
  # Alternate, because the second one finds warmer caches.
  if ((pair % 2)); then pasted; shim; else shim; pasted; fi
done
# The lower bound: the shell and the command alone.
for ((pair = 0; pair < pairs; pair++)); do once floor env; done
