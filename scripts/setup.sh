#!/usr/bin/env bash
# Installs what this machine lacks: a .venv with both programs and the development tools, from the hashed lock,
# and the Debian packages that the real kernel tests need. Does nothing, quickly, when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# What the stamp stands for: a change in any of these makes the .venv stale.
inputs=(VERSION requirements-dev.lock shim/pyproject.toml mock/pyproject.toml scripts/setup.sh)

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed and none was found: apt-get install python3, or set PYTHON to one."
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
  ldconfig -p | grep -q 'libnftables\.so\.1' || echo libnftables1
  # python-iptables is built from source.
  command -v gcc >/dev/null || echo gcc
  [ -e /usr/include/xtables.h ] || echo libxtables-dev
  [ -e /usr/include/libiptc/libiptc.h ] || echo libiptc-dev
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  "$python" -c 'import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    echo python3-dev
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# Another make in this tree may be doing the same.
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9

python=$(find_python)
mapfile -t packages < <(missing_packages "$python")
if [ "${#packages[@]}" -gt 0 ]; then
  [ "$(id -u)" = 0 ] || die "these Debian packages are missing, install them as root: apt-get install ${packages[*]}"
  command -v apt-get >/dev/null || die "these programs are missing and there is no apt-get here: ${packages[*]}"
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -q -y --no-install-recommends "${packages[@]}"; } >.cache/apt.log 2>&1 ||
    { tail -n 20 .cache/apt.log >&2; die "apt-get failed; the whole log is .cache/apt.log"; }
fi

stamp=$(cat "${inputs[@]}" <("$python" -VV) | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  say "bringing .venv up to date with $("$python" -V)"
  # Another Python needs another environment; anything else is a matter of what is installed in it.
  [ "$(.venv/bin/python -VV 2>/dev/null)" = "$("$python" -VV)" ] || rm -rf .venv
  [ -d .venv ] || "$python" -m venv .venv
  {
    .venv/bin/pip install --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --no-deps --no-build-isolation -e shim -e mock
  } >.cache/pip.log 2>&1 || { tail -n 20 .cache/pip.log >&2; die "pip failed; the whole log is .cache/pip.log"; }
  echo "$stamp" >.venv/stamp
fi
