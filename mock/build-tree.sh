#!/bin/sh
# Assembles the relocatable tree of the mock: the image contains nothing else, and it works in any other image.
#
#   build-tree.sh TREE LAUNCHER   (in the build stage of Dockerfile, after pip has filled TREE/lib/site-packages)
#
#   TREE/bin/imds-mock        static launcher; also as ec2-metadata-mock, and as python, which is the interpreter itself
#   TREE/bin/python3          interpreter, which only the launcher can start
#   TREE/lib/loader           dynamic loader for the libraries beside it
#   TREE/lib/*.so*            C library, OpenSSL, ...
#   TREE/lib/imds-mock.pyc    what the launcher of that name runs
#   TREE/lib/python3.X/       the standard library, imds_mock and its dependencies, compiled
#   TREE/licenses/            licenses of third-party parts
set -eu
# shellcheck source=image/tree.sh
. "$(dirname "$0")/../image/tree.sh"
packages=$tree/lib/site-packages

copy_python
# The mock calls no foreign functions, and unpacks nothing but gzip.
rm -rf "$stdlib/ctypes" "$stdlib/lib-dynload"/_ctypes* "$stdlib/lib-dynload"/_lzma* "$stdlib/lib-dynload"/_bz2*
# Parts of the packages that the mock does not use: of botocore's 25 MB of service models all but those that give out
# credentials, and EC2 and IAM for `config import`; what rich highlights source code with; tests; sources of extensions.
(
  cd "$packages"
  rm -rf bin pygments pycparser cffi anyio/pytest_plugin.py anyio/_backends/_trio.py uvloop/loop.c uvloop/_testbase.py \
    botocore/vendored/requests/packages/chardet
  find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name ec2 ! -name iam ! -name signin ! -name sso ! -name sso-oidc \
    ! -name sts -exec rm -r {} +
  find botocore/data/ec2 -mindepth 1 -maxdepth 1 ! -name 2016-11-15 -exec rm -r {} +
  find botocore/data -name 'examples-1.json' -delete
)
keep_licenses "$packages"
# Without `site`, the interpreter finds modules only beside the standard library.
mv "$packages"/* "$stdlib/"
rmdir "$packages"

compile_modules 2 "$stdlib"
copy_own_package "$stdlib" imds_mock imds-mock
# The API and the help texts come from its docstrings.
compile_modules 0 "$stdlib/imds_mock"
# `imds-mock capture` prints the sources of one package.
mv "$stdlib/imds_mock/capture" "$tree/capture"
remove_sources "$stdlib"
mv "$tree/capture" "$stdlib/imds_mock/"

collect_libraries
copy_loader
strip_programs
cp "$2" "$tree/bin/python"
python3 - "$here/pyproject.toml" "$tree" <<'EOF'
import shutil, sys, tomllib
pyproject, tree = sys.argv[1:]
with open(pyproject, "rb") as file:
    scripts = tomllib.load(file)["project"]["scripts"]
for name, entry in scripts.items():
    module, function = entry.split(":")
    with open(f"{tree}/lib/{name}.py", "w") as file:
        file.write(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    shutil.copy(f"{tree}/bin/python", f"{tree}/bin/{name}")
EOF
compile_modules 0 "$tree"/lib/*.py
rm "$tree"/lib/*.py
finish_tree
