#!/bin/bash
# What is built and tested in the emulated machine, in the folder of the checkout.
set -euo pipefail
say() { printf '\narm64: %s (up %s s)\n' "$*" "$(cut -d. -f1 /proc/uptime)"; }
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
tree=/opt/imds-shim
demo() { MOCK_TIMEOUT_SECONDS=300 .venv/bin/python scripts/demo.py --lab; } # emulated, and the machine may be busy

say "$(uname -srm); the shim's tree, as Dockerfile.shim builds it"
shim/build-tree.sh $tree /vm/packages

say "the virtual environment"
python3 -m venv --without-pip .venv
pip install --no-build-isolation --no-deps --target .venv/lib/python3*/site-packages /vm/packages/python_iptables*
pip --python .venv install --no-build-isolation --no-deps -e shim -e mock

say "the demonstration, with the virtual environment"
demo

say "the demonstration, with the tree"
mv .venv/bin/imds-shim /vm/imds-shim
ln -s $tree/bin/imds-shim .venv/bin/imds-shim
demo
mv /vm/imds-shim .venv/bin/imds-shim

say "the tests"
mapfile -t arguments </vm/arguments
.venv/bin/python -m pytest -p no:cacheprovider --durations=5 "${arguments[@]}"
