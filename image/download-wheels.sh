#!/bin/sh
# Downloads the Python packages of a tree for the processor of its image, in the build stage of a Dockerfile.
#
#   download-wheels.sh REQUIREMENTS FOLDER
set -eu
requirements=$1 folder=$2
machine=$(basename /target/usr/lib/python3.*/config-* | cut -d- -f3)
set --
# Newest first, up to the GNU C library of Debian 13, as pip does for its own machine.
for minor in $(seq 41 -1 17); do set -- "$@" --platform "manylinux_2_${minor}_$machine"; done
pip download --no-deps --no-build-isolation --require-hashes --requirement "$requirements" --dest "$folder" "$@"
