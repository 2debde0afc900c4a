"""How `compatibility: aemm` is selected, and how it combines with other settings, events and overrides."""

from __future__ import annotations

import json
import random
import socket
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from imds_mock.aemm.configuration import apply_settings
from imds_mock.aemm.settings import read_section
from imds_mock.build.aemm import AemmBuilder
from imds_mock.build.loading import document_of, from_document
from imds_mock.commands.ec2_metadata_mock import aemm_reason
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config, ControlSettings, ServerSettings
from imds_mock.control import start as control_start
from imds_mock.control.credential_masks import MASK
from imds_mock.control.secrets import masked
from imds_mock.faults.armed import ArmedFaults
from imds_mock.service.messages import Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.state.state import State
from support.aemm import LISTINGS, PAGES, SPOT, STARTED, base, settings
from support.callers import FakeNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("compatibility", "environ", "reason"),
    [
        (None, {}, None),
        (None, {"AEMM_SPOT_ACTION": "stop"}, "the variable AEMM_SPOT_ACTION is set"),
        (None, {"AEMM_SERVICE_HOST": "10.0.0.1", "AEMM_PORT": "tcp://10.0.0.1:1338"}, None),
        ("imds", {"AEMM_SPOT_ACTION": "stop"}, None),
        ("aemm", {}, "the setting compatibility"),
    ],
)
def test_the_reason_for_the_drop_in(compatibility: Any, environ: dict[str, str], reason: str | None) -> None:
    assert aemm_reason(Config(compatibility=compatibility), environ) == reason


@pytest.mark.parametrize(
    ("argv", "hosts", "port"),
    [
        ([], ("10.0.0.9",), 99),
        (["-p", "80"], ("10.0.0.9",), 80),
        (["-p", "80", "-n", "localhost"], ("127.0.0.1",), 80),
        (["-n", "[::1]"], ("::1",), 99),
        (["-n", "::"], (), 99),
        (["-n", "0.0.0.0"], (), 99),  # noqa: S104 - a word of AEMM's
    ],
)
def test_the_listener_in_force(argv: list[str], hosts: tuple[str, ...], port: int) -> None:
    server = apply_settings(
        settings(*argv), base(server={"hosts": ["10.0.0.9"], "port": 99, "access_log": "off"})
    ).server
    assert (server.hosts, server.port, server.access_log) == (hosts, port, "off")
    assert apply_settings(settings(), base()).server == ServerSettings(hosts=(), port=1338)


