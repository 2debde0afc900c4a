"""Fixtures of the contract tests: mocks with the reference instance."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

import client_install
from netlab import Lab
from support.instances import Instances

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    clients = client_install.install()
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        yield Instances(lab, tmp_path_factory.mktemp("instances"), stack, clients)
