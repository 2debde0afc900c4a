"""`imds-mock compose-override`: the override for each way, and the errors."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from imds_mock.cli import main
from imds_mock.commands import compose_override as command
from imds_mock.compose import override

if TYPE_CHECKING:
    from pathlib import Path

LOW_PORTS = ["net.ipv4.ip_unprivileged_port_start=0"]
HEALTHY = {"mock_metadata": {"condition": "service_healthy"}}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The services of the override."""
    assert main(["compose-override", *arguments]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# ")
    (services,) = yaml.safe_load(text).values()
    assert isinstance(services, dict)
    return services


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 64) -> str:
    """The error, which must be the only output and one line, or a line for each problem."""
    assert main(["compose-override", *arguments]) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("imds-mock: ")
    assert error.count("\n") == 1 or " problems:\n" in error
    return error.removeprefix("imds-mock: ")


@pytest.fixture
def compose_file(tmp_path: Path) -> Path:
    path = tmp_path / "compose.yaml"
    path.write_text("""
services:
  web: {image: web, networks: [front, back]}
  worker: {image: worker, networks: {back: {aliases: [w]}}}
  plain: {image: plain}
  copies: {image: copies, deploy: {replicas: 3}}
  scaled: {image: copies, scale: 2}
  beside: {image: beside, network_mode: "service:web"}
  host: {image: host, network_mode: host}
  web_metadata: {image: theirs}
networks: {front: {}, back: {}}
""")
    return path


def test_link_local_ip_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--services", "web, worker") == {
        "mock_metadata": {"image": "imds-mock", "networks": {"default": {"link_local_ips": ["169.254.169.254"]}}},
        "web": {"networks": {"default": {"link_local_ips": ["169.254.100.1"]}}, "depends_on": HEALTHY},
        "worker": {"networks": {"default": {"link_local_ips": ["169.254.100.2"]}}, "depends_on": HEALTHY},
    }


def test_shared_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--services", "web", "--way", "shared-namespace") == {
        "mock_metadata": {"image": "imds-mock", "sysctls": LOW_PORTS},
        "web": {"depends_on": HEALTHY},
        "web_metadata": {
            "image": "imds-shim",
            "command": ["--init"],
            "network_mode": "service:web",
            "environment": {"MOCK_HOSTNAME": "mock_metadata"},
            "cap_drop": ["ALL"],
            "cap_add": ["NET_ADMIN"],
            "depends_on": {"web": {"condition": "service_started", "restart": True}},
        },
    }


def test_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--services", "web", "--way", "environment") == {
        "mock_metadata": {
            "image": "imds-mock",
            "sysctls": LOW_PORTS,
            "networks": {"default": {"aliases": ["mock-metadata"]}},
        },
        "web": {
            # An alias, because botocore rejects host names with an underscore.
            "environment": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://mock-metadata"},
            "depends_on": HEALTHY,
        },
    }


def test_the_common_network_is_used(capsys: pytest.CaptureFixture[str], compose_file: Path) -> None:
    services = printed(capsys, "--services", "web,worker", "--file", str(compose_file))
    assert [list(body["networks"]) for body in services.values()] == [["back"]] * 3


def test_services_without_a_common_network(capsys: pytest.CaptureFixture[str], compose_file: Path) -> None:
    arguments = ("--services", "web,plain", "--file", str(compose_file))
    assert error_of(capsys, *arguments) == (
        "the services share no network (web: front, back; plain: default); "
        "use --way shared-namespace, which needs none\n"
    )
    mock = printed(capsys, *arguments, "--way", "environment")["mock_metadata"]
    assert list(mock["networks"]) == ["front", "default"]


@pytest.mark.parametrize("service", ["copies", "scaled"])
@pytest.mark.parametrize("way", ["link-local-ip", "shared-namespace"])
def test_replicas(capsys: pytest.CaptureFixture[str], compose_file: Path, service: str, way: str) -> None:
    arguments = ("--services", service, "--file", str(compose_file), "--way")
    assert f"{service} has {3 if service == 'copies' else 2} replicas" in error_of(capsys, *arguments, way)
    assert service in printed(capsys, *arguments, "environment")


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (
            "other",
            "unknown service 'other'; expected one of web, worker, plain, copies, scaled, beside, host, web_metadata;",
        ),
        ("beside", "beside has network_mode: service:web; name web instead, whose network it shares"),
        ("host", "host has network_mode: host; it cannot join a network"),
    ],
)
def test_a_service_that_cannot_use_the_mock(
    capsys: pytest.CaptureFixture[str], compose_file: Path, service: str, message: str
) -> None:
    assert message in error_of(capsys, "--services", service, "--file", str(compose_file), code=65)


