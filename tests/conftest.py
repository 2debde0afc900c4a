"""Fixtures and settings of all tiers. In CI, a skipped test fails, because CI installs everything that tests need."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from imds_mock.signing.signer import Signer

# The duration of one example depends more on the machine's load than on the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


# Background jobs of a shell ignore SIGINT and SIGQUIT, nohup ignores SIGHUP, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)  # child processes get the default, and the run survives its terminal

# A make that runs the tests passes on its own options and job server, and programs under test run make.
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where no test may skip: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """Signs identity documents; its keys are generated once for all tests."""
    from imds_mock.signing.signer import Signer

    return Signer(tmp_path_factory.mktemp("keys"))
