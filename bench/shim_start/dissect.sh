#!/usr/bin/env bash
# Runs in the container: repeated starts under strace, which slows them down but shows the order and the proportions. Its
# seccomp filter stops only at the system calls of interest.
set -euo pipefail
for ((run = 0; run < $1; run++)); do
  echo "=== run ==="
  strace -f --seccomp-bpf -ttt -s 64 -e trace=execve,openat,connect,sendto,socket -o /tmp/trace /opt/imds-shim/bin/imds-shim true
  cat /tmp/trace
  /opt/imds-shim/bin/imds-shim --remove 2>/dev/null
  sleep 1 # as in measure.sh
done
