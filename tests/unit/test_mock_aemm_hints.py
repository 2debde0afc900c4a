"""Suggestions for renamed and unknown names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.aemm import hints
from imds_mock.aemm.arguments import parse
from imds_mock.aemm.keys import COMMANDS, FLAG_KEYS, KEYS, UsageError
from imds_mock.aemm.settings import aemm_variables, read_section
from imds_mock.commands.ec2_metadata_mock import aemm_reason
from imds_mock.config.settings import Config
from support.aemm import settings, written

if TYPE_CHECKING:
    from pathlib import Path

FORMER = {
    "spot-itn.instance-action": "spot.action", "spot-itn.termination-time": "spot.time", "spot-itn.time": "spot.time",
    "spot-itn.action": "spot.action", "spot.instance-action": "spot.action", "spot.termination-time": "spot.time",
    "scheduled-events.code": "events.code", "scheduled-events.state": "events.state",
    "scheduled-events.not-before": "events.not-before", "scheduled-events.not-after": "events.not-after",
    "scheduled-events.not-before-deadline": "events.not-before-deadline",
    "metadata.paths.spot-itn": "metadata.paths.spot", "metadata.paths.scheduled-events": "metadata.paths.events",
    "metadata.paths.spot-itn-termination-time": "metadata.paths.spot-termination-time",
    "metadata.paths.ipv4-associations": "metadata.paths.mac-ipv4-associations",
    "metadata.paths.userdata": "userdata.paths.userdata", "metadata.values.userdata": "userdata.values.userdata",
    "port": "server.port", "hostname": "server.hostname",
    "autoscaling.target-lifecycle-state": "asg-termination-delay-sec",
    "metadata.values.target-lifecycle-state": "asg-termination-delay-sec", "metadata.values.spot": "spot.action",
    "metadata.values.spot-termination-time": "spot.time", "metadata.values.events": "events.code",
    "metadata.values.rebalance-rec-time": "spot.rebalance-rec-time",
}  # fmt: skip
"""All keys of earlier releases that 1.13 does not have (AEMM's repository), and values of event leaves."""


@pytest.mark.parametrize(("former", "now"), FORMER.items())
def test_renamed_keys_suggest_the_current_key(tmp_path: Path, former: str, now: str) -> None:
    variable, meant = ("AEMM_" + name.upper().replace("-", "_").replace(".", "_") for name in (former, now))
    file = written(tmp_path, {former: "x"})
    assert settings(environ={variable: "x"}, file=file).warnings == (
        f"key {former} in file {file} has no effect: did you mean {now}?",
        f"variable {variable} has no effect: did you mean {meant}?",
    )
    with pytest.raises(UsageError, match=rf"^unknown key {former} in section aemm: did you mean {now}\?$"):
        read_section({former: "x"})


def test_no_renamed_key_is_a_current_key() -> None:
    assert FORMER.keys() == hints.RENAMED_KEYS.keys()
    assert not FORMER.keys() & KEYS.keys()
    assert set(FORMER.values()) <= KEYS.keys()


def test_a_key_stays_on_one_line() -> None:
    assert hints.redacted_key("server.\r\u2028") == "server.\\r\\u2028"


@pytest.mark.parametrize(
    "name", ["metadata.values.tags", "metadata.paths.zone", "dynamic.values.abc", "userdata.values.x"]
)
def test_a_key_that_shares_only_its_section_is_not_suggested(name: str) -> None:
    assert hints.key_hint(name) == "amazon-ec2-metadata-mock has no such setting"


@pytest.mark.parametrize("name", KEYS)
def test_a_typing_error_in_any_key_or_variable_suggests_it(name: str) -> None:
    half = len(name) // 2
    slips = {name[:half] + name[half + 1 :], name[:half] + "x" + name[half:]} - KEYS.keys()
    for slip in slips:
        assert hints.key_hint(slip) == f"did you mean {name}?"
    variable = KEYS[name].variable
    half = len(variable) // 2
    assert hints.variable_hint(variable[:half] + variable[half + 1 :]) == f"did you mean {variable}?"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scheduledevents.code", "did you mean events.code?"),
        ("instance-id", "did you mean metadata.values.instance-id?"),
        ("values.mac", "did you mean metadata.values.mac?"),
        ("paths.mac", "did you mean metadata.paths.mac?"),
        (
            "metadata.values.instance-identity-document.region",
            "did you mean dynamic.values.instance-identity-document.region?",
        ),
        ("x", "amazon-ec2-metadata-mock has no such setting"),
    ],
)
def test_other_unknown_keys(name: str, hint: str) -> None:
    assert hints.key_hint(name) == hint


