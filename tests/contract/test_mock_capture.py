"""`imds-mock capture`: a mock that serves a capture answers as the captured service does."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.capture.walk import child_of
from imds_mock.cli import main
from imds_mock.config.plain_documents import read_yaml
from support import reference_instance
from support.aemm import LEAVES, LISTINGS
from support.http_server import ScriptedHttpServer
from support.mockcontrol import DrivenMock, driven_mock
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


GENERATED = re.compile(
    r"instance-identity/(pkcs7|rsa2048|signature)$|security-credentials(-extended)?/[^/]+$|iam/info$|"
    r"identity-credentials/ec2/info$"
)
IPV6 = {"interfaces": [{"local_ipv4s": [], "ipv6s": ["2600:1f18::17", "2600:1f18::18"]}]}
OVERRIDES = {
    "meta-data/spot/": {},
    "meta-data/events": None,
    "meta-data/custom/binary": {"$base64": "AP8="},
    "meta-data/custom/json": {"$json": {"a": [1]}, "$since": "2021-03-23", "$content_type": "application/json"},
    "meta-data/custom/lines": ["a", "", "b\u0085"],
    "meta-data/instance-type": "other",
    "meta-data/ami-id": {"$since": "2016-09-02"},
    "meta-data/iam/security-credentials/my-role": {"$since": "2016-09-02"},
    "dynamic/instance-identity/rsa2048": None,
}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "reference": reference_instance.document(http_tokens="required"),
    "no role, no keys": {"instance": {"role": None, "public_keys": [], "security_groups": ["a b", "c"]}},
    "tags": {
        "metadata_options": {"instance_metadata_tags": "enabled"},
        "instance": {"tags": {"Name": "", "a=b": "1", "yes": "no: {}"}, "region": "eu-central-1"},
    },
    "IPv6 alone": {"instance": {**IPV6, "hostname_type": "resource-name"}},
    "other partition": {
        "instance": {"region": "cn-north-1", "instance_profile": "profile", "kernel_id": "aki-12345678"}
    },
    "local zone": {
        "instance": {
            "availability_zone": "us-west-2-lax-1a",
            "product_codes": ["code1", "code2"],
            "billing_products": ["bp-1"],
            "placement_group": "group",
            "partition_number": 0,
            "detailed_monitoring": True,
            "block_devices": {"ebs1": "/dev/sdb", "ephemeral0": "sdc"},
            "domain_name": "example.com",
        },
        "credentials": {"extended": True},
    },
    "failing credentials": {"credentials": {"failure": "InstanceProfileNotFound"}},
    "versions": {"versions": ["1.0", "2019-10-01", "latest"]},
    "overrides": {"metadata": OVERRIDES},
}


class Reader:
    """Reads a service with a session token, on one connection."""

    def __init__(self, port: int) -> None:
        self._client = HTTPConnection("127.0.0.1", port, timeout=60)
        self._client.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
        self._headers = {"X-aws-ec2-metadata-token": self._client.getresponse().read().decode()}

    def get(self, path: str) -> tuple[int, str | None, bytes]:
        self._client.request("GET", path, headers=self._headers)
        response = self._client.getresponse()
        return response.status, response.headers["Content-Type"], response.read()

    def crawl(self) -> dict[str, tuple[int, str | None, bytes]]:
        """All listings by path in all versions, and all leaves in the latest one; generated bodies are replaced."""
        with contextlib.closing(self._client):
            answers = {"/": self.get("/")}
            for version in answers["/"][2].decode().split():
                answers |= dict(self._below(f"/{version}", ""))
            return answers

    def _below(self, version: str, path: str) -> Iterator[tuple[str, tuple[int, str | None, bytes]]]:
        url = f"{version}/{path}".rstrip("/")
        listing = self.get(url)
        yield url, listing
        for name in listing[2].decode().split("\n") if listing[0] == 200 else []:
            child, is_category = child_of(path, name)
            if is_category:
                yield from self._below(version, child)
            elif name and version == "/latest":
                status, content_type, body = self.get(f"{version}/{child}")
                is_generated = GENERATED.search(child) and b"Failed" not in body
                yield f"{version}/{child}", (status, content_type, b"generated" if is_generated else body)


def captured(mock: DrivenMock, folder: Path, *options: str) -> dict[str, Any]:
    """The configuration that the command writes."""
    file = folder / "captured.yaml"
    assert main(["capture", "--endpoint", f"http://127.0.0.1:{mock.port}", "-o", str(file), *options]) == 0
    document: dict[str, Any] = read_yaml(file.read_text(), "captured")
    return document


Serving = Callable[[dict[str, Any]], AbstractContextManager[DrivenMock]]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """Runs a mock with a configuration, always with the same keys."""
    folder = tmp_path_factory.mktemp("mock")
    return lambda document: driven_mock(folder, document)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_capture_of_the_mock_answers_the_same_path_by_path(name: str, tmp_path: Path, serving: Serving) -> None:
    with serving(CONFIGURATIONS[name]) as mock:
        answers = Reader(mock.port).crawl()
        document = captured(mock, tmp_path, "--include-user-data")
    with serving(document) as mock:
        assert Reader(mock.port).crawl() == answers
        assert captured(mock, tmp_path, "--include-user-data") == document


def test_settings_reproduce_the_mock_without_overrides(tmp_path: Path, serving: Serving) -> None:
    with serving(CONFIGURATIONS["reference"]) as mock:
        document = captured(mock, tmp_path)
    metadata = document.get("metadata", {})
    assert [path for path in metadata if not path.startswith("meta-data/spot/")] == []
    assert document["metadata_options"]["http_tokens"] == "required"


def test_armed_events_are_captured_as_they_are_seen(tmp_path: Path, serving: Serving) -> None:
    with serving({}) as mock:
        mock.do("POST", "/v1/events", {"kind": "spot", "action": "terminate"})
        answers = Reader(mock.port).crawl()
        document = captured(mock, tmp_path)
    with serving(document) as mock:
        assert Reader(mock.port).crawl() == answers
    assert "meta-data/spot/instance-action" in document["metadata"]


def test_secrets_stay_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str], serving: Serving) -> None:
    hidden = {"meta-data/copy": {"$json": {"SecretAccessKey": "hidden"}}}
    with serving({"instance": {"user_data": "hidden"}, "metadata": hidden}) as mock:
        document = captured(mock, tmp_path)
        paths = {entry["path"] for entry in mock.do("GET", "/v1/requests?limit=1000")}
    assert "hidden" not in json.dumps(document)
    assert not any("/security-credentials/" in path.rstrip("/") and "my-role" in path for path in paths)
    assert "/latest/user-data" not in paths
    assert document["instance"]["role"] == "my-role"
    error = capsys.readouterr().err
    assert "user-data was left out: add --include-user-data to include it" in error
    assert "meta-data/copy was left out: it holds a secret" in error


def test_the_printed_program_captures_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], serving: Serving
) -> None:
    assert main(["capture", "--print-program"]) == 0
    program = capsys.readouterr().out
    with serving(CONFIGURATIONS["reference"]) as mock:
        document = captured(mock, tmp_path)
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-", "--endpoint", f"http://127.0.0.1:{mock.port}"],
            input=program,
            capture_output=True,
            text=True,
            check=True,
        )
    assert read_yaml(ended.stdout, "captured") == document


@pytest.mark.parametrize("changed", [{}, {"instance": {"mac": "0a:11:22:33:44:55", "region": "eu-west-1"}}])
def test_a_capture_of_amazon_ec2_metadata_mock_gives_its_answers(
    changed: dict[str, Any], tmp_path: Path, serving: Serving
) -> None:
    paths = [*LEAVES, *LISTINGS, "/latest/meta-data/missing"]
    with serving({"compatibility": "aemm", "control": {"port": 0}, **changed}) as mock:
        answers = {path: mock.get(path) for path in paths}
        document = captured(mock, tmp_path)
    with serving(document | {"control": {"port": 0}}) as mock:
        again = {path: mock.get(path) for path in paths}
        assert captured(mock, tmp_path) == document
    assert [
        path for path in paths if (again[path].status, again[path].body) != (answers[path].status, answers[path].body)
    ] == []
    assert [path for path in LEAVES if again[path]["Content-Type"] != answers[path]["Content-Type"]] == []


def ended(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["capture", *arguments])
    return code, capsys.readouterr().err


def responding(head: bytes) -> bytes:
    body = b"hello"
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body if head else b"")


def test_an_endpoint_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with reserved_port() as port:
        code, error = ended("--endpoint", f"http://127.0.0.1:{port}", capsys=capsys)
    assert code == 69
    assert f"http://127.0.0.1:{port} does not answer /latest/meta-data/: Connection refused" in error


def test_a_silent_endpoint_times_out(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedHttpServer(lambda _head: None) as server:
        code, error = ended("--endpoint", f"http://127.0.0.1:{server.port}", "--timeout", "0.05", capsys=capsys)
    assert code == 69
    assert "does not answer /latest/meta-data/: timed out" in error


def test_another_server_is_recognized(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedHttpServer(responding) as server:
        code, error = ended("--endpoint", f"http://127.0.0.1:{server.port}", capsys=capsys)
    assert code == 69
    assert "is not a metadata service: /latest/meta-data/ answers 200 and does not list instance-id" in error


def test_disabled_metadata_is_reported(capsys: pytest.CaptureFixture[str], serving: Serving) -> None:
    with serving({"metadata_options": {"http_endpoint": "disabled"}}) as mock:
        code, error = ended("--endpoint", f"http://127.0.0.1:{mock.port}", capsys=capsys)
    assert code == 69
    assert "answers 403: the metadata is disabled" in error


def test_a_refused_token_is_reported(capsys: pytest.CaptureFixture[str], serving: Serving) -> None:
    with serving({"metadata_options": {"http_tokens": "required"}}) as mock:
        mock.do("POST", "/v1/faults", {"kind": "status", "status": 401, "path": "*"})
        code, error = ended("--endpoint", f"http://127.0.0.1:{mock.port}", capsys=capsys)
    assert code == 69
    assert "session token" in error


def test_a_token_that_is_revoked_during_the_walk_ends_the_capture(
    capsys: pytest.CaptureFixture[str], serving: Serving
) -> None:
    with serving({}) as mock:
        mock.do("POST", "/v1/faults", {"kind": "status", "status": 401, "path": "*/services/domain"})
        code, error = ended("--endpoint", f"http://127.0.0.1:{mock.port}", capsys=capsys)
    assert code == 69
    assert "answers 401 for /latest/meta-data/services/domain" in error


def test_a_busy_service_is_asked_again(tmp_path: Path, serving: Serving) -> None:
    with serving({}) as mock:
        mock.do("POST", "/v1/faults", {"kind": "status", "status": 503, "path": "*/services/domain", "count": 1})
        assert "meta-data/services/domain" not in captured(mock, tmp_path).get("metadata", {})


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], serving: Serving
) -> None:
    file = tmp_path / "missing" / "captured.yaml"
    with serving({}) as mock:
        code, error = ended("--endpoint", f"http://127.0.0.1:{mock.port}", "-o", str(file), capsys=capsys)
    assert code == 73
    assert f"cannot write {file}: No such file or directory; choose another file with --output" in error


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({f"meta-data/x/{n}": "1" for n in range(2100)}, "more than 2000 paths"),
        ({"meta-data/" + "a/" * 20 + "b": "1"}, "more than 16 levels"),
        ({"meta-data/x": "1" * 70_000}, "has more than 64 KiB"),
        ({f"meta-data/x/{n}": "1" * 60_000 for n in range(11)}, "the metadata has more than 640 KiB"),
    ],
)
def test_metadata_beyond_the_limits_is_refused(
    metadata: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str], serving: Serving
) -> None:
    with serving({"metadata": metadata}) as mock:
        code, error = ended("--endpoint", f"http://127.0.0.1:{mock.port}", capsys=capsys)
    assert code == 65
    assert sentence in error
