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
# shellcheck source=image/tree.sh
. "$(dirname "$0")/../image/tree.sh"
packages=$tree/lib/site-packages

copy_python
mkdir "$tree/lib/xtables"
# The shim does not import these either.
(
  cd "$stdlib"
  rm -rf xml multiprocessing html zoneinfo
  rm -f decimal.py _pydecimal.py statistics.py fractions.py tarfile.py configparser.py
  cd lib-dynload
  rm -f _lzma* _bz2* _elementtree* _zoneinfo* _multiprocessing* _posixshmem* termios* _decimal* _interp* _uuid*
  # OpenSSL: the shim uses plain HTTP and DNS, and hashlib has its own implementations.
  rm -f _ssl* _hashlib*
)
# Remove parts of the packages that the shim does not use.
(
  cd "$packages"
  rm -rf bin iptc/test certifi/cacert.pem anyio/pytest_plugin.py anyio/_backends/_trio.py
)

keep_licenses "$packages"

compile_modules 2 "$stdlib" "$packages"
remove_sources "$stdlib" "$packages"
cp "$packages/imds_shim/boot/archive.pyc" "$tree/lib/archive.pyc"
python3 "$here/pack_modules.py" "$tree/lib/modules" "$stdlib" "$packages"
find "$stdlib" "$packages" -type d -empty -delete

triplet=$(gcc -print-multiarch)
for extension in DNAT tcp comment; do
  cp "/usr/lib/$triplet/xtables/libxt_$extension.so" "$tree/lib/xtables/"
done

# Loaded by name at run time, so no file lists them as needed.
by_name="libxtables.so.12 libip4tc.so.2 libip6tc.so.2 libnftables.so.1"
for name in $by_name; do cp -L "/usr/lib/$triplet/$name" "$tree/lib/"; done

collect_libraries
copy_loader
strip_programs
compile_launcher "$here/launcher/launcher.c" "$tree/bin/imds-shim"
finish_tree