def test_a_section_restores_the_settings() -> None:
    made = settings("spot", "-a", "stop", "-d", "3", environ={"AEMM_METADATA_VALUES_MAC": "x"})
    config = apply_settings(made, base())
    again = read_section(from_document(json.loads(json.dumps(document_of(config)))).aemm)
    assert (again.command, again.values) == (made.command, made.values)


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [("imdsv2", True, "; set metadata_options.http_tokens"), ("server.port", 80, ""), ("watch-config-file", True, "")],
)
def test_keys_that_need_a_restart_are_rejected(key: str, value: object, advice: str) -> None:
    config = apply_settings(read_section({key: value, "mock-delay-sec": 3}), base())
    assert config.aemm == {"mock-delay-sec": 3}
    builder = AemmBuilder(0.0, "a test says so")
    builder.build(config)
    with pytest.raises(ConfigError) as refused:
        builder.build(replace(config, aemm={key: value}))
    assert str(refused.value) == f"key {key} in section aemm: has no effect while the mock runs{advice}"


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"spto": {"action": "stop"}}, "unknown key spto.action in section aemm: did you mean spot.action?"),
        ({"command": "spotitn"}, "key command in section aemm: expected one of spot, events, se,"),
        ({"mock-delay-sec": "soon"}, "key mock-delay-sec in section aemm: expected a whole number, got 'soon'"),
        ({"metadata": {"paths": {"mac": "/mac"}}}, "key metadata.paths.mac (section aemm): expected a path like"),
    ],
)
def test_an_invalid_section_is_rejected(section: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        AemmBuilder(STARTED, "").build(base(aemm=section))
    assert str(refused.value).startswith(sentence)
    assert refused.value.path == ("aemm",)


def test_secrets_in_the_section_are_masked() -> None:
    names = [f"metadata.values.iam-security-credentials.{name}" for name in ("secretaccesskey", "token")]
    environ = {
        f"AEMM_METADATA_VALUES_IAM_SECURITY_CREDENTIALS_{name}": "hidden" for name in ("SECRETACCESSKEY", "TOKEN")
    }
    config = apply_settings(settings(environ=environ), base())
    shown = masked(document_of(config))
    assert [shown["aemm"][name] for name in names] == [MASK, MASK]
    assert "hidden" not in repr(shown)


class Driver:
    """A state with `compatibility: aemm` and a service that answers from it."""

    def __init__(self) -> None:
        self.now = STARTED
        callers = FakeNetwork().registry()
        config = apply_settings(settings("spot", "-d", "60"), base())
        self.state = State(
            config,
            builder=AemmBuilder(STARTED, "a test says so"),
            faults=ArmedFaults(callers.is_target, random.random),
            callers=callers,
            clock=lambda: self.now,
        )
        self.service = Service(self.state, Tokens(), "id")

    def get(self, path: str, caller: str = "10.0.0.1") -> Response:
        return self.service.respond(Request("GET", path, path), caller, self.now)

    def patch(self, **aemm: Any) -> None:
        config = self.state.config
        self.state.configure(replace(config, aemm={**config.aemm, **aemm}))


def test_settings_can_be_changed_at_run_time_and_reset() -> None:
    driver = Driver()
    assert driver.get(SPOT).body.decode() == PAGES["404"]
    driver.patch(**{"mock-delay-sec": 0, "spot.action": "stop", "metadata.values.mac": "x"})
    assert json.loads(driver.get(SPOT).body)["action"] == "stop"
    assert driver.get("/latest/meta-data/network/interfaces/macs").body == b"x/"
    with pytest.raises(ConfigError):
        driver.patch(**{"spot.action": "explode"})
    assert json.loads(driver.get(SPOT).body)["action"] == "stop"
    driver.state.reset()
    assert driver.get(SPOT).status == 404
    assert driver.get("/latest/meta-data/network/interfaces/macs").body == b"0e:49:61:0f:c3:11/"


def test_leaves_set_by_path_override_aemms() -> None:
    driver = Driver()
    paths = {
        "meta-data/ami-id": "ami-1",
        "meta-data/tags": None,
        SPOT: "always",
        "meta-data/iam/security-credentials/a": "b",
    }
    driver.patch(**{"mock-ip-count": 0})
    driver.state.configure(replace(driver.state.config, metadata=paths))
    assert driver.get("/latest/meta-data/ami-id").body == b"ami-1"
    assert [driver.get(SPOT, f"10.0.0.{n}").body for n in range(4)] == [b"always"] * 4
    assert driver.get("/latest/meta-data/tags").status == 404
    assert "tags/" not in driver.get("/latest/meta-data").body.decode()
    assert driver.get("/latest/meta-data/iam/security-credentials").body == b"baskinc-role"
    assert driver.get("/latest").body.decode() == LISTINGS["/latest"]


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = int(holder.getsockname()[1])
        monkeypatch.setattr(control_start, "DEFAULT_PORT", port)
        yield port


@pytest.mark.parametrize("is_own", [False, True])
def test_an_unrequested_control_plane_yields_its_port(
    taken_port: int, is_own: bool  # noqa: FBT001 - a test's parameter
) -> None:  # fmt: skip
    config = Config(
        compatibility="aemm",
        server=ServerSettings(port=taken_port if is_own else 1),
        control=ControlSettings(hosts=("127.0.0.1",), socket=""),
    )
    said: list[str] = []
    sockets = control_start.ControlSockets.open(config, (), said.append)
    assert sockets.network == ()
    assert len(said) == 1
    assert said[0].startswith("control plane without TCP: ")
    for asked_for in (
        replace(config, compatibility=None, server=ServerSettings(port=1)),
        replace(config, control=replace(config.control, port=taken_port)),
    ):
        with pytest.raises(control_start.ControlListenError):
            control_start.ControlSockets.open(asked_for, (), said.append)
