"""The limit of open files, shared between the planes."""

from __future__ import annotations

import resource

import pytest

from imds_mock.wire.descriptors import CONTROL_CONNECTIONS, OWN, TooFewDescriptorsError, connection_limits, raise_limit


@pytest.mark.parametrize(
    ("limits", "wanted", "with_control", "data", "control", "raised"),
    [
        ((256, 1024), 4096, True, 1024 - OWN - 2 * CONTROL_CONNECTIONS, CONTROL_CONNECTIONS, 1024),
        ((256, 1024), 4096, False, 1024 - OWN, 0, 1024),
        ((256, 1024), 100, True, 100, CONTROL_CONNECTIONS, 256),
        ((64, 64), 4096, True, 24, 4, 64),
        ((64, 64), 4096, False, 32, 0, 64),
        ((40, 40), 4096, True, 4, 2, 40),
        ((32, 32), 4096, True, 1, 2, 32),
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


@pytest.mark.parametrize("limit", [8, 31])
def test_a_limit_that_does_not_suffice_for_the_mock_itself_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (limit, limit))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, _new: None)
    with pytest.raises(TooFewDescriptorsError) as raised:
        raise_limit(4096, with_control=True)
    assert raised.value.exit_code == 71
    assert str(raised.value) == (
        f"the limit of open files is {limit}, and imds-mock needs at least 32; raise it with `ulimit -n 1024`, or in "
        "Compose with `ulimits: {nofile: 1024}`"
    )
