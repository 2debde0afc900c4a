"""AEMM's command line, parsed with the rules of pflag and cobra."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.aemm.arguments import Arguments, is_aemm_argument, parse
from imds_mock.aemm.keys import FLAG_KEYS, Command, UsageError

GLOBAL = [
    ("--hostname", "-n", "server.hostname", "127.0.0.1", "127.0.0.1"),
    ("--port", "-p", "server.port", "80", 80),
    ("--config-file", "-c", "config-file", "a.json", "a.json"),
    ("--mock-delay-sec", "-d", "mock-delay-sec", "10", 10),
    ("--mock-trigger-time", "", "mock-trigger-time", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
    ("--mock-ip-count", "-x", "mock-ip-count", "-1", -1),
    ("--rebalance-delay-sec", "", "rebalance-delay-sec", "3", 3),
    ("--rebalance-trigger-time", "", "rebalance-trigger-time", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
    ("--asg-termination-delay-sec", "", "asg-termination-delay-sec", "3", 3),
    ("--asg-termination-trigger-time", "", "asg-termination-trigger-time", "2030-01-01T00:00:00Z",
     "2030-01-01T00:00:00Z"),
]  # fmt: skip
SPOT = [
    ("--action", "-a", "spot.action", "stop", "stop"),
    ("--time", "-t", "spot.time", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
    ("--rebalance-rec-time", "-r", "spot.rebalance-rec-time", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
]
EVENTS = [
    ("--code", "-o", "events.code", "instance-stop", "instance-stop"),
    ("--state", "-t", "events.state", "canceled", "canceled"),
    ("--not-before", "-b", "events.not-before", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
    ("--not-after", "-a", "events.not-after", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
    ("--not-before-deadline", "-l", "events.not-before-deadline", "2020-01-07T01:03:47Z", "2020-01-07T01:03:47Z"),
]
SWITCHES = [
    ("--save-config-to-file", "-s", "save-config-to-file"),
    ("--watch-config-file", "-w", "watch-config-file"),
    ("--imdsv2", "-I", "imdsv2"),
]


@pytest.mark.parametrize(
    ("words", "row"),
    [
        *(([], row) for row in GLOBAL),
        *((["asg"], row) for row in GLOBAL),
        *((["spot"], row) for row in GLOBAL + SPOT),
        *((["events"], row) for row in GLOBAL + EVENTS),
    ],
)
def test_all_notations_of_a_flag(words: list[str], row: tuple[str, str, str, str, object]) -> None:
    long, short, key, text, value = row
    forms = [[long, text], [f"{long}={text}"]]
    forms += [[short, text], [f"{short}={text}"], [f"{short}{text}"]] if short else []
    for form in forms:
        for argv in ([*words, *form], [*form, *words]):
            assert parse(argv).values == {key: value}, argv


def test_the_table_of_flags_is_complete() -> None:
    assert {row[2] for row in (*GLOBAL, *SPOT, *EVENTS, *SWITCHES)} == {key.name for key in FLAG_KEYS}


@pytest.mark.parametrize(("long", "short", "key"), SWITCHES)
def test_switches(long: str, short: str, key: str) -> None:
    for word, value in [(long, True), (f"{long}=true", True), (f"{long}=false", False), (short, True),
                        (f"{short}=false", False), (f"{short}=0", False)]:  # fmt: skip
        assert parse([word]).values == {key: value}
        assert parse([word, "spot"]).command is Command.SPOT, "a switch takes no word after it"


def test_switches_share_a_dash() -> None:
    assert parse(["-sIp80"]).values == {"save-config-to-file": True, "imdsv2": True, "server.port": 80}
    assert parse(["-Ip", "80"]).values == {"imdsv2": True, "server.port": 80}


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("spot", Command.SPOT), ("events", Command.EVENTS), ("se", Command.EVENTS), ("scheduledevents", Command.EVENTS),
        ("asglifecycle", Command.ASG_LIFECYCLE), ("asg", Command.ASG_LIFECYCLE),
        ("autoscaling", Command.ASG_LIFECYCLE),
    ],
)  # fmt: skip
def test_subcommands_and_aliases(word: str, command: Command) -> None:
    assert parse([word]) == Arguments(command)
    assert parse(["-d", "3", word]).command is command


def test_documented_command_lines() -> None:
    assert parse([]) == Arguments(Command.ALL)
    assert parse(["-p", "80"]).values == {"server.port": 80}
    assert parse(["spot", "-d", "10", "--action", "stop"]).values == {"mock-delay-sec": 10, "spot.action": "stop"}
    assert parse(["--mock-delay-sec", "10"]).command is Command.ALL
    assert parse(["events", "-o", "instance-stop", "--state", "active", "-d", "5"]).values == {
        "events.code": "instance-stop", "events.state": "active", "mock-delay-sec": 5,
    }  # fmt: skip


def test_the_meaning_of_a_letter_depends_on_the_subcommand() -> None:
    assert parse(["spot", "-t", "2020-01-07T01:03:47Z"]).values == {"spot.time": "2020-01-07T01:03:47Z"}
    assert parse(["-t", "completed", "se"]).values == {"events.state": "completed"}


def test_repeated_flags_and_the_double_dash() -> None:
    assert parse(["-p", "1", "--port=2"]).values == {"server.port": 2}
    assert parse(["spot", "--", "-p"]).extra == ("-p",)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["spotitn"], "unknown command 'spotitn'"),
        (["--prot", "80"], "unknown flag --prot; did you mean --port? (see --help)"),
        (["--action", "stop"], "unknown flag --action; it belongs to spot (see --help)"),
        (["-t", "x"], "unknown flag -t; it belongs to events and spot (see --help)"),
        (["asg", "-o", "x"], "unknown flag -o; it belongs to events (see --help)"),
        (["-q"], "unknown flag -q (see --help)"),
        (["--bogus", "-p", "80"], "unknown flag --bogus (see --help)"),
        (["--bogus", "value", "spot"], "unknown flag --bogus (see --help)"),
        (["-p"], "flag -p: expected a value (PORT)"),
        (["--port="], "flag --port: expected a port between 0 and 65535, got ''"),
        (["-p", "http"], "flag -p: expected a port between 0 and 65535, got 'http'"),
        (["-d", "soon"], "flag -d: expected a whole number, got 'soon'"),
        (["-d="], "flag -d: expected a value, got nothing"),
        (["--imdsv2=maybe"], "flag --imdsv2: expected true or false, got 'maybe'"),
        (["--mock-trigger-time", "x"], "flag --mock-trigger-time: expected an RFC 3339 time"),
        (["spot", "--rebalance-trigger-time", "notatime"], "flag --rebalance-trigger-time: expected an RFC 3339 time"),
        (["spot", "-a", "explode"], "flag -a: expected one of terminate, hibernate, stop, got 'explode'"),
        (["events", "-o", "FOO"], "flag -o: expected one of instance-reboot, system-reboot, system-maintenance, "),
        (["events", "-t", "done"], "flag -t: expected one of active, completed, canceled, got 'done'"),
    ],
)
def test_errors(argv: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(argv)
    assert str(refused.value).startswith(sentence)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("argv", "action", "command"),
    [
        (["--help"], "help", Command.ALL), (["-h"], "help", Command.ALL), (["help"], "help", Command.ALL),
        (["help", "spot"], "help", Command.SPOT), (["se", "-h"], "help", Command.EVENTS),
        (["--version"], "version", Command.ALL), (["-v"], "version", Command.ALL),
        (["completion", "bash"], "completion", Command.ALL), (["--help=false"], "", Command.ALL),
    ],
)  # fmt: skip
def test_help_version_and_completion(argv: list[str], action: str, command: Command) -> None:
    arguments = parse(argv)
    assert (arguments.action, arguments.command) == (action, command)
    assert arguments.values == {}


def test_extra_words_are_recorded() -> None:
    assert parse(["spot", "foo", "bar"]).extra == ("foo", "bar")


def test_first_arguments_of_the_drop_in() -> None:
    assert all(is_aemm_argument(word) for word in ("-p", "--imdsv2", "spot", "se", "asg", "spotitn", "--nonsense"))
    assert not any(is_aemm_argument(word) for word in ("serve", "health", "config", "certs", "ctl", "host"))


@given(st.lists(st.sampled_from(
    ["spot", "se", "-\n", "--\n=", "-p", "80", "-p80", "--", "-", "--action", "stop", "-I", "-Is", "--help",
     "-x=", "=", "--=", "-=1", "help", "completion", "", "--port", "-t"],
) | st.text(max_size=6), max_size=6))  # fmt: skip
def test_any_command_line_is_parsed_or_rejected_in_one_line(argv: list[str]) -> None:
    try:
        parse(argv)
    except UsageError as error:
        lines = str(error).splitlines()
    else:
        lines = ["read"]
    assert len(lines) == 1
