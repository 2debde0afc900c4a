"""A neighbour without access attacks the control plane; the mock's other clients must not notice.

The mock is connected to its default gateway (the host, which publishes a port) and to a neighbour; each has a network
namespace of its own.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support.attack_programs import attack_bytes, program
from support.attacked_mock import CONTROL_TOKEN, SECRETS, AttackedMock, assert_log_is_clean, attacked_mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netlab import Namespace
    from support.attack_report import Row

SEED = 20_261_127
MOCK, GATEWAY, MOCK_TO_NEIGHBOUR, NEIGHBOUR = "10.77.0.2", "10.77.0.1", "10.78.0.2", "10.78.0.3"
CONTROL = 1339
HELD = 200
WINDOW_REQUESTS = 1200
LOG_BYTES = 20_000


@pytest.fixture
def spaces() -> Iterator[dict[str, Namespace]]:
    with Lab() as lab:
        mock, gateway, neighbour = (lab.namespace(name) for name in ("mock", "gateway", "neighbour"))
        lab.link(mock, gateway, [f"{MOCK}/24"], [f"{GATEWAY}/24"])
        lab.link(mock, neighbour, [f"{MOCK_TO_NEIGHBOUR}/24"], [f"{NEIGHBOUR}/24"])
        mock.ip("route", "add", "default", "via", GATEWAY)
        yield {"mock": mock, "gateway": gateway, "neighbour": neighbour}


@pytest.fixture
def mock(spaces: dict[str, Namespace], tmp_path: Path) -> Iterator[AttackedMock]:
    options = ("--set", f"control.port={CONTROL}", "--set", "callers.name_server=")
    with attacked_mock(tmp_path, options, host="0.0.0.0", space=spaces["mock"]) as running:  # noqa: S104 - of a namespace
        running.host = "127.0.0.1"
        yield running


def control_status(space: Namespace, address: str) -> str:
    """The status that curl gets from the control plane within 2 s; 000 if there is no response."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2"]
    bearer = f"Authorization: Bearer {CONTROL_TOKEN}"
    return space.run([*argv, "--header", bearer, f"http://{address}:{CONTROL}/v1/status"], check=False).stdout


@pytest.mark.parametrize("kind", ["silent", "half a head", "slow head", "unfinished body"])
def test_held_connections(
    mock: AttackedMock, spaces: dict[str, Namespace], row: Row, baseline_folder: Path, slack: float, kind: str
) -> None:
    row.inputs = HELD
    with mock.observed(baseline_folder) as clients:
        attacker = subprocess.Popen(
            program(
                *("attack_connections.py", MOCK_TO_NEIGHBOUR, CONTROL, "--kind", kind, "--connections", HELD),
                space=spaces["neighbour"],
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with attacker:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == "open\n"
            met = clients.over(WINDOW_REQUESTS)
            statuses = {
                "gateway": control_status(spaces["gateway"], MOCK),
                "loopback": control_status(spaces["mock"], "127.0.0.1"),
            }
            attacker.communicate("")
    row.figures |= met.figures()
    assert statuses == {"gateway": "200", "loopback": "200"}
    met.assert_unharmed(slack)
    assert mock.stop() == 0
    assert_log_is_clean(mock.log())


def test_hostile_bytes_of_a_neighbour(
    mock: AttackedMock, spaces: dict[str, Namespace], row: Row, baseline_folder: Path, slack: float, *, full: bool
) -> None:
    row.inputs = 20_000 if full else 3_000
    with mock.observed(baseline_folder) as clients:
        clients.report()
        found = attack_bytes(
            MOCK_TO_NEIGHBOUR, CONTROL, "control", row.inputs, SEED, SECRETS, space=spaces["neighbour"]
        )
        met = clients.report()
    row.figures |= {**met.figures(), "statuses": " ".join(found["statuses"])}
    assert set(found["statuses"]) <= {"400", "403"}
    assert found["hung"] == 0
    met.assert_unharmed(slack)
    assert control_status(spaces["gateway"], MOCK) == "200"
    assert mock.stop() == 0
    assert_log_is_clean(mock.log())
    assert len(mock.log()) < LOG_BYTES
