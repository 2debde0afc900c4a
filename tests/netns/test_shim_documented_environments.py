"""Each row of the table in docs/netfilter.md. Needs real root."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.documented_environments import DEFAULT, Row, capability_names, rows
from support.paths import ROOT
from support.shimlab import SHIM, ShimLab, environment, open_to_all

if TYPE_CHECKING:
    from collections.abc import Iterator


def wrapper(row: Row) -> list[str]:
    """Return the wrapper that runs the shim in such a container."""
    held = [*(() if row.dropped() else DEFAULT), *row.added()]
    bounding_set = ",".join(["-all", *(f"+{name.lower()}" for name in held)])
    words = ["setpriv", "--bounding-set", bounding_set, "--inh-caps", "-all"]
    if user := row.user():
        words += ["--reuid", user, "--regid", user, "--clear-groups"]
    if missing := row.missing():
        words = [sys.executable, str(ROOT / "tests/support/kernel_without.py"), ",".join(missing), *words]
    if row.read_only():
        # The working directory is a separate mount there.
        remount = 'mount --rbind / /mnt && mount -o remount,bind,ro /mnt && exec chroot /mnt "$@"'
        words = ["unshare", "--mount", "sh", "-ec", remount, "sh", *words]
    return words


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    assert os.geteuid() == 0, "containers like these can be had by real root only"
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        open_to_all(made.app, ROOT, Path(sys.base_prefix))
        yield made


def test_the_table_has_rows() -> None:
    assert len(rows()) == 26


@pytest.mark.parametrize("row", rows(), ids=str)
def test_row(lab: ShimLab, row: Row) -> None:
    lab.shim("--remove")
    command = [*wrapper(row), str(SHIM), "grep", "CapEff", "/proc/self/status"]
    done = lab.app.run(command, env=environment(**row.variables()), check=False)
    assert done.returncode == int(row.exit_code), done.stderr
    assert row.message() in done.stderr
    tables = {"legacy": lab.tool("iptables-legacy-save"), "nft": lab.tool("nft", "list", "ruleset")}
    assert [name for name, text in tables.items() if "imds-shim" in text] == ([row.rule_in] if row.rule_in else [])
    if done.returncode == 0:
        assert capability_names(done.stdout.split()[1]) == row.capabilities()
    else:
        assert (done.stdout, row.application_has) == ("", "")
