"""The shim's other actions, and the ways to start a command, each once in a real container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.containers import INSTANCE_ID
from support.documented_environments import DEFAULT, capability_names
from support.paths import ROOT
from support.shimcontainers import INSTANCE_ID_ASKED, application

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.containers import Completed, Docker

    Start = Callable[..., Completed]

SETS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
STATUS = ("grep", "-E", f"^({'|'.join(SETS)}|NoNewPrivs):", "/proc/self/status")


@pytest.fixture
def start(docker: Docker, debug_image: str, network: str, mock: str) -> Start:
    """Runs one container on the mock's network; options come first, as with docker."""
    del mock  # it only has to be there

    def run(*command: str, options: tuple[str, ...] = (), **settings: str) -> Completed:
        given = {"MOCK_HOSTNAME": "mock_metadata", "MOCK_TIMEOUT_SECONDS": "10", **settings}
        words = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
        return docker("run", "--rm", "--network", network, *words, *options, debug_image, *command, check=False)

    return run


NET_ADMIN = ("--cap-add", "NET_ADMIN")


def test_a_one_shot_beside_an_application_that_knows_nothing(
    docker: Docker, tools_image: str, shim_image: str, network: str, mock: str
) -> None:
    """The application has neither shim nor capabilities; the shim's image holds nothing else."""
    del mock  # it only has to be there
    hardened = ["--network", network, "--cap-drop", "ALL", "--user", "1000:1000", "--read-only"]
    with docker.container(tools_image, ["3600"], [*hardened, "--entrypoint", "sleep"]) as untouched:
        beside = ("run", "--rm", "--network", f"container:{untouched}", "--cap-drop", "ALL", *NET_ADMIN, "--read-only")
        for _ in range(2):
            done = docker(*beside, "--env", "MOCK_HOSTNAME=mock_metadata", shim_image, "--init")
            assert done.stdout == ""
            assert " -> " in done.stderr
        assert docker("exec", untouched, *INSTANCE_ID_ASKED).stdout == INSTANCE_ID
        assert docker("exec", untouched, "cat", "/proc/1/comm").stdout == "sleep\n"
        removed = docker(*beside, shim_image, "--remove").stderr
        assert removed == "imds-shim: removed 1 rule and 0 routes\n"


def test_a_one_shot_without_the_capability_says_what_to_add(start: Start) -> None:
    done = start("--init")
    assert (done.returncode, done.stdout) == (77, "")
    assert "cap_add: [NET_ADMIN]" in done.stderr


def test_the_doctor_where_a_start_works_and_leaves_nothing(
    docker: Docker, tools_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    with application(docker, tools_image, networks=[network]) as app:
        before = app.foreign(), app.rules(), app.routes()
        done = app.shim("--doctor")
        assert done.stdout.endswith("\na start would work here\n")
        assert "ok    NAT back end legacy works\nok    NAT back end nft works\n" in done.stdout
        assert not [line for line in done.stdout.splitlines() if line.startswith("fail")]
        assert (app.foreign(), app.rules(), app.routes()) == before


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        pytest.param((), ["    cap_add: [NET_ADMIN]"], id="no capability"),
        pytest.param(("--cap-drop", "ALL"), ["    cap_add: [NET_ADMIN, SETPCAP]"], id="everything dropped"),
        pytest.param(("--cap-drop", "ALL", *NET_ADMIN), ["    cap_add: [SETPCAP]"], id="everything else dropped"),
        pytest.param((*NET_ADMIN, "--user", "1000"), ["    user: 1000", '      MOCK_USER: "1000"'], id="another user"),
        pytest.param(
            ("--user", "1000"),
            ["    user: 1000", "    cap_add: [NET_ADMIN]", '      MOCK_USER: "1000"'],
            id="another user without it",
        ),
    ],
)
def test_the_doctor_names_the_lines_to_add(start: Start, options: tuple[str, ...], lines: list[str]) -> None:
    done = start("--doctor", options=options)
    assert done.returncode == 77
    assert done.stdout.endswith("\na start would fail here with exit code 77\n")
    advice = [line for line in done.stdout.splitlines() if line.startswith("    ") and line != "    environment:"]
    assert advice == lines, done.stdout
    assert "cap_add" not in done.stdout.partition("add this to")[0], "it is said once"


