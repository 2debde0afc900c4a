#!/bin/sh
# Assembles the relocatable tree: everything that imds-shim needs, and nothing of the image that it will be put into.
#
#   build-tree.sh TREE        (in the build stage of Dockerfile.shim; site-packages are in TREE already)
#
#   TREE/bin/imds-shim        static launcher, the only file that the kernel starts by itself
#   TREE/bin/python3          interpreter
#   TREE/lib/loader           dynamic loader that belongs to the libraries beside it
#   TREE/lib/*.so*            C library, libxtables, libnftables, ...
#   TREE/lib/xtables/         the matches and targets of our rule
#   TREE/lib/python3.X/       the standard library, compiled, without what a start cannot reach
#   TREE/lib/site-packages/   imds_shim and its dependencies, compiled
set -eu
tree=$1
here=$(dirname "$0")
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
version=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
triplet=$(gcc -print-multiarch)
stdlib=$tree/lib/$version

mkdir -p "$tree/bin" "$tree/lib/xtables"
cp "$python" "$tree/bin/python3"
cp -r "/usr/lib/$version" "$stdlib"
cp "$here/src/imds_shim/boot.py" "$tree/lib/boot.py"

# What a start, a doctor and a follower cannot reach: tests, tools, GUIs, data bases, other languages' code pages.
(
  cd "$stdlib"
  rm -rf test idlelib tkinter turtledemo lib2to3 ensurepip pydoc_data distutils unittest sqlite3 curses dbm xmlrpc \
    venv wsgiref multiprocessing config-* __phello__ _pyrepl sitecustomize.py EXTERNALLY-MANAGED turtle.py pydoc.py \
    doctest.py pdb.py optparse.py mailbox.py nntplib.py smtplib.py ftplib.py imaplib.py poplib.py telnetlib.py xml \
    idlelib pickletools.py _pydecimal.py statistics.py fractions.py zipapp.py trace.py cProfile.py profile.py pstats.py
  cd lib-dynload
  rm -f _sqlite3* _curses* _tkinter* readline* _codecs_* _dbm* _gdbm* _lzma* _bz2* _test* _xx* xx* _ctypes_test* \
    _elementtree* _zoneinfo* _multiprocessing* _posixshmem* _lsprof* _hashlib_* syslog* termios_* audioop* nis*
)

# Compiled once here: the tree may be read-only where it runs. Sources would be read never, so they go.
python3 -m compileall -q -b --invalidation-mode unchecked-hash "$stdlib" "$tree/lib/site-packages"
find "$stdlib" "$tree/lib/site-packages" \( -name '*.py' -o -name '*.pyi' -o -name '*.h' -o -name '*.c' \) -delete
find "$tree/lib" -name __pycache__ -prune -exec rm -rf {} +
find "$tree/lib/site-packages" \( -name RECORD -o -name INSTALLER -o -name direct_url.json -o -name REQUESTED \) -delete
rm -rf "$tree/lib/site-packages/bin"

for extension in libxt_DNAT libxt_tcp libxt_comment libipt_DNAT libip6t_DNAT; do
  found=/usr/lib/$triplet/xtables/$extension.so
  [ ! -e "$found" ] || cp "$found" "$tree/lib/xtables/"
done

# Loaded by name at run time, so no one lists them as needed.
by_name="libxtables.so.12 libip4tc.so.2 libip6tc.so.2 libnftables.so.1"
for name in $by_name; do cp -L "/usr/lib/$triplet/$name" "$tree/lib/"; done

# Everything that those and the interpreter need in turn.
find "$tree" \( -name '*.so*' -o -path "$tree/bin/python3" \) -exec ldd {} + 2>/dev/null |
  sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r library; do
  [ -e "$tree/lib/$(basename "$library")" ] || cp -L "$library" "$tree/lib/"
done
cp -L "$(readelf --program-headers "$python" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')" "$tree/lib/loader"
find "$tree" \( -name '*.so*' -o -path "$tree/bin/python3" \) -exec strip --strip-unneeded {} +

musl-gcc -static -O2 -Wall -Wextra -Wpedantic -Werror -o "$tree/bin/imds-shim" "$here/launcher/launcher.c"
strip "$tree/bin/imds-shim"
find "$tree" -exec touch --no-dereference --date=@0 {} +
echo "size of the tree: $(du -sm "$tree" | cut -f1) MB"
