#!/bin/sh
# Assembles the relocatable tree: everything that imds-shim needs, so that it works in any image.
#
#   build-tree.sh TREE        (in the build stage of Dockerfile.shim, after pip has filled TREE/lib/site-packages)
#
#   TREE/bin/imds-shim        static launcher, the only file that the kernel starts directly
#   TREE/bin/python3          interpreter
#   TREE/lib/loader           dynamic loader for the libraries beside it
#   TREE/lib/*.so*            C library, libxtables, libnftables, ...
#   TREE/lib/xtables/         the matches and targets of the rule
#   TREE/lib/archive.pyc      entry point; imports the modules from the next file
#   TREE/lib/modules          imds_shim, its dependencies and the standard library, compiled, without unused modules
#   TREE/lib/python3.X/       modules that the interpreter imports before that, and extension modules
#   TREE/lib/site-packages/   other files of the packages: an extension module, versions
#   TREE/licenses/            licenses of third-party parts
set -eu
tree=$1
here=$(dirname "$0")
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
version=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
triplet=$(gcc -print-multiarch)
stdlib=$tree/lib/$version

mkdir -p "$tree/bin" "$tree/lib/xtables" "$tree/licenses"
cp "$python" "$tree/bin/python3"
cp -r "/usr/lib/$version" "$stdlib"

# Remove what the shim never imports: tests, tools, GUIs, databases, character sets.
(
  cd "$stdlib"
  rm -rf test idlelib tkinter turtledemo lib2to3 ensurepip pydoc_data distutils unittest sqlite3 curses dbm xml xmlrpc \
    venv wsgiref multiprocessing config-* __phello__ _pyrepl EXTERNALLY-MANAGED LICENSE.txt html zoneinfo
  rm -f sitecustomize.py turtle.py pydoc.py doctest.py pdb.py bdb.py optparse.py mailbox.py nntplib.py smtplib.py \
    ftplib.py imaplib.py poplib.py telnetlib.py pickletools.py decimal.py _pydecimal.py statistics.py fractions.py \
    zipapp.py trace.py cProfile.py profile.py pstats.py plistlib.py webbrowser.py wave.py modulefinder.py \
    tarfile.py configparser.py antigravity.py this.py timeit.py tabnanny.py pyclbr.py
  cd lib-dynload
  rm -f _sqlite3* _curses* _tkinter* readline* _codecs_* _multibytecodec* _dbm* _gdbm* _lzma* _bz2* _test* _xx* xx* \
    _ctypes_test* _elementtree* _zoneinfo* _multiprocessing* _posixshmem* _lsprof* syslog* termios* audioop* nis* \
    _decimal* _interp* _uuid*
  # OpenSSL: the shim uses plain HTTP and DNS, and hashlib has its own implementations.
  rm -f _ssl* _hashlib*
)
# Remove parts of the packages that the shim does not use.
(
  cd "$tree/lib/site-packages"
  rm -rf bin iptc/test certifi/cacert.pem anyio/pytest_plugin.py anyio/_backends/_trio.py
)

# Keep their licenses, and of pip's records only METADATA.
for name in "$tree"/lib/site-packages/*.dist-info; do
  package=$(basename "$name" .dist-info)
  find "$name" -type f -iname 'licen[cs]e*' -exec cp {} "$tree/licenses/${package%-*}" \;
  find "$name" -type f ! -name METADATA -delete
done
find "$tree/lib/site-packages" -type d -empty -delete

# Compile here, because the tree may be read-only where it runs. Remove sources, docstrings and column numbers, which
# would only slow a start down.
python3 -W ignore -X no_debug_ranges -m compileall -q -b -o 2 --invalidation-mode unchecked-hash "$stdlib" "$tree/lib/site-packages"
find "$stdlib" "$tree/lib/site-packages" \( -name '*.py' -o -name '*.pyi' -o -name '*.h' -o -name '*.c' -o -name '*.rst' -o -name '*.ini' \) -delete
find "$tree/lib" -name __pycache__ -prune -exec rm -rf {} +
cp "$tree/lib/site-packages/imds_shim/boot/archive.pyc" "$tree/lib/archive.pyc"
python3 "$here/pack_modules.py" "$tree/lib/modules" "$stdlib" "$tree/lib/site-packages"
find "$stdlib" "$tree/lib/site-packages" -type d -empty -delete

for extension in DNAT tcp comment; do
  cp "/usr/lib/$triplet/xtables/libxt_$extension.so" "$tree/lib/xtables/"
done

# Loaded by name at run time, so no file lists them as needed.
by_name="libxtables.so.12 libip4tc.so.2 libip6tc.so.2 libnftables.so.1"
for name in $by_name; do cp -L "/usr/lib/$triplet/$name" "$tree/lib/"; done

# Libraries that those and the interpreter need.
find "$tree" \( -name '*.so*' -o -path "$tree/bin/python3" \) -exec ldd {} + 2>/dev/null |
  sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r library; do
  [ -e "$tree/lib/$(basename "$library")" ] || cp -L "$library" "$tree/lib/"
done
for file in "$python" "$tree"/lib/*.so*; do
  # The license is that of the Debian package; a library that is a link in / is registered under /usr.
  dpkg-query --search "*/$(basename "$file")" 2>/dev/null | grep -v -e '/cross' -e diversion | head -n 1 | cut -d: -f1
done | sort -u | while read -r package; do
  cp "/usr/share/doc/$package/copyright" "$tree/licenses/debian-$package"
done

# The image's /etc/ld.so.preload is meant for the image's programs, and the loader has no option to ignore it. Replace
# the path by one of the same length that cannot exist.
loader=$(readelf --program-headers "$python" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
sed 's|/etc/ld\.so\.preload|/dev/null/preload/|' "$loader" >"$tree/lib/loader"
cmp -s "$loader" "$tree/lib/loader" && { echo "the path /etc/ld.so.preload was not found in the loader" >&2; exit 1; }
chmod 755 "$tree/lib/loader"
find "$tree" \( -name '*.so*' -o -path "$tree/bin/python3" \) -exec strip --strip-unneeded {} +

musl-gcc -static -std=c11 -O2 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wcast-qual -Wvla -Wformat=2 -o "$tree/bin/imds-shim" "$here/launcher/launcher.c"
strip "$tree/bin/imds-shim"
find "$tree" -exec touch --no-dereference --date=@0 {} +
echo "size of the tree: $(du -sm "$tree" | cut -f1) MB"
