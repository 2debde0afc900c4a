#!/bin/sh
# Assembles the relocatable tree: everything that imds-shim needs, so that it works in any image.
#
#   build-tree.sh TREE DOWNLOADS     (in the build stage of Dockerfile.shim; DOWNLOADS are the Python packages)
#
#   TREE/bin/imds-shim        static launcher, the only file that the kernel starts directly
#   TREE/bin/python3          interpreter, which imports the modules from the file `modules`
#   TREE/lib/loader           dynamic loader for the libraries beside it
#   TREE/lib/*.so*            C library, libip4tc, libnftables, ...
#   TREE/lib/modules          imds_shim, its dependencies and the standard library, compiled, without unused modules
#   TREE/lib/python3.X/       extension modules
#   TREE/lib/site-packages/   the packages' versions
#   TREE/licenses/            licenses of third-party parts
set -eu
# shellcheck source=image/tree.sh
. "$(dirname "$0")/../image/tree.sh"
packages=$tree/lib/site-packages

copy_python
python3 "$here/../image/unpack_wheels.py" "$2" "$packages"
copy_own_package "$packages" imds_shim imds-shim
# The shim does not import these either.
(
  cd "$stdlib"
  rm -rf xml multiprocessing html zoneinfo asyncio importlib/metadata importlib/resources tomllib sysconfig http urllib \
    zipfile pathlib logging/config.py logging/handlers.py
  find email -name '*.py' ! -name __init__.py -delete
  rm -f decimal.py _pydecimal.py statistics.py fractions.py tarfile.py configparser.py
  rm -f _sysconfigdata* _pyio.py _pydatetime.py _pylong.py pickle.py _compat_pickle.py site.py pprint.py \
    argparse.py gettext.py platform.py locale.py calendar.py _strptime.py ssl.py shelve.py socketserver.py uuid.py \
    gzip.py bz2.py lzma.py _compression.py compileall.py py_compile.py filecmp.py fileinput.py cmd.py code.py codeop.py \
    pty.py tty.py rlcompleter.py getopt.py getpass.py mimetypes.py netrc.py quopri.py symtable.py tracemalloc.py \
    ntpath.py nturl2path.py runpy.py pkgutil.py graphlib.py _osx_support.py _android_support.py _ios_support.py \
    _apple_support.py _distutils_system_mod.py _markupbase.py sched.py tempfile.py cgi.py cgitb.py colorsys.py csv.py \
    shutil.py subprocess.py glob.py fnmatch.py hashlib.py hmac.py crypt.py stringprep.py \
    __hello__.py _aix_support.py _py_abc.py _sitebuiltins.py _threading_local.py numbers.py queue.py secrets.py sre_*.py
  rm -rf concurrent/futures/process.py concurrent/futures/thread.py ctypes/_aix.py ctypes/util.py ctypes/wintypes.py \
    email/mime importlib/_abc.py importlib/abc.py importlib/readers.py importlib/simple.py importlib/util.py json/tool.py
  cd encodings
  find . -name '*.py' ! -name __init__.py ! -name aliases.py ! -name utf_8.py ! -name ascii.py ! -name latin_1.py -delete
  cd ../lib-dynload
  rm -f _lzma* _bz2* _elementtree* _zoneinfo* _multiprocessing* _posixshmem* termios* _decimal* _interp* _uuid* \
    _asyncio* _queue* mmap*
  # OpenSSL: the shim uses plain HTTP and DNS, and hashlib has its own implementations.
  rm -f _ssl* _hashlib*
)
echo "VERSION = '$(cat "$here/../VERSION")'" >"$packages/imds_shim/built_version.py"
# Remove parts of the packages that the shim does not use: clients, TLS, zones, signatures, rules as text. The stubs of
# import_stubs.py and xtables_library.py take the place of what others import.
(
  cd "$packages"
  for name in anyio certifi h11 httpcore idna typing_extensions; do rm -r "$name"-*.dist-info; done
  rm -rf anyio certifi h11 httpcore idna typing_extensions.py tenacity/tornadoweb.py iptc/easy.py iptc/util.py iptc/xtables.py
  (
    cd httpx
    rm -rf _api.py _auth.py _client.py _config.py _decoders.py _main.py _multipart.py _status_codes.py _transports/asgi.py \
      _transports/default.py _transports/mock.py _transports/wsgi.py _types.py
  )
  cd dns
  rm -rf quic dnssecalgs _asyncbackend.py _asyncio_backend.py _ddr.py _no_ssl.py _tls_util.py _trio_backend.py \
    asyncbackend.py asyncquery.py asyncresolver.py btree.py btreezone.py dnssec.py e164.py grange.py namedict.py \
    dnssectypes.py nameserver.py node.py query.py resolver.py reversename.py serial.py transaction.py tsigkeyring.py \
    update.py versioned.py win32util.py xfr.py zone.py zonefile.py zonetypes.py
  # The others become records whose data dnspython does not look into.
  cd rdtypes
  find . -name '*.py' ! -name __init__.py ! -name nsbase.py ! -name A.py ! -name AAAA.py ! -name CNAME.py \
    ! -name DNAME.py ! -name OPT.py ! -name SOA.py ! -name TSIG.py -delete
)

