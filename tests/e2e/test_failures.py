"""Each failure in a real container: exit code, one sentence with the remedy, empty standard output, no application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.containers import Docker

STARTED = "the application was started"
NET_ADMIN = ("--cap-add", "NET_ADMIN")
FOUND = ("--env", "MOCK_HOSTNAME=mock_metadata", "--env", "MOCK_TIMEOUT_SECONDS=10")
LOOK = "nft --stateless list ruleset; iptables-legacy-save -t nat | grep -v '^[#:]'; ip route; ip rule"


@pytest.mark.usefixtures("mock")
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        pytest.param(NET_ADMIN, 78, ["MOCK_HOSTNAME"], id="no name"),
        pytest.param((*NET_ADMIN, "--env", "MOCK_HOSTNAME="), 78, ["MOCK_HOSTNAME"], id="empty name"),
        pytest.param(
            (*NET_ADMIN, "--env", "MOCK_HOSTNAME=mock_metadata:8080", "--env", "MOCK_TIMEOUT_SECONDS=soon"),
            78,
            ["MOCK_PORT", "MOCK_TIMEOUT_SECONDS"],
            id="two bad settings",
        ),
        pytest.param(
            (*NET_ADMIN, "--env", "MOCK_HOSTNAME=never.invalid", "--env", "MOCK_TIMEOUT_SECONDS=2"),
            68,
            ["never.invalid"],
            id="a name that never resolves",
        ),
        pytest.param(
            (*NET_ADMIN, *FOUND, "--env", "MOCK_PORT=81", "--env", "MOCK_TIMEOUT_SECONDS=2"),
            69,
            [":81", "refuses the connection"],
            id="a mock that never answers",
        ),
        pytest.param(FOUND, 77, ["cap_add: [NET_ADMIN]"], id="no capability"),
        # Not after the 60 s for which a mock would be waited for: then it would be 68.
        pytest.param(
            ("--env", "MOCK_HOSTNAME=never.invalid"), 77, ["cap_add: [NET_ADMIN]"], id="no capability, no mock yet"
        ),
        pytest.param((*FOUND, *NET_ADMIN, "--user", "1000"), 77, ["MOCK_USER"], id="capability but not root"),
    ],
)
def test_a_start_that_fails(
    docker: Docker, debug_image: str, network: str, options: tuple[str, ...], code: int, words: list[str]
) -> None:
    run = docker("run", "--rm", "--network", network, *options, debug_image, "echo", STARTED, check=False)
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in run.stderr
    assert all(line.startswith("imds-shim: ") for line in run.stderr.splitlines())


@pytest.mark.usefixtures("mock")
@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        pytest.param([], 64, "no command to run", id="no command"),
        pytest.param(["no-such-command"], 127, "no-such-command", id="not found"),
        pytest.param(["/etc/hostname"], 126, "/etc/hostname", id="not executable"),
    ],
)
def test_a_command_that_cannot_start(
    docker: Docker, shim_image: str, tools_image: str, network: str, command: list[str], code: int, word: str
) -> None:
    # Only an image without a CMD can be started without a command.
    image = tools_image if command else shim_image
    run = docker("run", "--rm", "--network", network, *NET_ADMIN, *FOUND, image, *command, check=False)
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert word in run.stderr


@pytest.mark.usefixtures("mock")
def test_an_answer_that_is_not_the_mocks(docker: Docker, tools_image: str, mock_image: str, network: str) -> None:
    """A rule of somebody else takes the request to another mock: the application must not start."""
    with (
        docker.container(mock_image, options=["--network", network, "--network-alias", "other_mock"]) as other,
        docker.container(
            tools_image, ["3600"], ["--network", network, *NET_ADMIN, "--entrypoint", "sleep"]
        ) as application,
    ):
        docker.await_log(other, "answers on")
        docker(
            *("exec", application, "sh", "-c"),
            "nft add table ip somebody && nft 'add chain ip somebody output "
            "{ type nat hook output priority -199; }' && nft add rule ip somebody output ip daddr 169.254.169.254"
            " dnat to $(getent ahostsv4 other_mock | cut -d' ' -f1 | head -n 1)",
        )
        before = docker("exec", application, "sh", "-c", LOOK).stdout
        run = docker(
            *("exec", "--env", "MOCK_HOSTNAME=mock_metadata", application),
            *("/opt/imds-shim/bin/imds-shim", "echo", STARTED),
            check=False,
        )
        assert run.returncode == 70, run.stderr
        assert run.stdout == ""
        assert "169.254.169.254" in run.stderr
        # What the failed start had set is gone, and nothing else is.
        assert docker("exec", application, "sh", "-c", LOOK).stdout == before
