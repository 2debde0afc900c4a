#!/usr/bin/env bash
# Installs what is missing: .venv from a hashed lock file, and Debian packages. Does nothing if everything is installed.
#
#   setup.sh programs   both programs (the default)
#   setup.sh test       and what the tests need, without Docker and a browser
#   setup.sh dev        and what checks the code, drives a browser and renews lock files
#   setup.sh python     nothing; print the path of the Python to use
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Prints the errors in a log, or its end, and what to do.
die_with_log() {
  grep -E '^ *(E|ERROR|error):' "$1" | tail -n 3 >&2 || tail -n 20 "$1" >&2
  die "$2; the log is $1. Check that this machine reaches $3, then run make again."
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 or newer found; run apt-get install python3, or set PYTHON to its path"
}

# program-or-file -> Debian package
missing_packages() {
  local python=$1
  command -v ip >/dev/null || echo iproute2
  command -v nft >/dev/null || echo nftables
  command -v iptables >/dev/null || echo iptables
  command -v curl >/dev/null || echo curl
  command -v openssl >/dev/null || echo openssl
  command -v unshare >/dev/null || echo util-linux
  command -v awk >/dev/null || echo mawk
  [ -e /usr/share/doc/ca-certificates ] || echo ca-certificates
  # Not grep -q, which ends before ldconfig has written everything: with pipefail, that counts as missing.
  ldconfig -p | grep 'libnftables\.so\.1' >/dev/null || echo libnftables1
  [ "$(uname -m)" = x86_64 ] || command -v shellcheck >/dev/null || echo shellcheck # a wheel elsewhere
  # python-iptables is built from source, and uses the libraries of iptables.
  command -v gcc >/dev/null || echo gcc
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

[ "${1-}" != python ] || { find_python; exit; }
# Each group contains those after it.
groups=(dev test programs)
group=${1:-programs}
[[ " ${groups[*]} " == *" $group "* ]] || die "unknown group $group; the groups are: ${groups[*]}"
# A change in any of these files, or in the group's lock file, makes .venv outdated.
own=(VERSION shim/pyproject.toml mock/pyproject.toml scripts/setup.sh)

# Another make may be running in this checkout.
mkdir -p .cache 2>/dev/null && [ -w .cache ] || die "cannot write to $PWD/.cache; run make as the owner of this folder"
exec 9>.cache/setup.lock
flock 9

python=$(find_python)
mapfile -t packages < <(missing_packages "$python")
if [ "${#packages[@]}" -gt 0 ]; then
  [ "$(id -u)" = 0 ] || die "Debian packages are missing; run as root: apt-get update && apt-get install ${packages[*]}"
  command -v apt-get >/dev/null || die "apt-get is missing; install these Debian packages or their equivalents: ${packages[*]}"
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -q -y --no-install-recommends "${packages[@]}"; } >.cache/apt.log 2>&1 ||
    die_with_log .cache/apt.log "apt-get cannot install ${packages[*]}" "its Debian mirror"
fi

# Whether the stamp of a group is that of its inputs.
is_current() { [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$(stamp_of "$1")" ]; }
stamp_of() { cat "${own[@]}" "requirements-$1.lock" <("$python" -VV) | sha256sum | cut -d' ' -f1; }

for larger in "${groups[@]}"; do
  ! is_current "$larger" || exit 0
  [ "$larger" != "$group" ] || break
done
say "updating .venv with $("$python" -V) for: $group"
# Another Python needs a new environment; otherwise pip updates the existing one.
[ "$(.venv/bin/python -VV 2>/dev/null)" = "$("$python" -VV)" ] || rm -rf .venv
# As root, pip takes a read-only cache for a writable one, and cannot build a wheel then.
pip_cache=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME-}/.cache}/pip}
mkdir -p "$pip_cache" 2>/dev/null && [ -w "$pip_cache" ] || export PIP_NO_CACHE_DIR=1
# pip comes last: without it, an earlier run was interrupted.
[ -x .venv/bin/pip ] || "$python" -m venv .venv
# Modules are compiled when they are first imported, which most of them never are. Only python-iptables is compiled here,
# because newer Pythons print warnings about it then.
{
  .venv/bin/pip install --no-compile --require-hashes -r "requirements-$group.lock" &&
    .venv/bin/pip install --no-compile --no-deps --no-build-isolation -e shim -e mock &&
    .venv/bin/python -W ignore -m compileall -q .venv/lib/python*/site-packages/iptc
} >.cache/pip.log 2>&1 || die_with_log .cache/pip.log "pip cannot install requirements-$group.lock" PyPI
stamp_of "$group" >".venv/stamp-$group"
