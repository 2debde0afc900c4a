"""The installation of the real clients: what it says, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import client_install
from installing import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_says_so_before_it_installs_and_only_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    monkeypatch.setattr(client_install, "_install", lambda root: happened.append(f"installed into {root}"))
    for _ in range(2):
        client_install.install(tmp_path, happened.append)
    said = f"installing the real clients of the contract tests into {tmp_path}; this takes minutes"
    assert happened == [said, f"installed into {tmp_path}"]


def test_a_failure_is_one_message_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_options: object) -> None:
        raise InstallError("failed: pip install")

    monkeypatch.setattr(client_install, "install", fail)
    assert client_install.main([]) == 1
    assert capsys.readouterr().err == "setup: failed: pip install\n"
