"""Settings that keep an SDK from asking the mock, and the lines that fix them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_shim.sdk_overrides import find_overrides

if TYPE_CHECKING:
    from pathlib import Path


def found(tmp_path: Path, **variables: str) -> list[str]:
    return [override.description for override in find_overrides({"HOME": str(tmp_path)} | variables)]


def test_a_bare_container_has_no_overrides(tmp_path: Path) -> None:
    assert found(tmp_path, PATH="/bin", AWS_REGION="eu-west-1", AWS_EC2_METADATA_DISABLED="false") == []


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ],
)
def test_credential_variables(tmp_path: Path, name: str) -> None:
    (what,) = found(tmp_path, **{name: "something"})
    assert what.startswith(f"{name} is ")
    assert found(tmp_path, **{name: ""}) == []


@pytest.mark.parametrize(
    ("endpoint", "hides"),
    [
        ("http://169.254.169.254", False),
        ("http://169.254.169.254/", False),
        ("HTTP://169.254.169.254:80/latest", False),
        ("http://[fd00:ec2::254]", True),
        ("https://169.254.169.254", True),
        ("http://169.254.169.254:8080", True),
        ("http://169.254.170.2", True),
        ("http://mock:8111/", False),
        ("http://user:secret@Mock:8111/", False),
        ("http://mock/", True),
        ("http://elsewhere:1338", True),
    ],
)
def test_another_imds_endpoint(tmp_path: Path, endpoint: str, hides: bool) -> None:  # noqa: FBT001 - a table
    mock = {"MOCK_HOSTNAME": "mock", "MOCK_PORT": "8111"}
    assert len(found(tmp_path, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint, **mock)) == hides


@pytest.mark.parametrize(
    ("mode", "ipv6", "hides"), [("IPv6", False, True), ("ipv6", True, False), ("IPv4", False, False)]
)
def test_the_ipv6_endpoint_mode(
    tmp_path: Path,
    mode: str,
    ipv6: bool,  # noqa: FBT001 - a table
    hides: bool,  # noqa: FBT001 - a table
) -> None:
    variables = {"HOME": str(tmp_path), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": mode}
    whats = [override.description for override in find_overrides(variables, ipv6=ipv6)]
    assert ["set MOCK_IPV6=1" in what for what in whats] == [True] * hides


def test_no_value_is_logged(tmp_path: Path) -> None:
    """Logs are stored and shared, so a warning must not contain secrets."""
    names = (
        *("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "http_proxy"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    )
    said = found(tmp_path, **dict.fromkeys(names, "http://user:SECRET@host/SECRET?SECRET"))
    assert len(said) == len(names)
    assert "SECRET" not in " ".join(said)


def test_the_imds_disabled(tmp_path: Path) -> None:
    (override,) = find_overrides({"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "TRUE"})
    assert override.environment == {"AWS_EC2_METADATA_DISABLED": "false"}


@pytest.mark.parametrize("name", ["credentials", "config"])
def test_shared_files(tmp_path: Path, name: str) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / name).write_text("[default]\n")
    (what,) = found(tmp_path)
    assert what.startswith(f"{tmp_path}/.aws/{name} exists")


def test_shared_files_at_other_paths(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("[default]\n")
    for path in (str(tmp_path / "mine"), "~/mine"):
        (what,) = found(tmp_path, AWS_SHARED_CREDENTIALS_FILE=path)
        assert what.startswith(f"{tmp_path}/mine exists")


@pytest.mark.parametrize("path", ["empty", "none", "", "~"])
def test_an_empty_shared_file_is_no_override(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").touch()
    assert found(tmp_path, AWS_CONFIG_FILE=str(tmp_path / path)) == []
    assert found(tmp_path, AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null") == []


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_without_no_proxy(tmp_path: Path, name: str) -> None:
    (override,) = find_overrides({"HOME": str(tmp_path), name: "http://proxy:3128", "NO_PROXY": "localhost"})
    assert override.description.startswith(f"{name} is set and NO_PROXY does not name 169.254.169.254")
    assert override.environment == {"no_proxy": "169.254.169.254", "NO_PROXY": "localhost,169.254.169.254"}


@pytest.mark.parametrize(
    "exception", ["169.254.169.254", "a, 169.254.169.254:80", "*", "169.254.0.0/16", "a 169.254.169.254"]
)
def test_a_proxy_with_no_proxy(tmp_path: Path, exception: str) -> None:
    assert found(tmp_path, http_proxy="http://proxy:3128", no_proxy=exception) == []


@pytest.mark.parametrize("exception", ["169.254.169.25", "169.254.170.2", "example.com", "10.0.0.0/8", ""])
def test_a_proxy_with_another_no_proxy(tmp_path: Path, exception: str) -> None:
    assert len(found(tmp_path, http_proxy="http://proxy:3128", no_proxy=exception)) == 1


def test_both_spellings_of_no_proxy_must_match(tmp_path: Path) -> None:
    """Clients differ in which of the two variables they read."""
    assert len(found(tmp_path, http_proxy="http://p", no_proxy="169.254.169.254", NO_PROXY="localhost")) == 1


RELATIVE, FULL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"


@pytest.mark.parametrize(
    ("services", "name", "value", "hides"),
    [
        ({"ec2"}, RELATIVE, "/v2/credentials/x", True),
        ({"ec2", "ecs"}, RELATIVE, "/v2/credentials/x", False),
        ({"ec2", "eks"}, RELATIVE, "/v2/credentials/x", True),
        ({"ecs"}, FULL, "http://169.254.170.2/v2/credentials/x", False),
        ({"ecs"}, FULL, "http://169.254.170.23/v1/credentials", True),
        ({"eks"}, FULL, "http://169.254.170.23/v1/credentials", False),
        ({"eks"}, FULL, "http://169.254.170.23:80/v1/credentials", False),
        ({"eks"}, FULL, "http://169.254.170.23:8080/v1/credentials", True),
        ({"eks"}, FULL, "http://[fd00:ec2::23]/v1/credentials", False),
        ({"ec2", "ecs", "eks"}, FULL, "http://localhost:51679/x", True),
        # The mock itself answers these with `agents.any_host`.
        ({"ec2"}, FULL, "http://Mock/v1/credentials", False),
        ({"ec2"}, FULL, "http://mock:80/v2/credentials/x", False),
        ({"ec2"}, FULL, "https://mock/v1/credentials", True),
        ({"ec2"}, FULL, "http://mock:8080/v1/credentials", True),
        ({"ec2"}, FULL, "http://mock.example/v1/credentials", True),
    ],
)
def test_container_credentials_from_redirected_endpoints(
    tmp_path: Path,
    services: set[str],
    name: str,
    value: str,
    hides: bool,  # noqa: FBT001 - a table
) -> None:
    variables = {"HOME": str(tmp_path), "MOCK_HOSTNAME": "mock", name: value}
    found = [override.description for override in find_overrides(variables, services)]
    assert [what.startswith(f"{name} is set") for what in found] == [True] * hides
    assert [what.endswith("to MOCK_ENDPOINTS") for what in found] == [
        name == RELATIVE or value.startswith("http://169.254.170.23/")
    ] * hides


@pytest.mark.parametrize(
    ("hostname", "port", "uri"),
    [
        ("10.0.0.9", "8111", "http://10.0.0.9:8111/v1/credentials"),
        ("fd00::9", "", "http://[fd00::9]/v1/credentials"),
        ("[fd00::9]", "80", "http://[fd00::9]:80/v1/credentials"),
        ("localhost", "80", "http://localhost/v1/credentials"),
    ],
)
def test_container_credentials_from_the_mock(tmp_path: Path, hostname: str, port: str, uri: str) -> None:
    for name in (FULL, "AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        assert found(tmp_path, MOCK_HOSTNAME=hostname, MOCK_PORT=port, **{name: uri}) == []


def test_no_proxy_must_match_every_address(tmp_path: Path) -> None:
    variables = {"HOME": str(tmp_path), "http_proxy": "http://proxy:3128", "NO_PROXY": "169.254.169.254"}
    (override,) = find_overrides(variables, {"ec2", "ecs", "eks"})
    assert "does not name 169.254.170.2, 169.254.170.23, so" in override.description
    assert override.environment["NO_PROXY"] == "169.254.169.254,169.254.170.2,169.254.170.23"
    assert list(find_overrides(variables | {"NO_PROXY": "169.254.0.0/16"}, {"ec2", "ecs", "eks"})) == []
