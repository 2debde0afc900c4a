#!/bin/sh
# Makes the files of the mock's image outside the tree.
#
#   build-root.sh ROOT
set -eu
mkdir -p "$1/etc" "$1/tmp"
chmod 1777 "$1/tmp"
# Names of /etc/hosts come first; the C library's own order is the reverse.
echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
# `user: root` needs a name; numbers need nothing.
echo 'root:x:0:0:root:/root:' >"$1/etc/passwd"
echo 'root:x:0:' >"$1/etc/group"
# Where amazon-ec2-metadata-mock's image has its program.
ln -s /opt/imds-mock/bin/ec2-metadata-mock "$1/ec2-metadata-mock"
