"""Problems with a document: every mistake gives one sentence of our own that names the field."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.build.loading import from_document, load
from imds_mock.cli import main
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.events.armed import ArmedEvents
from imds_mock.events.kinds import AnyEvent
from imds_mock.events.scenario import read_scenario
from imds_mock.faults.armed import arm
from imds_mock.faults.kinds import AnyFault
from imds_mock.scheduling.checking import completed, read
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations import finding
from imds_mock.violations.finding import MOST, find
from imds_mock.violations.keys import dotted, unknown_key
from imds_mock.violations.words import bounded, in_words, nearest, shown
from support.library_wording import LIBRARY_WORDING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Path_ = tuple[str | int, ...]

CONFIG: Final[dict[str, Any]] = {
    "server": {"port": 8080, "access_log": "json", "hosts": ["127.0.0.1"], "head_timeout_seconds": 5},
    "control": {"journal_entries": 10, "enabled": True},
    "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2, "container_hops": 1},
    "instance": {
        "region": "eu-west-1",
        "instance_id": "i-1234567890abcdef0",
        "account_id": "123456789012",
        "local_ipv4": "10.0.1.23",
        "launch_time": "2026-01-31T12:00:00Z",
        "block_devices": {"ebs1": "sdb"},
        "public_keys": [{"name": "k", "openssh_key": "ssh-ed25519 AAAA k"}],
        "interfaces": [
            {"mac": "0a:00:00:00:00:01", "ipv6s": ["2600:1f18::17"], "vpc_ipv4_cidr_blocks": ["10.0.0.0/16"]}
        ],
        "hibernation_configured": False,
    },
    "credentials": {"source": "generated", "renew_seconds": 60},
    "callers": {"look_up_seconds": 1, "name_server": "127.0.0.11:53"},
    "variants": [{"match": {"service": "a"}, "instance": {"role": "r", "mac": "0a:00:00:00:00:02"}}],
    "metadata": {"meta-data/own": "x"},
}
SCENARIO: Final[dict[str, Any]] = {
    "name": "n",
    "target": "app",
    "steps": [
        {"at": "10s", "event": {"kind": "spot", "action": "stop", "notice": "2m", "for": 3, "target": "a"}},
        {"at": 1.5, "event": {"kind": "maintenance", "code": "system-reboot", "not_before": "1d", "not_after": "2h"}},
        {"at": 2, "event": {"kind": "lifecycle", "state": "InService"}},
        {"at": 3, "event": {"kind": "credentials-expiry", "after": "1m", "renew": False}},
        {"at": 4, "fault": {"kind": "status", "status": 503, "retry_after": 1, "path": "*/iam/*", "rate": 0.5}},
        {"at": 5, "fault": {"kind": "delay", "delay": "250ms", "count": 2, "for": "1m"}},
        {"at": 6, "fault": {"kind": "clock-skew", "seconds": -600}},
        {"at": 7, "fault": {"kind": "truncate", "keep_bytes": 10}},
    ],
}
EVENT: Final = SCENARIO["steps"][0]["event"]
FAULT: Final = SCENARIO["steps"][4]["fault"]


def config_problems(document: Any) -> list[str]:
    try:
        from_document(document)
    except ConfigError as error:
        return [problem.sentence.removeprefix("configuration: ") for problem in error.problems]
    return []


def field_problems(reader: Callable[[Any], object]) -> Callable[[Any], list[str]]:
    def problems(document: Any) -> list[str]:
        try:
            reader(document)
        except FieldError as error:
            return [str(problem) for problem in error.problems]
        return []

    return problems


def arm_event(value: Any) -> None:
    event = read(AnyEvent, value)
    try:
        ArmedEvents().arm(event, 0.0)
    except FieldError as error:
        raise completed(error, AnyEvent, value) from error


def arm_fault(value: Any) -> None:
    fault = read(AnyFault, value)
    try:
        arm(fault, "", 0.0)
    except FieldError as error:
        raise completed(error, AnyFault, value) from error


READERS: Final[dict[str, tuple[dict[str, Any], Callable[[Any], list[str]], Callable[[Path_], str]]]] = {
    "configuration": (
        CONFIG,
        config_problems,
        lambda path: re.sub(r"\.\[", "[", ".".join(f"[{part}]" if isinstance(part, int) else part for part in path)),
    ),
    "scenario": (SCENARIO, field_problems(read_scenario), dotted),
    "event": (EVENT, field_problems(arm_event), dotted),
    "fault": (FAULT, field_problems(arm_fault), dotted),
}


def places(value: Any, path: Path_ = ()) -> list[Path_]:
    """The paths of all values that are neither mappings nor lists."""
    if isinstance(value, dict):
        return [deep for key, below in value.items() for deep in places(below, (*path, key))]
    if isinstance(value, list):
        return [deep for place, below in enumerate(value) for deep in places(below, (*path, place))]
    return [path]


def holder(document: Any, path: Path_) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def mutated(draw: Any, document: dict[str, Any]) -> tuple[dict[str, Any], set[Path_]]:
    """A document with some independent mistakes, and where each of them is."""
    changed = copy.deepcopy(document)
    # A mistake in what tells a kind is not independent of the ones beside it, and any text is a name.
    free = ("kind", "name", "meta-data/own", "service", "role", "target", "description")
    candidates = [path for path in places(document) if path[-1] not in free]
    wrong: set[Path_] = set()
    for path in draw(st.lists(st.sampled_from(candidates), min_size=1, max_size=5, unique=True)):
        held = holder(changed, path)
        how = draw(st.sampled_from(["type", "key", "word"]))
        if how == "key" and isinstance(path[-1], str) and "block_devices" not in path:
            key = f"{path[-1]}_x"
            held[key] = held.pop(path[-1])
            wrong.add((*path[:-1], key))
        else:
            held[path[-1]] = {"a": "b"} if how == "type" else "\u00e4 !"
            wrong.add(path)
    return changed, wrong


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_each_of_some_independent_mistakes_gives_one_sentence_that_names_its_field(name: str, data: Any) -> None:
    document, problems_of, written = READERS[name]
    assert problems_of(copy.deepcopy(document)) == []
    changed, wrong = mutated(data.draw, document)
    problems = problems_of(changed)
    assert {problem.partition(": ")[0] for problem in problems} == {written(path) for path in wrong}
    assert len(problems) == len(wrong)
    for problem in problems:
        assert problem.isprintable()
        assert not LIBRARY_WORDING.search(problem), problem


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["10s", "spot"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("kind"), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_whatever_stands_anywhere_is_taken_or_refused_in_our_own_words(name: str, data: Any) -> None:
    document, problems_of, _ = READERS[name]
    changed = copy.deepcopy(document)
    for path in data.draw(st.lists(st.sampled_from(places(document)), min_size=1, max_size=3, unique=True)):
        depth = data.draw(st.integers(1, len(path)))
        try:
            holder(changed, path[:depth])[path[depth - 1]] = data.draw(json_values)
        except (TypeError, KeyError, IndexError, AttributeError):
            continue  # a mistake above it has replaced its place
    for problem in problems_of(changed):
        assert not LIBRARY_WORDING.search(problem), problem


@pytest.mark.parametrize(
    ("kind", "value", "sentences"),
    [
        (AnyEvent, {"kind": "spto"}, ["kind: expected spot or rebalance or .*, got 'spto'; did you mean spot\\?"]),
        (AnyEvent, {"knd": "spot"}, ["knd: unknown key; did you mean kind\\?"]),
        (AnyEvent, {}, ["kind: is missing; expected spot or rebalance or "]),
        (AnyEvent, {"kind": "lifecycle"}, ["state: is missing; expected Detached or InService or "]),
        (
            AnyEvent,
            {"kind": "spot", "actoin": "stop", "notice": "x"},
            ["actoin: .*action\\?", "notice: expected a duration"],
        ),
        (
            AnyEvent,
            {"kind": "spot", "notice": "", "time": "2030-01-01T00:00:00Z"},
            ["notice: expected a duration .*, got ''"],
        ),
        (AnyEvent, {"kind": "spot", "action": "stopp"}, ["action: expected .*, got 'stopp'; did you mean stop\\?"]),
        (AnyEvent, {"kind": "spot", "target": ""}, ["target: expected text of 1 to 253 characters or null, got ''"]),
        (AnyEvent, {"kind": "spto", "in": "x"}, ["kind: ", "in: expected a duration"]),
        (AnyEvent, ["spot"], [": expected a mapping whose kind is spot or rebalance or .*, got a list"]),
        (AnyFault, {"kind": "status", "status": 200}, ["status: expected a whole number from 400 to 599, got 200"]),
        (AnyFault, {"kind": "status", "status": "503"}, ["status: expected a whole number from 400 to 599, got '503'"]),
        (
            AnyFault,
            {"kind": "reset", "rate": 2, "count": 0},
            ["rate: .* from 0 to 1, got 2", "count: expected a whole number from 1 to 1000000000 or null, got 0"],
        ),
        (AnyFault, {"kind": "reset", "path": "mata-data/x"}, ["path: no path begins with 'mata-data'"]),
    ],
)
def test_sentences(kind: Any, value: Any, sentences: list[str]) -> None:
    found = [f"{'/'.join(map(str, each.path))}: {each.sentence}" for each in find(kind, value)]
    with pytest.raises(FieldError) as raised:
        read(kind, value)
    if isinstance(value, dict) and isinstance(value.get("status"), str):
        found = [str(problem) for problem in raised.value.problems]
    assert len(found) == len(sentences)
    for sentence, pattern in zip(found, sentences, strict=True):
        assert re.match(pattern, sentence), sentence


def test_a_configuration_with_mistakes_in_all_its_sources_names_all(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {regoin: eu-west-1, local_ipv4: 10.0.1}\nserver: {port: x}\n")
    environ = {"IMDS_MOCK_TAGS": "Name,a=b", "IMDS_MOCK_REGOIN": "x", "IMDS_MOCK_HTTP_TOKENS": "requird"}
    with pytest.raises(ConfigError) as raised:
        load({"control.prot": "1", "control.port": "z"}, environ, file)
    head, *lines = str(raised.value).split("\n")
    assert head == "8 problems:"
    for expected in (
        "unknown setting IMDS_MOCK_REGOIN; did you mean IMDS_MOCK_REGION?",
        "IMDS_MOCK_TAGS: expected key=value,key=value or a YAML mapping, got 'Name'",
        "command line: unknown setting control.prot; did you mean control.port?",
        f"{file}: instance.regoin: unknown key; did you mean instance.region?",
        f"{file}: instance.local_ipv4: expected an IPv4 address such as 10.0.1.23 or null, got '10.0.1'",
        f"{file}: server.port: expected a port number from 0 to 65535, got 'x'",
        "command line: control.port: expected a port number from 0 to 65535 or null, got 'z'",
        "IMDS_MOCK_HTTP_TOKENS: metadata_options.http_tokens: expected optional or required, got 'requird'; did",
    ):
        assert [line for line in lines if line.startswith(f"  {expected}")]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"IMDS_MOCK_TAGS": "Name"}, "IMDS_MOCK_TAGS: expected key=value,key=value or a YAML mapping, got 'Name'"),
        ({"IMDS_MOCK_TAGS": "=x"}, "got '=x'"),
        ({"IMDS_MOCK_TAGS": "a=1,a=2"}, "IMDS_MOCK_TAGS: the key 'a' is given twice; give it once"),
        ({"IMDS_MOCK_BLOCK_DEVICES": "ebs1"}, "IMDS_MOCK_BLOCK_DEVICES: expected key=value,key=value"),
        ({"IMDS_MOCK_METADATA": "meta-data/x"}, "IMDS_MOCK_METADATA: expected key=value,key=value"),
    ],
)
def test_a_mapping_in_a_variable_has_a_value_for_each_key(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load({}, environ, None)
    assert sentence in str(raised.value)


def test_a_file_that_was_pasted_into_a_variable_is_one_mistake_and_not_repeated() -> None:
    text = "server:  # for a, b and c\n  hosts: [127.0.0.1, ::1]\ncontrol: {token: secret, port: 1}\n" * 20
    with pytest.raises(ConfigError) as raised:
        load({}, {"IMDS_MOCK_TAGS": text}, None)
    assert str(raised.value) == (
        "IMDS_MOCK_TAGS: expected key=value,key=value or a YAML mapping, got several lines of text (not shown, they "
        "may hold a secret)"
    )


def test_contradictions_of_several_sections_are_named_together() -> None:
    problems = config_problems(
        {
            "instance": {"region": "eu-west-1", "availability_zone": "us-east-1a", "partition_number": 1},
            "metadata": {"meta-data/x": {"$json": "{"}, "mata-data/y": "z"},
            "credentials": {"source": "static"},
        }
    )
    assert sorted(problem.partition(": ")[0] for problem in problems) == [
        "credentials.access_key_id",
        "instance.availability_zone",
        "instance.partition_number",
        "metadata.mata-data/y",
        "metadata.meta-data/x.$json",
    ]


def test_a_contradiction_is_named_beside_what_does_not_fit_unless_it_may_come_from_that() -> None:
    both = {"region": "eu-west-1", "availability_zone": "us-east-1a", "mac": "x"}
    assert {problem.partition(": ")[0] for problem in config_problems({"instance": both})} == {
        "instance.mac",
        "instance.availability_zone",
    }
    # Without the group, which cannot be read, the partition would contradict it.
    group = {"placement_group": "\n", "partition_number": 1}
    assert len(config_problems({"instance": group})) == 1


def test_a_document_of_another_kind_does_not_fill_the_screen() -> None:
    assert len(find(AnyEvent, {"kind": "spot", **{f"k{number}": 1 for number in range(1000)}})) == MOST


@pytest.mark.parametrize(
    "document",
    [
        {"variants": [{"match": {"service": "a"}, "instance": {"rol": "x"}}] * 200},
        {"metadata": {f"meta-data/{number}": {"$tex": "x"} for number in range(200)}},
        {"instance": {"interfaces": [{"macc": "x"}] * 200}},
    ],
)
def test_a_document_with_many_mistakes_is_answered_with_as_many_sentences_as_one_reads(
    document: dict[str, Any],
) -> None:
    assert len(config_problems(document)) == MOST


def test_a_text_with_many_mistakes_is_answered_with_as_many_sentences_as_one_reads() -> None:
    with pytest.raises(ConfigError) as caught:
        load({"instance.tags": "x," * 1000}, {}, None)
    assert len(caught.value.problems) == MOST


def test_no_more_mistakes_are_looked_for_than_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []

    def counted(kinds: list[Any], key: str, *rest: Any, **options: Any) -> Any:
        looked_for.append(key)
        return unknown_key(kinds, key, *rest, **options)

    monkeypatch.setattr(finding, "unknown_key", counted)
    assert len(find(Config, {"instance": {"interfaces": [{f"k{key}": 1 for key in range(100)}] * 10}})) == MOST
    assert len(looked_for) == MOST


def test_a_section_with_many_keys_is_described_by_a_few(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mock.yaml").write_text("instance: 3\n")
    assert main(["config", "check", str(tmp_path / "mock.yaml")]) == 78
    said = capsys.readouterr().err
    assert "instance: expected a mapping with instance_id, account_id, " in said
    assert said.endswith(" and others, got '3'\n")


def test_types_in_words() -> None:
    assert in_words(int | None) == "a whole number or null"
    assert in_words(dict[str, tuple[int, ...]]) == "a mapping of text to a list, each a whole number"


def test_the_nearest_name_ignores_case_and_dashes() -> None:
    assert nearest("spto", ["spot", "stop"]) in {"spot", "stop"}
    assert nearest("HTTP-TOKENS", ["http_tokens", "port"]) == "http_tokens"
    assert nearest("qqqq", ["http_tokens", "port"]) is None


def test_a_start_prints_a_line_for_each_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {regoin: x}\nserver: {prt: 1}\nmetadata_options: {http_tokens: on}\n")
    assert main(["config", "check", str(file)]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "imds-mock: 3 problems:"
    assert [line.split(": ")[1] for line in lines[1:]] == [
        "instance.regoin",
        "server.prt",
        "metadata_options.http_tokens",
    ]


def test_a_whole_number_with_a_fraction_of_zero_is_no_violation_beside_one() -> None:
    fault = {"kind": "status", "status": 503.0, "retry_after": 1.0}
    assert read(AnyFault, fault).status == 503
    for problems in (READERS["fault"][1]({**fault, "for": "x"}), READERS["fault"][1]({**fault, "path": "mata-data/x"})):
        assert [problem.partition(": ")[0] in {"for", "path"} for problem in problems] == [True]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\x1b[31m", r"'a\x1b[31m'"),
        ("us-east-1\n", r"'us-east-1\n'"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 5000, f"'{'x' * 23}... (5000 characters)"),
        ("credentials:\n  secret: hunter2\n", "several lines of text (not shown, they may hold a secret)"),
        ("a\u2028b", "several lines of text (not shown, they may hold a secret)"),
    ],
)
def test_a_value_in_a_message_is_short(value: str, words: str) -> None:
    assert shown(value) == words


def test_a_long_sentence_loses_its_middle() -> None:
    assert bounded("x" * 1000) == "x" * 1000
    assert bounded(f"begin {'x' * 5000} end") == f"begin {'x' * 494}...{'x' * 496} end"
