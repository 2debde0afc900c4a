#!/bin/sh
# Compiles a launcher as a static program, in the build stage of a Dockerfile.
#
#   compile-launcher.sh SOURCE PROGRAM
set -eu
musl-gcc -static -std=c11 -O2 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wcast-qual -Wvla -Wformat=2 -s -o "$2" "$1"
