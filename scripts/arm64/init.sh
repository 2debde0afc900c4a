#!/bin/bash
# The first program of the emulated machine: mounts what Linux needs, runs job.sh, prints its exit code, switches off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
ip link set lo up
ldconfig
modprobe ip_tables
modprobe ip6_tables
echo 1 >/proc/sys/kernel/printk
(cd /vm/src && setsid --wait bash /vm/job.sh </dev/null; echo "arm64: exit code $?")
sync
mount -o remount,ro /
echo o >/proc/sysrq-trigger
sleep 60