def test_a_variable_for_a_whole_object_names_its_members() -> None:
    assert (
        hints.variable_hint("AEMM_METADATA_VALUES_IAM_INFO")
        == "set its members, such as AEMM_METADATA_VALUES_IAM_INFO_CODE"
    )
    assert hints.variable_hint("AEMM_SPOT") == "set its members, such as AEMM_SPOT_ACTION"


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["spot", "--instance-action", "stop"], "--action"), (["spot", "--termination-time", "x"], "--time"),
        (["--instance-action=stop"], "--action"), (["spotitn"], "spot"), (["spot-itn"], "spot"), (["spotItn"], "spot"),
        (["scheduled-events"], "scheduledevents"), (["asg-lifecycle"], "asglifecycle"),
        (["spot", "--rebalance-rec-tim", "x"], "--rebalance-rec-time"),
    ],
)  # fmt: skip
def test_renamed_flags_and_commands_suggest_the_current_name(argv: list[str], meant: str) -> None:
    with pytest.raises(UsageError, match=rf"did you mean {meant}\?"):
        parse(argv)


@pytest.mark.parametrize("key", FLAG_KEYS, ids=lambda key: key.flag)
def test_a_typing_error_in_any_flag_suggests_it(key: object) -> None:
    flag = f"--{key.flag}"  # type: ignore[attr-defined]
    slip = flag[: len(flag) // 2] + flag[len(flag) // 2 + 1 :]
    assert hints.suggestion(slip, [f"--{known.flag}" for known in FLAG_KEYS]) == flag


@pytest.mark.parametrize("command", COMMANDS)
def test_a_typing_error_in_a_command_suggests_a_command(command: str) -> None:
    if len(command) > len("se"):
        assert hints.suggestion(f"{command}x", COMMANDS) == command


def test_variables_that_kubernetes_sets_for_a_service_are_not_settings() -> None:
    of_services = {
        "AEMM_SERVICE_HOST": "10.0.0.1", "AEMM_SERVICE_PORT": "1338", "AEMM_SERVICE_PORT_HTTP": "1338",
        "AEMM_PORT": "tcp://10.0.0.1:1338", "AEMM_PORT_1338_TCP": "tcp://10.0.0.1:1338",
        "AEMM_PORT_1338_TCP_PROTO": "tcp",
        "AEMM_MOCK_SERVICE_HOST": "10.0.0.1", "AEMM_MOCK_PORT_80_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    assert aemm_variables(of_services) == ()
    assert settings(environ=of_services).warnings == ()
    assert aemm_reason(Config(), of_services) is None
    assert (
        aemm_reason(Config(), {**of_services, "AEMM_SERVER_HOSTNAME": ""}) == "the variable AEMM_SERVER_HOSTNAME is set"
    )


def test_any_other_aemm_variable_selects_the_drop_in() -> None:
    assert aemm_reason(Config(), {"AEMM_SPOT_ITN_ACTION": "stop"}) == "the variable AEMM_SPOT_ITN_ACTION is set"
    assert aemm_reason(Config(compatibility="imds"), {"AEMM_SPOT_ACTION": "stop"}) is None
