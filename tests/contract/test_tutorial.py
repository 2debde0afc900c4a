"""The application of docs/tutorial.md, against the mock at 169.254.169.254 in a network namespace."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from netlab import Lab
from support.examples import files
from support.imds_program import running_imds
from support.paths import DOCS, IMDS_MOCK

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = files((DOCS / "tutorial.md").read_text())


def test_the_application_stops_after_a_notice(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TUTORIAL["app.py"])
    with Lab() as lab:
        namespace = lab.namespace("instance")
        with running_imds({}, tmp_path, namespace=namespace) as imds:
            ctl = [str(IMDS_MOCK), "ctl", "--url", f"unix:{tmp_path / 'control.sock'}"]
            app = namespace.popen([sys.executable, str(tmp_path / "app.py")], stdout=subprocess.PIPE)
            with app:
                assert app.stdout is not None
                assert app.stdout.readline() == "job 1 done\n"
                imds.run([*ctl, "spot", "interrupt"])
                lines = app.stdout.read().splitlines()
            assert app.returncode == 0
            assert lines[-1].startswith("terminate at 20")
            assert lines[-1].endswith(f": stopped after {len(lines)} jobs")
            imds.run([*ctl, "assert", "--saw", "spot-interruption"])


def test_the_page_has_every_file_that_its_commands_need() -> None:
    assert list(TUTORIAL) == ["app.py", "Dockerfile", "compose.yaml", "test_interruption.py"]
    for name in ("app.py", "test_interruption.py"):
        compile(TUTORIAL[name], name, "exec")
