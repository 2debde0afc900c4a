#!/usr/bin/env bash
# Installs what is missing: .venv with both programs and the development tools, from the hashed lock file, and the
# Debian packages that the tests need. Does nothing if everything is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A change in any of these files makes .venv outdated.
inputs=(VERSION requirements-dev.lock shim/pyproject.toml mock/pyproject.toml scripts/setup.sh)

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
  ldconfig -p | grep -q 'libnftables\.so\.1' || echo libnftables1
  [ "$(uname -m)" = x86_64 ] || command -v shellcheck >/dev/null || echo shellcheck # a wheel elsewhere
  # python-iptables is built from source.
  command -v gcc >/dev/null || echo gcc
  [ -e /usr/include/xtables.h ] || echo libxtables-dev
  [ -e /usr/include/libiptc/libiptc.h ] || echo libiptc-dev
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  "$python" -c 'import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    echo python3-dev
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# Another make may be running in this checkout.
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9

python=$(find_python)
mapfile -t packages < <(missing_packages "$python")
if [ "${#packages[@]}" -gt 0 ]; then
  [ "$(id -u)" = 0 ] || die "Debian packages are missing; run as root: apt-get install ${packages[*]}"
  command -v apt-get >/dev/null || die "apt-get is missing; install these Debian packages or their equivalents: ${packages[*]}"
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -q -y --no-install-recommends "${packages[@]}"; } >.cache/apt.log 2>&1 ||
    { tail -n 20 .cache/apt.log >&2; die "apt-get failed; the log is .cache/apt.log"; }
fi

stamp=$(cat "${inputs[@]}" <("$python" -VV) | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  say "updating .venv with $("$python" -V)"
  # Another Python needs a new environment; otherwise pip updates the existing one.
  [ "$(.venv/bin/python -VV 2>/dev/null)" = "$("$python" -VV)" ] || rm -rf .venv
  [ -d .venv ] || "$python" -m venv .venv
  {
    .venv/bin/pip install --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --no-deps --no-build-isolation -e shim -e mock
  } >.cache/pip.log 2>&1 || { tail -n 20 .cache/pip.log >&2; die "pip failed; the log is .cache/pip.log"; }
  echo "$stamp" >.venv/stamp
fi
