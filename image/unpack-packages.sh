#!/bin/sh
# Unpacks the Debian packages that both trees are made of, and those of the programs that make them, for the build stages
# of a Dockerfile.
#
#   unpack-packages.sh [TARGETARCH]     the processor that the image is for; by default, this machine's
#
# Programs for this machine go to /, parts of the trees to /target, which is / if the image is for the same processor. If it
# is for another, /usr/bin/qemu runs a program of the tree.
# Packages are not configured: their scripts take as long as unpacking, and the build uses none of their work.
set -eu
programs="python3 python3-pip python3-setuptools"
parts="python3 libpython3-dev libc6-dev musl-dev libip4tc2 libip6tc2 libnftables1"
# What compilers come with, and these builds do not use.
unused='^lib(asan|tsan|lsan|hwasan|ubsan|gomp|itm|quadmath|cc1-|gprofng|stdc|expat1-dev)|^linux-libc-dev-.*-cross'
archives=/var/cache/apt/archives
# The files of each package are recorded in a file of its name, for the licenses and the bill of materials.
# shellcheck disable=SC2016 # parameters of another shell
unpack='dpkg-deb --fsys-tarfile "$1" | tar --extract --verbose --keep-directory-symlink --directory "$0" \
  --exclude "./usr/share/man/*" --exclude "./usr/share/locale/*" --exclude "*/lto1" --exclude "*/lto-dump" \
  >"$0/var/lib/unpacked/$(basename "$1" .deb)"'

install() { # ROOT APT_OPTIONS PACKAGE...
  root=$1 options=$2
  shift 2
  mkdir -p "$root/var/lib/unpacked"
  # shellcheck disable=SC2086 # words
  apt-get $options install --yes --no-install-recommends --download-only "$@"
  # dpkg replaces a library that runs here as a whole.
  if [ "$root" = / ]; then
    for package in $(dpkg-query --show --showformat '${Package} '); do
      for archive in "$archives/${package}"_*.deb; do
        [ ! -e "$archive" ] || { dpkg --unpack --force-depends "$archive" && rm "$archive"; }
      done
    done
  fi
  find "$archives" -name '*.deb' -printf '%f\n' | grep -E -v "$unused" |
    xargs -r -P "$(nproc)" -I '{}' sh -ec "$unpack" "$root" "$archives/{}"
  rm -f "$archives"/*.deb
}

install_emulator() { # MACHINE
  # The package has an emulator for each of 40 processors, in 465 MB.
  apt-get install --yes --no-install-recommends --download-only qemu-user
  # tar stops after the file, so dpkg-deb complains that it cannot write the rest.
  dpkg-deb --fsys-tarfile "$archives"/qemu-user_*.deb 2>/dev/null |
    tar --extract --to-stdout --occurrence "./usr/bin/qemu-$1" >/usr/bin/qemu
  chmod 755 /usr/bin/qemu
  rm "$archives"/qemu-user_*.deb
}

apt-get update
native=$(dpkg --print-architecture)
# As Debian names it.
architecture=$(echo "${1:-$native}" | sed 's/^ppc64le$/ppc64el/; s/^arm$/armhf/; s/^386$/i386/')
if [ "$architecture" = "$native" ]; then
  ln -s / /target
  # shellcheck disable=SC2086 # words
  install / "" $programs gcc $parts
else
  machine=$(awk -v name="$architecture" '$1 == name {print $2}' /usr/share/dpkg/cputable)
  # shellcheck disable=SC2086 # words
  install / "" $programs "gcc-$(echo "$machine" | tr _ -)-linux-gnu"
  install_emulator "$(echo "$machine" | sed 's/^powerpc/ppc/; s/^i686/i386/')"
  state=/var/lib/apt-target
  mkdir -p "$state/lists/partial" /target/usr/lib /target/usr/lib64
  : >"$state/status"
  ln -s usr/lib usr/lib64 /target/
  options="-o APT::Architecture=$architecture -o APT::Architectures=$architecture \
    -o Dir::State=$state -o Dir::State::status=$state/status"
  # shellcheck disable=SC2086 # words
  apt-get $options update
  # shellcheck disable=SC2086 # words
  install /target "$options" $parts
fi
rm -rf /var/lib/apt/lists/* /var/lib/apt-target
# What the scripts of ca-certificates would make for pip.
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -d /usr/share/ca-certificates ] && [ ! -e "$certificates" ]; then
  mkdir -p /usr/local/share/ca-certificates
  find /usr/share/ca-certificates /usr/local/share/ca-certificates -name '*.crt' -exec awk 1 {} + >"$certificates"
fi
