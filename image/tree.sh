# Steps that the build scripts of both trees share. shim/build-tree.sh and mock/build-tree.sh source it in the build
# stage of a Dockerfile. Their first argument is the folder that is built.
# shellcheck shell=sh
set -eu
tree=$1
here=$(dirname "$0")
# The files of the image's processor, as image/unpack-packages.sh leaves them; all that runs here is this machine's.
target=/target/
[ -e "$target" ] || target=/
version=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
interpreter=${target}usr/bin/$version
triplet=$(basename "${target}usr/lib/$version"/config-* | cut -d- -f3-)
stdlib=$tree/lib/$version
# Byte code and frozen modules fit one version.
grep -q "PY_VERSION .*\"$(python3 -c 'import platform; print(platform.python_version())')\"" \
  "${target}usr/include/$version/patchlevel.h" || { echo "the two versions of Python differ" >&2; exit 1; }

copy_python() {
  mkdir -p "$tree/bin" "$tree/lib" "$tree/licenses"
  cp "$interpreter" "$tree/bin/python3"
  cp -r "${target}usr/lib/$version" "$stdlib"
  find "$tree" -name __pycache__ -prune -exec rm -rf {} +
  # Tests, tools, user interfaces and databases.
  (
    cd "$stdlib"
    rm -rf test idlelib tkinter turtledemo lib2to3 ensurepip pydoc_data distutils unittest sqlite3 curses dbm xmlrpc \
      venv wsgiref config-* __phello__ _pyrepl EXTERNALLY-MANAGED LICENSE.txt
    rm -f sitecustomize.py turtle.py pydoc.py doctest.py pdb.py bdb.py optparse.py mailbox.py nntplib.py smtplib.py \
      ftplib.py imaplib.py poplib.py telnetlib.py pickletools.py zipapp.py trace.py cProfile.py profile.py pstats.py \
      plistlib.py webbrowser.py wave.py modulefinder.py antigravity.py this.py timeit.py tabnanny.py pyclbr.py
    cd lib-dynload
    rm -f _sqlite3* _curses* _tkinter* readline* _codecs_* _multibytecodec* _dbm* _gdbm* _test* _xx* xx* \
      _ctypes_test* _lsprof* syslog* audioop* nis*
  )
}

# Copies the project's own package as it would be installed: its modules, and the record of its version. A build backend
# and pip would take longer than all that they do here.
copy_own_package() { # FOLDER MODULE NAME
  number=$(cat "$here/../VERSION")
  cp -r "$here/src/$2" "$1/"
  mkdir "$1/$2-$number.dist-info"
  printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "$3" "$number" >"$1/$2-$number.dist-info/METADATA"
  cp "$here/../LICENSE" "$tree/"
}

# Keeps the licenses of packages, and of pip's records only METADATA.
keep_licenses() { # FOLDER
  for name in "$1"/*.dist-info; do
    package=$(basename "$name" .dist-info)
    # A package may have several, and the order of a folder differs from machine to machine.
    find "$name" -type f -iname 'licen[cs]e*' | sort | while read -r license; do
      cat "$license" >>"$tree/licenses/${package%-*}"
    done
    find "$name" -type f ! -name METADATA -delete
  done
  find "$1" -type d -empty -delete
}

# The tree may be read-only where it runs, so it is compiled here. Sources would not be read, and column numbers would
# only slow a start down.
compile_modules() { # LEVEL FOLDER...
  level=$1
  shift
  # A variable, because the option would not reach the worker processes.
  PYTHONNODEBUGRANGES=1 python3 -W ignore -m compileall -q -j 0 -b -o "$level" --invalidation-mode unchecked-hash "$@"
}

remove_sources() { # FOLDER...
  find "$@" \( -name '*.py' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.c' \
    -o -name '*.rst' -o -name '*.ini' -o -name py.typed \) -delete
  find "$@" -name __pycache__ -prune -exec rm -rf {} +
}

list_programs() {
  find "$tree" \( -name '*.so*' -o -path "$tree/bin/python3" \) "$@"
}

# Copies the libraries that the files of the tree need, with the licenses of their Debian packages.
collect_libraries() {
  while
    missing=$(list_programs -exec "$triplet-readelf" --dynamic {} + | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u |
      grep -v '^ld-linux' | while read -r name; do [ -e "$tree/lib/$name" ] || echo "${target}usr/lib/$triplet/$name"; done)
    [ -n "$missing" ]
  do
    # shellcheck disable=SC2086 # words
    cp -L $missing "$tree/lib/"
  done
  for file in "$interpreter" "$tree"/lib/*.so*; do owner "$(basename "$file")"; done | sort -u |
    tee "$tree/licenses/debian-packages.tsv" | while read -r package _; do
    cp "${target}usr/share/doc/$package/copyright" "$tree/licenses/debian-$package"
  done
}

# Prints name, version and architecture of the Debian package of a library or program, for the bill of materials.
owner() { # NAME
  record=$(grep -l "/$1\$" "${target}var/lib/unpacked"/* 2>/dev/null | head -n 1)
  if [ -n "$record" ]; then
    basename "$record" | sed 's/%3a/:/' | tr _ '\t'
  else
    # A library that is a link in / is registered under /usr.
    package=$(dpkg-query --search "*/$1" 2>/dev/null | grep -v diversion | head -n 1 | cut -d, -f1 | cut -d: -f1)
    [ -z "$package" ] || dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' "$package"
  fi
}

# The image's /etc/ld.so.preload is meant for the image's programs, and the loader has no option to ignore it. Replaces
# the path by one of the same length that cannot exist.
copy_loader() {
  loader=$target$("$triplet-readelf" --program-headers "$interpreter" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
  sed 's|/etc/ld\.so\.preload|/dev/null/preload/|' "$loader" >"$tree/lib/loader"
  cmp -s "$loader" "$tree/lib/loader" && { echo "the path /etc/ld.so.preload was not found in the loader" >&2; exit 1; }
  chmod 755 "$tree/lib/loader"
}

strip_programs() {
  list_programs -exec "$triplet-strip" --strip-unneeded {} +
}

# Compiles a launcher as a static program, with the C library musl.
compile_launcher() { # SOURCE PROGRAM
  specs=$(mktemp)
  sed "s|/usr/|${target}usr/|g" "${target}usr/lib/${triplet%gnu}musl/musl-gcc.specs" >"$specs"
  "$triplet-gcc" -specs "$specs" -static -std=c11 -O2 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wshadow \
    -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wvla -Wformat=2 -s -o "$2" "$1"
  rm "$specs"
}

# Makes builds of the same contents equal, and prints the size. A checkout's files may be readable for its owner alone.
finish_tree() {
  chmod -R u=rwX,go=rX "$tree"
  find "$tree" -exec touch --no-dereference --date=@0 {} +
  echo "size of the tree: $(du -sm "$tree" | cut -f1) MB"
}
