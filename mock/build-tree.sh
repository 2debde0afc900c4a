#!/bin/sh
# Assembles the relocatable tree of the mock: the image contains nothing else, and it works in any other image.
#
#   build-tree.sh TREE DOWNLOADS     (in the build stage of Dockerfile; DOWNLOADS are the Python packages)
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

copy_python
# The mock calls no foreign functions, and unpacks nothing but gzip.
rm -rf "$stdlib/ctypes" "$stdlib/lib-dynload"/_ctypes* "$stdlib/lib-dynload"/_lzma* "$stdlib/lib-dynload"/_bz2*
# Parts of the packages that the mock does not use: of botocore's 25 MB of service models all but those that give out
# credentials, and EC2 and IAM for `config import`; what rich highlights source code with; tests; sources of extensions.
models='ec2/2016-11-15/|iam/|signin/|sso/|sso-oidc/|sts/|[^/]*$'
# Without `site`, the interpreter finds modules only beside the standard library.
python3 "$here/../image/unpack_wheels.py" "$2" "$stdlib" '^(pygments|pycparser|cffi)/' "^botocore/data/(?!$models)" \
  '/examples-1\.json$' '^anyio/(pytest_plugin\.py$|_backends/_trio\.py$)' '^uvloop/(loop\.c|_testbase\.py)$' \
  '^botocore/vendored/requests/packages/chardet/'
keep_licenses "$stdlib"

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
compile_launcher "$here/launcher/launcher.c" "$tree/bin/python"
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
