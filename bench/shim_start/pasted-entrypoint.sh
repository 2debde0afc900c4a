#!/usr/bin/env bash
# The reference: a bash entrypoint that redirects 169.254.169.254 to the mock.
set -e
if [ -z "$MOCK_HOSTNAME" ]; then
  echo "MOCK_HOSTNAME is not set" >&2
  exit 1
fi
ip=$(dig +short "$MOCK_HOSTNAME")
iptables -t nat -A OUTPUT -d 169.254.169.254 -j DNAT --to-destination "$ip"
exec "$@"
