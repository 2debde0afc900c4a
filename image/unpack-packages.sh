#!/bin/sh
# Unpacks Debian packages with their dependencies, for the build stages of a Dockerfile.
#
#   unpack-packages.sh PACKAGE...   (after apt-get update)
#
# The packages are not configured: their scripts compile Python modules and renew caches, which takes as long as unpacking,
# and the build uses none of it.
set -eu
apt-get install --yes --no-install-recommends --download-only "$@"
set -- /var/cache/apt/archives/*.deb
# The base may have all of them.
[ -e "$1" ] || exit 0
dpkg --unpack --force-depends "$@"
rm "$@"
# What the scripts of ca-certificates would make for pip.
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -d /usr/share/ca-certificates ] && [ ! -e "$certificates" ]; then
  mkdir -p /usr/local/share/ca-certificates
  find /usr/share/ca-certificates /usr/local/share/ca-certificates -name '*.crt' -exec awk 1 {} + >"$certificates"
fi