keep_licenses "$packages"

work=$(mktemp -d)
python3 -X no_debug_ranges "$here/freeze_modules.py" "$work/frozen_modules.h" "$stdlib" "$packages/imds_shim/boot/archive.py"
# Parts of the interpreter now, as importlib.
(
  cd "$stdlib"
  rm abc.py codecs.py genericpath.py io.py os.py posixpath.py stat.py _collections_abc.py zipimport.py
  rm importlib/_bootstrap*.py encodings/__init__.py encodings/aliases.py encodings/utf_8.py
)
compile_modules 2 "$stdlib" "$packages"
remove_sources "$stdlib" "$packages"
python3 "$here/pack_modules.py" "$tree" "$stdlib" "$packages"
find "$stdlib" "$packages" -type d -empty -delete

# Not position-independent, so it needs no relocation, and a snapshot fits each of its processes. A snapshot
# is of this very program if both are made of the same files in the same way.
libpython=${target}usr/lib/$version/config-${version#python}-$triplet/lib$version.a
# Its functions of mathematics are musl's, which have no state: Debian's libm.a needs a static C library, and libm.so.6 is 1 MB.
# The linker takes them from musl's archive because it has looked into Debian's C library, which has all others, before.
musl=${target}usr/lib/${triplet%gnu}musl/libc.a
made_of() {
  cat "$here/build-tree.sh" "$here"/interpreter/* "$work/frozen_modules.h" "$libpython" "$musl" \
    "$tree/lib/modules"
  "$triplet-gcc" --version
}
id=$(made_of | sha256sum | cut -c 1-32)
# Exports the symbols that the extension modules refer to, and those that hidden_process.py calls; all would take 0.1 MB more.
{
  echo '{ PyOS_*;'
  "$triplet-nm" --dynamic --undefined-only --format=just-symbols "$stdlib"/lib-dynload/*.so | sed 's/@.*//; s/$/;/' | sort -u
  echo '};'
} >"$work/exported"
# Without tables for unwinding the stack: exceptions of C++ and the cancellation of threads use them, and CPython has neither.
"$triplet-objcopy" --remove-section .eh_frame "$libpython" "$work/libpython.a"
"$triplet-gcc" --sysroot="$target" -std=c11 -O2 -fno-pie -no-pie -Wall -Wextra -Werror -I"${target}usr/include/$version" \
  -I"$work" -DPROGRAM_ID="\"$id\"" -o "$tree/bin/python3" "$here"/interpreter/*.c "$work/libpython.a" \
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=pthread_self \
  -Wl,--dynamic-list="$work/exported" -Wl,-Bstatic -lz -Wl,-Bdynamic -lc "$musl"

# Loaded by name at run time, so no file lists them as needed.
by_name="libip4tc.so.2 libip6tc.so.2 libnftables.so.1"
for name in $by_name; do cp -L "${target}usr/lib/$triplet/$name" "$tree/lib/"; done

collect_libraries
copy_loader
strip_programs
# The interpreter with the modules that every start imports.
emulator=
[ "$target" -ef / ] || emulator=qemu
env -i IMDS_SHIM_SNAPSHOT="$tree/lib/snapshot" \
  $emulator "$tree/lib/loader" --inhibit-cache --library-path "$tree/lib" "$tree/bin/python3"
compile_launcher "$here/launcher/launcher.c" "$tree/bin/imds-shim"
finish_tree
