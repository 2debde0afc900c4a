"""`ImdsContainer` without an engine: arguments, link-local addresses, errors, and what importing it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from testcontainers.core.config import testcontainers_config

from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.testcontainers import ImdsContainer, ImdsContainerError
from imds_mock.testcontainers.errors import cannot_start, log_of
from imds_mock.testcontainers.network import LinkLocalNetwork, require_link_local
from imds_mock.testcontainers.settings import container_config, file_content

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_library_for_tests_needs_no_library_for_containers() -> None:
    loaded = "[name for name in sys.modules if name.partition('.')[0] in {'docker', 'testcontainers'}]"
    assert python(f"import sys, imds_mock.testing, imds_mock.pytest_plugin; print({loaded})") == "[]\n"


@pytest.mark.parametrize("missing", ["testcontainers", "docker"])
def test_a_missing_extra_says_how_to_install_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import imds_mock.testcontainers\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    assert "run: pip install 'imds-mock[testcontainers]'" in python(code)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regoin": "eu-west-1"}, r"unknown setting regoin='eu-west-1'; did you mean region\?"),
        ({"config": {"instance": {"regoin": "x"}}}, r"instance\.regoin: unknown key; did you mean instance\.region\?"),
        ({"http_tokens": "sometimes"}, r"http_tokens.*'sometimes'"),
        ({"server__port": 8080}, r"server\.port=8080: a mock in a container listens on .* 80 and 1339; leave"),
        ({"config": {"control": {"enabled": False}}}, r"control\.enabled=False: .*leave the setting out"),
    ],
)
def test_a_wrong_argument_is_named_before_an_engine_is_asked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ImdsContainer(**arguments)


def test_an_engine_that_does_not_answer() -> None:
    # In a process of its own: docker-py leaves the socket of a failed connection to the garbage collector.
    code = (
        "from imds_mock.testcontainers import ImdsContainer, ImdsContainerError\n"
        "try:\n    ImdsContainer()\nexcept ImdsContainerError as error:\n    print(error)"
    )
    message = python(code)
    assert re.match(
        r"no Docker engine answers at unix:///\S+/no\.sock \(.*\); start Docker, or set DOCKER_HOST", message
    )


def test_the_container_gets_only_what_differs_from_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {region: eu-west-1, user_data: {file: start.sh}}\n")
    (tmp_path / "start.sh").write_text("#!/bin/sh\n")
    written = json.loads(
        file_content(container_config(file, {"tags": {"a": "b"}, "control__token": "0123456789abcdef"}))
    )
    assert written.keys() == {"instance", "control"}
    assert written["control"] == {"token": "0123456789abcdef"}
    assert written["instance"].keys() == {"region", "user_data", "tags"}
    assert from_document(written).instance.tags == {"a": "b"}
    assert json.loads(file_content(Config())) == {}


def container(**values: Any) -> Any:
    """A testcontainers container that has not started."""

    class Container:
        image = "app"
        _container = _network = _network_aliases = None

        def __init__(self) -> None:
            self._kwargs: dict[str, Any] = {}
            vars(self).update(values)

        def with_kwargs(self, **held: Any) -> None:
            self._kwargs = held

    return Container()


def test_a_container_gets_a_free_address_and_keeps_its_options() -> None:
    link = LinkLocalNetwork("given")
    first, second, third = container(_kwargs={"user": "1000"}, _network_aliases=["app"]), container(), container()
    link.attach(first, None)
    link.attach(second, "169.254.100.2")
    link.attach(third, None)
    link.attach(third, None)
    assert [link.address_of(each) for each in (first, second, third)] == [
        *("169.254.100.1", "169.254.100.2", "169.254.100.3")
    ]
    assert first._kwargs == {
        "user": "1000",
        "network": "given",
        "networking_config": {"given": {"Aliases": ["app"], "IPAMConfig": {"LinkLocalIPs": ["169.254.100.1"]}}},
    }


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("10.0.0.1", r"link_local_ip='10.0.0.1': expected an address from 169\.254\.2\.0 to 169\.254\.168\.255"),
        ("169.254.169.254", "expected an address"),
        ("169.254", "link_local_ip='169.254': expected an address"),
        ("169.254.5.5", "belongs to another attached container; leave it out"),
    ],
)
def test_a_wrong_address_is_refused(address: str, message: str) -> None:
    link = LinkLocalNetwork("given")
    link.attach(container(), "169.254.5.5")
    with pytest.raises(ValueError, match=message):
        link.attach(container(), address)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"_network": SimpleNamespace(name="other")}, "with_network"),
        ({"_kwargs": {"network_mode": "host"}}, "network_mode"),
        ({"_kwargs": {"network": "other"}}, "network"),
    ],
)
def test_a_container_that_is_to_start_on_another_network_is_refused(values: dict[str, Any], named: str) -> None:
    app = container(**values)
    with pytest.raises(ValueError, match=rf"of app is to start on another network \({named}\); give both the same one"):
        LinkLocalNetwork("given").attach(app, None)


def test_an_engine_that_ignores_the_addresses_is_reported() -> None:
    attrs = {"NetworkSettings": {"Networks": {"given": {"IPAMConfig": None}}}}
    wrapped = SimpleNamespace(name="app", attrs=attrs, reload=lambda: None)
    with pytest.raises(ImdsContainerError, match=r"ignored link_local_ips for the container app \(Podman does\); use"):
        require_link_local(container(get_wrapped_container=lambda: wrapped), "given")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImageNotFound("no such image"), "cannot get the image mock:1 (no such image); build it with `make images`"),
        (APIError("pull access denied for mock"), "cannot get the image mock:1 (pull access denied for mock); build"),
        (
            APIError("Bind for 0.0.0.0:80 failed: port is already allocated"),
            "; free the port, or leave with_bind_ports",
        ),
        (NotFound("network absent not found"), "cannot start a container of mock:1: network absent not found"),
        (DockerException(f"pull {testcontainers_config.ryuk_image}"), "; set TESTCONTAINERS_RYUK_DISABLED=true"),
    ],
)
def test_what_the_engine_refuses_is_one_sentence_with_advice(error: DockerException, message: str) -> None:
    sentence = str(cannot_start("mock:1", error))
    assert sentence.startswith("the engine cannot ")
    assert message in sentence


def test_a_container_that_is_gone_has_no_log() -> None:
    def gone() -> None:
        raise NotFound("gone")

    assert log_of(container(get_wrapped_container=gone)) == ""