def test_what_the_doctor_tells_to_add_is_enough(start: Start) -> None:
    assert start("--doctor", options=("--cap-drop", "ALL", *NET_ADMIN, "--cap-add", "SETPCAP")).returncode == 0
    assert start("--doctor", options=NET_ADMIN, MOCK_USER="1000").returncode == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds"}, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "AWS_EC2_METADATA_DISABLED"),
        ({"http_proxy": "http://192.0.2.1:3128"}, "NO_PROXY"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_doctor_names_what_would_hide_the_mock(start: Start, settings: dict[str, str], words: str) -> None:
    done = start("--doctor", options=NET_ADMIN, **settings)
    assert done.returncode == 0, "the start itself would work"
    assert [line for line in done.stdout.splitlines() if line.startswith("warn") and next(iter(settings)) in line]
    assert words in done.stdout


def test_the_doctor_about_a_name_that_nobody_has(start: Start) -> None:
    done = start("--doctor", options=NET_ADMIN, MOCK_HOSTNAME="never.invalid", MOCK_TIMEOUT_SECONDS="1")
    assert done.returncode == 68
    assert "fail  never.invalid has no address" in done.stdout


def test_version_and_help_need_nothing(docker: Docker, shim_image: str) -> None:
    version = docker("run", "--rm", "--network", "none", shim_image, "--version")
    assert version.stdout == f"imds-shim {(ROOT / 'VERSION').read_text().strip()}\n"
    manual = docker("run", "--rm", "--network", "none", shim_image, "--help")
    assert manual.stdout.startswith("usage: imds-shim ")
    assert "  MOCK_HOSTNAME " in manual.stdout
    assert version.stderr == manual.stderr == ""


def test_a_setting_that_does_not_exist_is_only_warned_of(start: Start) -> None:
    done = start("printenv", "MOCK_TIMEOUT_SECOND", options=NET_ADMIN, MOCK_TIMEOUT_SECOND="3")
    assert (done.returncode, done.stdout) == (0, "3\n")
    warnings = [line for line in done.stderr.splitlines() if "unknown setting MOCK_TIMEOUT_SECOND;" in line]
    assert len(warnings) == 1
    assert "MOCK_TIMEOUT_SECONDS" in warnings[0]


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("www-data", "uid=33(www-data) gid=33(www-data) groups=33(www-data)"),
        ("www-data:users", "uid=33(www-data) gid=100(users) groups=100(users)"),
        ("1000", "uid=1000 gid=0(root) groups=0(root)"),
        ("1000:100", "uid=1000 gid=100(users) groups=100(users)"),
        ("4000000:4000001", "uid=4000000 gid=4000001 groups=4000001"),
    ],
)
def test_the_command_runs_as_another_user(start: Start, user: str, ids: str) -> None:
    done = start("sh", "-c", f"id; {' '.join(STATUS[:2])} '{STATUS[2]}' {STATUS[3]}", options=NET_ADMIN, MOCK_USER=user)
    first, *status = done.stdout.splitlines()
    assert first == ids, done.stderr
    sets = dict(line.split(":\t") for line in status)
    assert {sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert "NET_ADMIN" not in capability_names(sets["CapBnd"])


def test_a_user_that_the_image_does_not_have(start: Start) -> None:
    done = start("true", options=NET_ADMIN, MOCK_USER="nobody-here")
    assert done.returncode == 78
    assert "nobody-here" in done.stderr


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, set(DEFAULT)),
        ({"MOCK_DROP_CAPS": "NET_RAW"}, set(DEFAULT) - {"NET_RAW"}),
        ({"MOCK_DROP_CAPS": "cap_net_raw, MKNOD"}, set(DEFAULT) - {"NET_RAW", "MKNOD"}),
        ({"MOCK_KEEP_CAPS": "1"}, {*DEFAULT, "NET_ADMIN"}),
        ({"MOCK_KEEP_CAPS": "1", "MOCK_DROP_CAPS": "NET_RAW"}, {*DEFAULT, "NET_ADMIN"} - {"NET_RAW"}),
    ],
    ids=str,
)
def test_what_the_command_is_left_with(start: Start, settings: dict[str, str], left: set[str]) -> None:
    done = start(*STATUS, options=NET_ADMIN, **settings)
    sets = dict(line.split(":\t") for line in done.stdout.splitlines())
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert set(capability_names(sets[name])) == left, name
    assert (sets["CapAmb"], sets["NoNewPrivs"]) == ("0" * 16, "0")


def test_no_new_privileges(start: Start) -> None:
    done = start(*STATUS, options=("--cap-drop", "ALL", *NET_ADMIN), MOCK_NO_NEW_PRIVS="1")
    sets = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert sets["NoNewPrivs"] == "1", done.stderr
    assert {sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
