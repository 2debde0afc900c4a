"""The limit of open files, shared between the planes."""

from __future__ import annotations

import resource

import pytest

from imds_mock.wire.descriptors import CONTROL_CONNECTIONS, OWN, connection_limits, raise_limit


@pytest.mark.parametrize(
    ("limits", "wanted", "with_control", "data", "control", "raised"),
    [
        ((256, 1024), 4096, True, 1024 - OWN - 2 * CONTROL_CONNECTIONS, CONTROL_CONNECTIONS, 1024),
        ((256, 1024), 4096, False, 1024 - OWN, 0, 1024),
        ((256, 1024), 100, True, 100, CONTROL_CONNECTIONS, 256),
        ((64, 64), 4096, True, 24, 4, 64),
        ((64, 64), 4096, False, 32, 0, 64),
        ((40, 40), 4096, True, 4, 2, 40),
        ((20, 20), 4096, True, 1, 2, 20),
        ((256, resource.RLIM_INFINITY), 4096, True, 4096, CONTROL_CONNECTIONS, 4096 + OWN + 2 * CONTROL_CONNECTIONS),
        ((resource.RLIM_INFINITY,) * 2, 4096, True, 4096, CONTROL_CONNECTIONS, resource.RLIM_INFINITY),
    ],
)
def test_the_data_plane_comes_first(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    wanted: int,
    with_control: bool,  # noqa: FBT001 - a table
    data: int,
    control: int,
    raised: int,
) -> None:
    now = [limits]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: now[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, new: now.append(new))
    raise_limit(wanted, with_control=with_control)
    assert now[-1] == (raised, limits[1])
    assert connection_limits(wanted, with_control=with_control) == (data, control)
