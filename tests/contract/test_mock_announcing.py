"""Containers that announce who they are, over real sockets: from the probe's header to their metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.cli import main
from support.announcing import KEY, OTHER_KEY, announce, announcement, refusal_of
from support.callers import FakeNetwork
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

WORKER, OTHER, NEIGHBOUR = "127.0.0.3", "127.0.0.4", "127.0.0.5"
MACS = {WORKER: "a6:00:00:00:00:03", OTHER: "a6:00:00:00:00:04"}
FACTS = "role=worker-role,instance_life_cycle=spot,tags.Name=worker,instance_type=c7g.large,user_data=hello"
SHARED_ID = "i-1234567890abcdef0"
STATIC = {"source": "static", "access_key_id": "AKIA", "secret_access_key": "s3cret", "session_token": "t0ken"}


def around() -> FakeNetwork:
    """A cluster without reverse names."""
    return FakeNetwork(own_addresses=(), names_loopback=True, macs=dict(MACS))


def mock_with(folder: Path, **document: Any) -> AbstractContextManager[DrivenMock]:
    """A mock with a configuration."""
    return driven_mock(folder, document, around())


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    options = {"instance_metadata_tags": "enabled"}
    with mock_with(tmp_path, metadata_options=options) as running:
        yield running


def read(mock: DrivenMock, path: str, source: str = WORKER) -> str:
    answer = mock.get(f"/latest/{path}", source)
    assert answer.status == 200, (path, source, answer)
    return answer.body.decode()


def test_a_container_is_who_it_announces_while_others_share_the_instance(mock: DrivenMock) -> None:
    before = read(mock, "meta-data/instance-id")
    answer = announce(mock, FACTS, "worker-1", WORKER)
    assert (answer.status, answer["X-Imds-Mock-Announcement"]) == (204, "accepted")
    assert answer["X-Imds-Mock-Caller"] == WORKER
    assert read(mock, "meta-data/iam/security-credentials") == "worker-role"
    assert json.loads(read(mock, "meta-data/iam/security-credentials/worker-role"))["Code"] == "Success"
    assert read(mock, "meta-data/instance-life-cycle") == "spot"
    assert read(mock, "meta-data/tags/instance/Name") == "worker"
    assert read(mock, "meta-data/instance-type") == "c7g.large"
    assert read(mock, "user-data") == "hello"
    own = read(mock, "meta-data/instance-id")
    assert (before, own != SHARED_ID) == (SHARED_ID, True)
    assert json.loads(read(mock, "dynamic/instance-identity/document"))["instanceId"] == own
    assert read(mock, "meta-data/local-ipv4") == WORKER
    for source in (OTHER, NEIGHBOUR, "127.0.0.1"):
        assert read(mock, "meta-data/instance-id", source) == SHARED_ID
        assert read(mock, "meta-data/iam/security-credentials", source) == "my-role"


def test_two_containers_have_an_id_each_and_the_name_keeps_it(mock: DrivenMock, tmp_path: Path) -> None:
    announce(mock, "role=a", "worker-1", WORKER)
    announce(mock, "role=a", "worker-2", OTHER)
    first, second = (read(mock, "meta-data/instance-id", source) for source in (WORKER, OTHER))
    assert len({first, second, SHARED_ID}) == 3
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    with mock_with(other_folder) as again:
        announce(again, "role=b", "worker-1", NEIGHBOUR)
        assert read(again, "meta-data/instance-id", NEIGHBOUR) == first


def test_an_id_and_addresses_may_be_announced(mock: DrivenMock) -> None:
    announce(mock, "instance_id=i-0aaaaaaaaaaaaaaaa,local_ipv4=10.1.2.3", source=WORKER)
    assert read(mock, "meta-data/instance-id") == "i-0aaaaaaaaaaaaaaaa"
    assert read(mock, "meta-data/local-ipv4") == "10.1.2.3"


def test_a_name_alone_makes_an_instance_of_its_own(mock: DrivenMock) -> None:
    assert announce(mock, None, "worker-1", WORKER).status == 204
    assert read(mock, "meta-data/instance-id") != SHARED_ID
    assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_the_name_is_a_target_of_events(mock: DrivenMock) -> None:
    announce(mock, None, "worker-1", WORKER)
    event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "worker-1"})
    assert (event["callers"], event["warning"], event["addresses"]) == (1, None, [WORKER])
    assert mock.get("/latest/meta-data/spot/instance-action", WORKER).status == 200
    assert mock.get("/latest/meta-data/spot/instance-action", OTHER).status == 404


def test_an_event_armed_before_finds_the_name(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot", "target": "worker-1"})
    assert mock.get("/latest/meta-data/spot/instance-action", WORKER).status == 404
    announce(mock, None, "worker-1", WORKER)
    assert mock.get("/latest/meta-data/spot/instance-action", WORKER).status == 200


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ("rol=x", "MOCK_INSTANCE: rol: unknown key; did you mean role?"),
        ("local_ipv4=1", "MOCK_INSTANCE: local_ipv4: expected"),
        ("tags.Näme\n=x", None),
        ("ünknown=x", "MOCK_INSTANCE: ünknown: unknown key"),
        ("user_data=" + "x" * 8192, "MOCK_INSTANCE: is longer than 8192 bytes"),
        ("user_data.file=/etc/hostname", "cannot be announced"),
    ],
)
def test_a_wrong_announcement_is_answered_with_the_sentence(mock: DrivenMock, facts: str, sentence: str | None) -> None:
    answer = announce(mock, facts, None, WORKER)
    if sentence is None:
        assert answer.status == 400
    else:
        assert sentence in refusal_of(answer)
    assert read(mock, "meta-data/instance-id") == SHARED_ID


def test_invalid_user_data_is_not_repeated(mock: DrivenMock) -> None:
    sentence = refusal_of(announce(mock, "user_data.base64=hunter2!", None, WORKER))
    assert "user_data" in sentence
    assert "hunter2" not in sentence


def test_user_data_up_to_the_limit_is_accepted(mock: DrivenMock) -> None:
    data = "x" * (8192 - len("user_data="))
    assert announce(mock, f"user_data={data}", None, WORKER).status == 204
    assert read(mock, "user-data") == data


@pytest.mark.parametrize(
    "header", ["", "x", f"{KEY}", f"{KEY} - - -", f"{KEY} ! -", "0 - -", f"{KEY}  -", f"{KEY} - _w"]
)
def test_an_announcement_of_another_form_is_refused(mock: DrivenMock, header: str) -> None:
    request = head("GET", "/", **{"X-Imds-Mock-Probe": "a", "X-Imds-Mock-Announcement": header})
    assert "same version" in refusal_of(mock.ask(request, WORKER))


def test_only_a_probe_announces(mock: DrivenMock) -> None:
    value = announcement("role=admin")
    for request in (
        head("GET", "/", **{"X-Imds-Mock-Announcement": value}),
        head("GET", "/latest/meta-data/", **{"X-Imds-Mock-Probe": "a", "X-Imds-Mock-Announcement": value}),
        head("PUT", "/", **{"X-Imds-Mock-Probe": "a", "X-Imds-Mock-Announcement": value}),
        head("HEAD", "/", **{"X-Imds-Mock-Probe": "a", "X-Imds-Mock-Announcement": value}),
    ):
        assert "X-Imds-Mock-Announcement" not in mock.ask(request, WORKER)
    assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_what_comes_through_a_proxy_is_refused(mock: DrivenMock) -> None:
    value = announcement("role=admin")
    headers = {"X-Imds-Mock-Probe": "a", "X-Imds-Mock-Announcement": value, "X-Forwarded-For": "10.0.0.1"}
    assert "proxy" in refusal_of(mock.ask(head("GET", "/", **headers), WORKER))


def test_an_application_cannot_change_what_its_shim_has_announced(mock: DrivenMock) -> None:
    announce(mock, "role=worker-role", None, WORKER)
    assert "has announced something else before" in refusal_of(announce(mock, "role=admin", None, WORKER, OTHER_KEY))
    assert "has announced something else before" in refusal_of(announce(mock, "role=admin", None, WORKER, KEY))
    assert read(mock, "meta-data/iam/security-credentials") == "worker-role"


def test_an_application_cannot_announce_after_a_shim_without_announcement(mock: DrivenMock) -> None:
    assert announce(mock, None, None, WORKER).status == 204
    assert announce(mock, "role=admin", None, WORKER, OTHER_KEY).status == 400
    assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_a_container_whose_hardware_address_does_not_tell_may_change_what_it_announces(mock: DrivenMock) -> None:
    announce(mock, "role=a", "w", NEIGHBOUR)
    assert read(mock, "meta-data/iam/security-credentials", NEIGHBOUR) == "a"
    assert announce(mock, "role=b", "w", NEIGHBOUR, OTHER_KEY).status == 204
    assert read(mock, "meta-data/iam/security-credentials", NEIGHBOUR) == "b"
    assert announce(mock, None, None, NEIGHBOUR, KEY).status == 204
    assert read(mock, "meta-data/instance-id", NEIGHBOUR) == SHARED_ID


def test_checking_keeps_nothing(mock: DrivenMock) -> None:
    assert announce(mock, "role=a", None, WORKER, "check").status == 204
    assert "did you mean role?" in refusal_of(announce(mock, "rol=a", None, WORKER, "check"))
    assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_a_probe_without_announcement_is_answered_as_before(mock: DrivenMock) -> None:
    answer = mock.get("/", **{"X-Imds-Mock-Probe": "a"})
    assert (answer.status, "X-Imds-Mock-Announcement" in answer) == (204, False)


def test_it_lies_over_variants_and_survives_a_change_of_the_configuration(tmp_path: Path) -> None:
    variants = [{"match": {"address": WORKER}, "instance": {"role": "of-variant", "instance_type": "t3.micro"}}]
    with mock_with(tmp_path, identity="per-container", variants=variants) as mock:
        announce(mock, "role=announced", None, WORKER)
        assert read(mock, "meta-data/iam/security-credentials") == "announced"
        assert read(mock, "meta-data/instance-type") == "t3.micro"
        mock.do("PATCH", "/v1/config", {"instance": {"region": "eu-west-1"}})
        assert read(mock, "meta-data/iam/security-credentials") == "announced"
        assert read(mock, "meta-data/placement/region") == "eu-west-1"
        mock.do("POST", "/v1/reset")
        assert read(mock, "meta-data/iam/security-credentials") == "announced"


def test_a_name_selects_no_variant(tmp_path: Path) -> None:
    variants = [{"match": {"service": "web"}, "credentials": STATIC}, {"match": {"name": "web"}, "credentials": STATIC}]
    with mock_with(tmp_path, variants=variants) as mock:
        assert announce(mock, None, "web", WORKER).status == 204
        assert "AKIA" not in read(mock, "meta-data/iam/security-credentials/my-role").split()
        assert "s3cret" not in read(mock, "meta-data/iam/security-credentials/my-role")


def test_with_working_credentials_only_named_roles_are_given(tmp_path: Path) -> None:
    variants = [{"match": {"service": "x"}, "instance": {"role": "worker-role"}}]
    with mock_with(tmp_path, credentials=STATIC, variants=variants) as mock:
        assert "expected a value from the mock's configuration (my-role, worker-role)" in refusal_of(
            announce(mock, "role=admin", None, WORKER)
        )
        assert announce(mock, "role=worker-role", None, WORKER).status == 204
        assert "s3cret" in read(mock, "meta-data/iam/security-credentials/worker-role")


def test_a_role_that_the_configuration_no_longer_names_is_not_given(tmp_path: Path) -> None:
    variants = [{"match": {"service": "x"}, "instance": {"role": "worker-role"}}]
    with mock_with(tmp_path, callers={"announced": "named"}, variants=variants) as mock:
        announce(mock, "role=worker-role", None, WORKER)
        assert read(mock, "meta-data/iam/security-credentials") == "worker-role"
        mock.do("PATCH", "/v1/config", {"variants": []})
        assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_off_refuses_facts_and_ignores_names(tmp_path: Path) -> None:
    with mock_with(tmp_path, callers={"announced": "off"}) as mock:
        assert "callers.announced is off" in refusal_of(announce(mock, "role=a", "w", WORKER))
        assert announce(mock, None, "w", WORKER).status == 204
        assert read(mock, "meta-data/instance-id") == SHARED_ID


def test_the_drop_in_has_one_instance_refuses_facts_and_ignores_names(tmp_path: Path) -> None:
    with mock_with(tmp_path, compatibility="aemm", control={"hosts": ["127.0.0.1"], "port": 0}) as mock:
        assert "one instance for all containers" in refusal_of(announce(mock, "role=a", None, WORKER))
        assert announce(mock, None, "w", WORKER).status == 204
        assert read(mock, "meta-data/instance-id") == SHARED_ID


def test_the_control_plane_does_not_change_what_may_be_announced(mock: DrivenMock) -> None:
    reply = mock.call("PATCH", "/v1/config", {"callers": {"announced": "any"}})
    assert reply.status == 422
    assert "decides which roles containers may give themselves" in reply.body.decode()


def test_the_journal_has_neither_the_probe_nor_its_content(mock: DrivenMock) -> None:
    announce(mock, "user_data=hunter2", "worker-1", WORKER)
    read(mock, "meta-data/ami-id")
    requests = mock.do("GET", "/v1/requests")
    assert [each["path"] for each in requests] == ["/latest/meta-data/ami-id"]
    assert requests[0]["names"] == ["worker-1"]
    assert "hunter2" not in json.dumps(requests)


def test_the_api_shows_what_is_announced_without_user_data(mock: DrivenMock) -> None:
    announce(mock, FACTS, "worker-1", WORKER)
    read(mock, "meta-data/ami-id")
    read(mock, "meta-data/ami-id", OTHER)
    facts = {
        "role": "worker-role",
        "instance_life_cycle": "spot",
        "tags": {"Name": "worker"},
        "instance_type": "c7g.large",
        "user_data": "(not shown)",
    }
    shown = {each["address"]: each["announced"] for each in mock.do("GET", "/v1/callers")}
    assert shown == {WORKER: {"name": "worker-1", "instance": facts}, OTHER: None}
    seen = mock.do("GET", "/v1/whoami?caller=worker-1")
    assert (seen["address"], seen["announced"], seen["role"]) == (WORKER, shown[WORKER], "worker-role")


def test_ctl_shows_it_in_the_words_of_the_setting(mock: DrivenMock, capsys: pytest.CaptureFixture[str]) -> None:
    announce(mock, "role=a,tags.Name=b", "worker-1", WORKER)
    read(mock, "meta-data/ami-id")
    url = f"unix:{mock.socket_path}"
    assert main(["ctl", "--url", url, "callers"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert "worker-1,role=a,tags.Name=b" in row
    assert "ANNOUNCED" in heading
    assert main(["ctl", "--url", url, "whoami", "--caller", "worker-1"]) == 0
    assert "announced          worker-1,role=a,tags.Name=b" in capsys.readouterr().out
    assert main(["ctl", "--url", url, "whoami", "--caller", "worker-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["announced"] == {
        "name": "worker-1",
        "instance": {"role": "a", "tags": {"Name": "b"}},
    }


def test_a_forgotten_container_may_announce_something_else(
    mock: DrivenMock, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(mock, "role=a", "one", WORKER)
    announce(mock, "role=a", "two", OTHER)
    sentence = refusal_of(announce(mock, "role=b", "one", WORKER, OTHER_KEY))
    assert f"run `imds-mock ctl forget --caller {WORKER}` first" in sentence
    url = f"unix:{mock.socket_path}"
    assert main(["ctl", "--url", url, "forget", "--caller", "one"]) == 0
    assert read(mock, "meta-data/instance-id") == SHARED_ID
    assert read(mock, "meta-data/iam/security-credentials", OTHER) == "a"
    assert announce(mock, "role=b", "one", WORKER, OTHER_KEY).status == 204
    assert read(mock, "meta-data/iam/security-credentials") == "b"
    assert mock.call("DELETE", "/v1/announcements?caller=nobody").status == 404
    assert main(["ctl", "--url", url, "forget"]) == 0
    assert [read(mock, "meta-data/instance-id", source) for source in (WORKER, OTHER)] == [SHARED_ID, SHARED_ID]
    assert capsys.readouterr().err == ""


def test_an_address_that_announces_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    network = around()
    with driven_mock(tmp_path, {}, network) as mock:
        statuses = [announce(mock, f"role=r{number}", None, NEIGHBOUR, f"{number:032x}").status for number in range(40)]
        # The limit's clock is real: it refills while the test runs.
        assert statuses[:10] == [204] * 10
        assert 503 in statuses
        accepted = max(number for number, status in enumerate(statuses) if status == 204)
        assert read(mock, "meta-data/iam/security-credentials", NEIGHBOUR) == f"r{accepted}"
        # A follower that repeats what is in force is not limited, and neither is another address.
        for _ in range(30):
            assert announce(mock, f"role=r{accepted}", None, NEIGHBOUR, f"{accepted:032x}").status == 204
        assert announce(mock, "role=a", None, OTHER).status == 204


def test_a_repeated_announcement_is_processed_each_time(mock: DrivenMock) -> None:
    for _ in range(3):
        assert announce(mock, "role=a", None, WORKER).status == 204
        assert read(mock, "meta-data/iam/security-credentials") == "a"
        mock.do("DELETE", "/v1/announcements")
        assert read(mock, "meta-data/iam/security-credentials") == "my-role"


def test_starts_without_a_new_announcement_are_not_limited(mock: DrivenMock) -> None:
    for number in range(30):
        assert announce(mock, None, None, NEIGHBOUR, f"{number:032x}").status == 204
    for number in range(30):
        assert announce(mock, "role=a", None, WORKER, f"{number:032x}").status == 204
    assert read(mock, "meta-data/iam/security-credentials") == "a"
