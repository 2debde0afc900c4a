"""Identity per caller over real sockets: named callers at several loopback addresses."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.cli import main
from support.callers import FakeNetwork
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import Answer, head, read_all, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPS = {f"127.0.0.{place + 1}": f"proj-app-{place}.proj_default" for place in (1, 2, 3)}
DATABASE, STRANGER = "127.0.0.9", "127.0.0.10"
NAMES = {**APPS, DATABASE: "db.proj_default"}
LEAVES = "/latest/meta-data"
VARIANTS = [
    {"match": {"service": "app"}, "instance": {"role": "app-role", "tags": {"Name": "app"}}},
    {"match": {"name": "*-app-3"}, "instance": {"instance_life_cycle": "spot"}, "metadata": {"meta-data/extra": "3"}},
    {"match": {"address": STRANGER}, "instance": {"local_ipv4": "10.0.0.10", "user_data": "hello"}},
    {"match": {"service": "db"}, "metadata_options": {"http_tokens": "required"}},
]


def fake_network() -> FakeNetwork:
    hosts = {name.partition(".")[0]: frozenset({address}) for address, name in NAMES.items()}
    return FakeNetwork(dict(NAMES), hosts, own_addresses=(), names_loopback=True)


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path, {"identity": "per-container", "variants": VARIANTS}, fake_network()) as running:
        yield running


def read(mock: DrivenMock, path: str, source: str) -> str:
    answer = mock.get(f"{LEAVES}/{path}", source)
    assert answer.status == 200, (path, source, answer)
    return answer.body.decode()


def test_every_container_is_its_own_instance(mock: DrivenMock) -> None:
    ids = {source: read(mock, "instance-id", source) for source in (*APPS, STRANGER)}
    assert len(set(ids.values())) == 4
    for source in APPS:
        assert read(mock, "local-ipv4", source) == source
        assert read(mock, "hostname", source) == f"ip-{source.replace('.', '-')}.ec2.internal"
        document = json.loads(mock.get("/latest/dynamic/instance-identity/document", source).body)
        assert (document["instanceId"], document["privateIp"]) == (ids[source], source)
        mac = read(mock, "mac", source)
        assert read(mock, f"network/interfaces/macs/{mac}/subnet-ipv4-cidr-block", source) == "127.0.0.0/8"
        assert mock.get(f"{LEAVES}/public-ipv4", source).status == 404
    assert {read(mock, "placement/availability-zone", source) for source in APPS} == {
        "us-east-1a",
        "us-east-1b",
        "us-east-1c",
    }


def test_the_identity_document_of_each_instance_is_signed(mock: DrivenMock) -> None:
    signatures = {mock.get("/latest/dynamic/instance-identity/signature", source).body for source in APPS}
    assert len(signatures) == 3
    assert all(len(signature) > 100 for signature in signatures)


def test_variants_change_a_callers_metadata(mock: DrivenMock) -> None:
    assert {read(mock, "iam/security-credentials/", source) for source in APPS} == {"app-role"}
    assert read(mock, "iam/security-credentials/", STRANGER) == "my-role"
    assert [read(mock, "instance-life-cycle", source) for source in APPS] == ["on-demand", "on-demand", "spot"]
    assert [mock.get(f"{LEAVES}/extra", source).status for source in APPS] == [404, 404, 200]
    assert read(mock, "local-ipv4", STRANGER) == "10.0.0.10"
    assert mock.get("/latest/user-data", STRANGER).body == b"hello"
    assert mock.get("/latest/user-data", "127.0.0.2").status == 404


def test_a_variant_can_require_tokens(mock: DrivenMock) -> None:
    assert mock.get(f"{LEAVES}/instance-id", DATABASE).status == 401
    assert mock.get(f"{LEAVES}/instance-id", "127.0.0.2").status == 200


def test_a_token_of_one_container_is_refused_for_another(mock: DrivenMock) -> None:
    token = mock.token("127.0.0.2")
    statuses = [
        mock.get(f"{LEAVES}/instance-id", source, X_aws_ec2_metadata_token=token).status for source in (*APPS, DATABASE)
    ]
    assert statuses == [200, 401, 401, 401]


def test_an_event_for_a_service_reaches_each_of_its_instances(mock: DrivenMock) -> None:
    for source in NAMES:
        mock.get("/", source)
    mock.do("POST", "/v1/events", {"kind": "spot", "target": "app"})
    assert [mock.get(f"{LEAVES}/spot/instance-action", source).status for source in APPS] == [200, 200, 200]
    token = mock.token(DATABASE)
    assert mock.get(f"{LEAVES}/spot/instance-action", DATABASE, X_aws_ec2_metadata_token=token).status == 404


def test_an_event_for_one_address_of_a_container_reaches_all_its_addresses(tmp_path: Path) -> None:
    network = FakeNetwork(
        {"127.0.0.2": "app.front", "127.1.0.2": "app.back"},
        {"app": frozenset({"127.0.0.2", "127.1.0.2"})},
        own_addresses=("127.0.0.99/16", "127.1.0.99/16"),
        is_engine=False,
        names_loopback=True,
    )
    notice = f"{LEAVES}/spot/instance-action"
    with driven_mock(tmp_path, {"identity": "per-container"}, network) as mock:
        assert read(mock, "instance-id", "127.0.0.2") == read(mock, "instance-id", "127.1.0.2")
        mock.do("POST", "/v1/events", {"kind": "spot", "target": "127.0.0.2"})
        assert [mock.get(notice, source).status for source in ("127.0.0.2", "127.1.0.2", STRANGER)] == [200, 200, 404]
        mock.do("POST", "/v1/reset")
        assert mock.get(notice, "127.1.0.2").status == 404


def test_a_variant_for_a_service_applies_at_once_to_known_containers(tmp_path: Path) -> None:
    network = FakeNetwork(
        {DATABASE: "custom.net"}, {"db": frozenset({DATABASE})}, own_addresses=(), names_loopback=True
    )
    with driven_mock(tmp_path, {"identity": "per-container"}, network) as mock:
        before = read(mock, "instance-id", DATABASE)
        mock.do("PATCH", "/v1/config", {"variants": [{"match": {"service": "db"}, "instance": {"role": "db"}}]})
        network.services = mock.runtime.state.services
        assert read(mock, "iam/security-credentials/", DATABASE) == "db"
        assert read(mock, "instance-id", DATABASE) == before


def test_identity_and_variants_can_be_changed_and_reset_at_run_time(mock: DrivenMock) -> None:
    source = "127.0.0.2"
    own = read(mock, "instance-id", source)
    mock.do(
        "PATCH",
        "/v1/config",
        {"identity": "shared", "variants": [{"match": {"service": "app"}, "instance": {"role": "other"}}]},
    )
    assert read(mock, "instance-id", source) == "i-1234567890abcdef0"
    assert read(mock, "iam/security-credentials/", source) == "other"
    refused = mock.call(
        "PATCH", "/v1/config", {"variants": [{"match": {"service": "app"}, "instance": {"role": "no good"}}]}
    )
    assert refused.status == 422
    assert refused.json["errors"][0]["field"] == "variants[0].instance.role"
    assert read(mock, "iam/security-credentials/", source) == "other"
    mock.do("POST", "/v1/reset")
    assert read(mock, "instance-id", source) == own
    assert read(mock, "iam/security-credentials/", source) == "app-role"


def test_an_event_that_conflicts_with_a_variant_is_refused(mock: DrivenMock) -> None:
    mock.do(
        "PATCH", "/v1/config", {"variants": [{"match": {"service": "app"}, "metadata": {"meta-data/spot": "text"}}]}
    )
    assert mock.call("POST", "/v1/events", {"kind": "spot"}).status == 409


def test_whoami_and_callers_describe_a_caller(mock: DrivenMock) -> None:
    found = mock.do("GET", "/v1/whoami?caller=127.0.0.4")
    assert (found["container"], found["service"], found["networks"]) == ("proj-app-3", "app", ["proj_default"])
    assert found["variants"] == ["0: service=app", "1: name=*-app-3"]
    assert (found["instance_id"], found["local_ipv4"]) == (read(mock, "instance-id", "127.0.0.4"), "127.0.0.4")
    assert (found["identity"], found["role"], found["http_tokens"]) == ("per-container", "app-role", "optional")
    assert mock.do("GET", "/v1/whoami?caller=proj-app-3")["address"] == "127.0.0.4"
    assert mock.do("GET", "/v1/whoami")["address"] == "127.0.0.1"
    assert mock.call("GET", "/v1/whoami", tcp=True).json["address"] == "127.0.0.1"
    assert mock.call("GET", "/v1/whoami?caller=nobody").status == 404
    (caller,) = mock.do("GET", "/v1/callers")
    assert caller["names"] == ["proj-app-3", "app"]
    assert (caller["instance_id"], caller["role"], caller["requests"]) == (found["instance_id"], "app-role", 1)


def test_the_replicas_of_a_service_are_distinguished(mock: DrivenMock, capsys: pytest.CaptureFixture[str]) -> None:
    ids = {address: read(mock, "instance-id", address) for address in APPS}
    listed = mock.do("GET", "/v1/whoami?caller=app")
    assert {each["address"]: each["instance_id"] for each in listed} == ids
    assert [each["container"] for each in listed] == ["proj-app-1", "proj-app-2", "proj-app-3"]

    def ctl(*words: str) -> str:
        assert main(["ctl", *words, "--url", f"unix:{mock.socket_path}"]) == 0
        return capsys.readouterr().out

    for words in (("requests",), ("callers",), ("whoami", "--caller", "app")):
        lines = ctl(*words).splitlines()
        assert [sum(f"proj-app-{number}" in line for line in lines) for number in (1, 2, 3)] == [1, 1, 1], lines
    mock.do("POST", "/v1/events", {"kind": "spot", "target": "app"})
    read(mock, "spot/instance-action", "127.0.0.3")
    assert "127.0.0.3 (proj-app-2)" in ctl("notices")
    assert "127.0.0.3 (proj-app-2)" in ctl("assert", "--saw", "spot-interruption", "--by", "app")
    (event,) = mock.do("GET", "/v1/events")
    assert event["callers"] == 3


def test_replicas_without_a_name_are_distinguished_by_their_instance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with driven_mock(tmp_path, {"identity": "per-container"}, FakeNetwork(own_addresses=())) as mock:
        ids = {address: read(mock, "instance-id", address) for address in APPS}
        for request in mock.do("GET", "/v1/requests"):
            assert request["instance_id"] == ids[request["caller"]]
        assert main(["ctl", "requests", "--url", f"unix:{mock.socket_path}"]) == 0
        out = capsys.readouterr().out
        assert all(f"{address} ({instance_id})" in out for address, instance_id in ids.items())


def test_the_tree_of_a_caller_is_shown(mock: DrivenMock) -> None:
    shown = mock.do("GET", "/v1/metadata/meta-data/local-ipv4?caller=proj-app-2")
    assert shown["leaf"]["value"] == "127.0.0.3"
    assert mock.do("GET", "/v1/metadata/meta-data/instance-id")["leaf"]["value"] == "i-1234567890abcdef0"


class Slow:
    """A mock whose name server does not answer yet."""

    def __init__(self, mock: DrivenMock, network: FakeNetwork) -> None:
        self.mock = mock
        self._network = network

    def answer(self) -> None:
        """Make the name server answer."""
        assert self._network.answering is not None
        self.mock.run(self._network.answering.set)


@pytest.fixture
def slow(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Slow]:
    patience = getattr(request, "param", 30.0)
    network = fake_network()
    network.answering = asyncio.Event()
    document: dict[str, Any] = {"identity": "per-container", "callers": {"look_up_seconds": patience}}
    with driven_mock(tmp_path, document, network) as running:
        try:
            yield Slow(running, network)
        finally:
            running.run(network.answering.set)


def test_the_first_request_waits_and_pipelined_ones_keep_their_order(slow: Slow) -> None:
    with slow.mock.connect("127.0.0.2") as client:
        client.sendall(
            "".join(
                head("GET", f"{LEAVES}/{path}", Connection="keep-alive")
                for path in ("ami-id", "instance-id", "local-ipv4")
            ).encode()
        )
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        slow.answer()
        bodies = [read_answer(client).body.decode() for _ in range(3)]
        assert (bodies[0], bodies[2]) == ("ami-0abcdef1234567890", "127.0.0.2")
        client.sendall(head("GET", f"{LEAVES}/instance-id").encode())
        assert Answer.parse(read_all(client)).body.decode() == bodies[1]


def test_a_client_may_disconnect_while_it_waits(slow: Slow) -> None:
    with slow.mock.connect("127.0.0.2") as client, slow.mock.connect("127.0.0.2") as other:
        client.sendall(head("GET", f"{LEAVES}/instance-id").encode())
        other.sendall(head("GET", f"{LEAVES}/local-ipv4").encode())
        client.close()
        slow.answer()
        assert Answer.parse(read_all(other)).body == b"127.0.0.2"


def test_a_half_closed_client_is_answered_once_it_is_identified(slow: Slow) -> None:
    with slow.mock.connect("127.0.0.2") as client:
        client.sendall(head("GET", f"{LEAVES}/local-ipv4").encode())
        client.shutdown(socket.SHUT_WR)  # as `nc -N` does
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        slow.answer()
        assert Answer.parse(read_all(client)).body == b"127.0.0.2"


def test_a_stopping_mock_answers_a_waiting_client_and_closes_idle_ones(slow: Slow) -> None:
    with slow.mock.connect("127.0.0.2") as asking, slow.mock.connect("127.0.0.3") as silent:
        asking.sendall(head("GET", f"{LEAVES}/local-ipv4", Connection="keep-alive").encode())
        while slow.mock.connections() < 2:
            pass
        stopping = slow.mock.stop_data_plane(grace_seconds=20)
        asking.settimeout(0.2)
        with pytest.raises(TimeoutError):
            asking.recv(1)
        asking.settimeout(60)
        assert not stopping.done()
        slow.answer()
        answer = Answer.parse(read_all(asking))
        assert (answer.body, answer["Connection"]) == (b"127.0.0.2", "close")
        assert read_all(silent) == b""
        stopping.result(60)


def test_a_name_server_that_never_answers_does_not_keep_the_mock_from_stopping(slow: Slow) -> None:
    with slow.mock.connect("127.0.0.2") as asking:
        asking.sendall(head("GET", f"{LEAVES}/local-ipv4").encode())
        while slow.mock.connections() < 1:
            pass
        slow.mock.stop_data_plane(grace_seconds=0.1).result(60)
        with pytest.raises(ConnectionResetError):
            asking.recv(1)


@pytest.mark.parametrize("slow", [0.2], indirect=True)
def test_without_a_name_the_identity_is_derived_from_the_address_and_stays(slow: Slow) -> None:
    began = time.monotonic()
    fallback = read(slow.mock, "instance-id", "127.0.0.2")
    assert 0.15 < time.monotonic() - began < 30
    slow.answer()
    assert slow.mock.do("GET", "/v1/whoami?caller=127.0.0.2")["container"] == "proj-app-1"
    assert read(slow.mock, "instance-id", "127.0.0.2") == fallback
    assert read(slow.mock, "local-ipv4", "127.0.0.2") == "127.0.0.2"


def test_other_callers_are_answered_while_one_waits(tmp_path: Path) -> None:
    network = fake_network()
    with driven_mock(tmp_path, {"identity": "per-container", "callers": {"look_up_seconds": 30}}, network) as mock:
        known = read(mock, "instance-id", "127.0.0.2")
        network.answering = asyncio.Event()
        with mock.connect("127.0.0.3") as waiting:
            waiting.sendall(head("GET", f"{LEAVES}/instance-id").encode())
            assert read(mock, "instance-id", "127.0.0.2") == known
            mock.run(network.answering.set)
            assert Answer.parse(read_all(waiting)).body.decode() not in {known, ""}


def test_a_reused_address_is_identified_again_after_5_s(tmp_path: Path) -> None:
    network = fake_network()
    with driven_mock(tmp_path, {"identity": "per-container"}, network) as mock:
        first = read(mock, "instance-id", "127.0.0.2")
        network.names["127.0.0.2"] = "proj-app-9.proj_default"
        assert read(mock, "instance-id", "127.0.0.2") == first
        network.now = 5.1
        second = read(mock, "instance-id", "127.0.0.2")
        assert second != first
        network.names["127.0.0.8"] = "proj-app-1.proj_default"
        assert read(mock, "instance-id", "127.0.0.8") == first, "the first one, restarted at another address"


def test_with_shared_identity_names_are_looked_up_in_the_background(tmp_path: Path) -> None:
    network = fake_network()
    network.answering = asyncio.Event()
    with driven_mock(tmp_path, {"callers": {"look_up_seconds": 30}}, network) as mock:
        assert {read(mock, "instance-id", source) for source in APPS} == {"i-1234567890abcdef0"}
        assert {read(mock, "local-ipv4", source) for source in APPS} == {"10.0.1.23"}
        mock.run(network.answering.set)
        # The container is gone before the journal is read; the journal shows its names.
        mock.settle_callers()
        network.names.clear()
        network.now = 60.0
        asked = {each["caller"]: each["names"] for each in mock.do("GET", "/v1/requests")}
        assert asked["127.0.0.2"] == ["proj-app-1", "app"]
        assert mock.do("GET", "/v1/requests/count?caller=proj-app-1")["count"] == 2


def test_variants_apply_with_shared_identity(tmp_path: Path) -> None:
    with driven_mock(tmp_path, {"variants": VARIANTS}, fake_network()) as mock:
        assert {read(mock, "instance-id", source) for source in APPS} == {"i-1234567890abcdef0"}
        assert {read(mock, "iam/security-credentials/", source) for source in APPS} == {"app-role"}
        token = mock.token("127.0.0.2")
        assert mock.get(f"{LEAVES}/instance-id", "127.0.0.3", X_aws_ec2_metadata_token=token).status == 200