def test_every_service_that_cannot_use_the_mock_is_named(
    capsys: pytest.CaptureFixture[str], compose_file: Path
) -> None:
    message = error_of(capsys, "--services", "wbe,web,wroker,host", "--file", str(compose_file), code=65)
    first, *problems, advice = message.splitlines()
    assert (first, advice.partition(":")[0]) == ("3 problems:", "to resolve include, extends and variables, run")
    assert [problem.partition(";")[0] for problem in problems] == [
        "  unknown service 'wbe'",
        "  unknown service 'wroker'",
        "  host has network_mode: host",
    ]


def test_existing_services_are_not_changed(capsys: pytest.CaptureFixture[str], compose_file: Path) -> None:
    message = error_of(capsys, "--services", "web", "--file", str(compose_file), "--way", "shared-namespace")
    assert "the override would change your service web_metadata" in message


def test_the_output_of_docker_compose_config(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("services: {web: {networks: {inner: null}}}"))
    services = printed(capsys, "--services", "web", "--file", "-")
    assert list(services["web"]["networks"]) == ["inner"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"services: [", "compose file:2:1: is not valid YAML"),
        (b"services: {web: {ports: !reset []}}", "the tag !reset is not supported"),
        (b"version: 3", "has no services"),
        (b"- a", "has no services"),
        (b"\xff\xfe\xfa", "is not UTF-8 text"),
    ],
)
def test_an_invalid_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "compose.yaml").write_bytes(content)
    assert message in error_of(capsys, "--services", "web", "--file", str(tmp_path / "compose.yaml"), code=65)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("scale: '${N:-2}'", "web.scale: expected a number, got '${N:-2}'"),
        ("deploy: {replicas: many}", "web.deploy.replicas: expected a number, got 'many'"),
        ("deploy: [a]", "web.deploy: expected keys and values"),
        ("networks: front", "web.networks: expected network names"),
        ("networks: [{front: {}}]", "web.networks: expected network names"),
    ],
)
def test_an_invalid_service(capsys: pytest.CaptureFixture[str], tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(f"services: {{web: {{image: x, {body}}}}}")
    error = error_of(capsys, "--services", "web", "--file", str(tmp_path / "c.yaml"), code=65)
    assert error.startswith(f"{message}; ")
    assert "docker compose config | imds-mock compose-override --file -" in error


def test_a_name_that_the_override_uses(capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "--services", "a,a_metadata", "--way", "shared-namespace")
    assert "the override would change your service a_metadata" in message


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "--services", "web", "--file", "/nowhere.yaml", code=65)
    assert message == "/nowhere.yaml cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ("", "expected the name of a Compose service (letters, digits and ._-), such as web, got ''"),
        ("web,", "expected the name of a Compose service (letters, digits and ._-), such as web, got ''"),
        ("we b", "such as web, got 'we b'"),
        ("web\n  evil: {}", "expected the name of a Compose service"),
        ("web,web", "--services names web twice"),
        ("mock_metadata", "the override uses the name mock_metadata for the mock"),
    ],
)
def test_invalid_names(capsys: pytest.CaptureFixture[str], services: str, message: str) -> None:
    assert message in error_of(capsys, "--services", services)


@pytest.mark.parametrize("name", ["1.0", "null", "yes", "---", ".", "1e3", "0o17"])
@pytest.mark.parametrize("way", command.WAYS)
def test_names_are_quoted_if_needed(capsys: pytest.CaptureFixture[str], name: str, way: str) -> None:
    assert main(["compose-override", f"--services={name}", "--way", way]) == 0
    text = capsys.readouterr().out
    assert f'  "{name}":\n' in text, "PyYAML reads some of these names as text, Compose as numbers"
    assert name in yaml.safe_load(text)["services"]


@pytest.mark.parametrize("way", command.UNSUPPORTED_WAYS)
def test_unsupported_ways(capsys: pytest.CaptureFixture[str], way: str) -> None:
    assert error_of(capsys, "--services", "web", "--way", way).startswith(f"an override cannot provide --way {way}: ")


def test_the_help_names_all_ways() -> None:
    assert list(command.WAYS) == list(override.WAYS)
    assert list(command.UNSUPPORTED_WAYS) == list(override.UNSUPPORTED_WAYS)
