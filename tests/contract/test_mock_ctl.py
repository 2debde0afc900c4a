"""`imds-mock ctl` against the program, as a user and as a script."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.cli import main
from support.http_server import ScriptedHttpServer
from support.mockprogram import RunningProgram, running_program
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEAF = "/latest/meta-data/instance-id"
SPOT = "/latest/meta-data/spot/instance-action"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with running_program(tmp_path_factory.mktemp("run"), ["--access-log", "off"]) as program:
        program.await_line("control plane on unix:")
        yield program


@pytest.fixture
def mock(running: RunningProgram) -> RunningProgram:
    for words in (("reset",), ("requests", "--clear")):
        assert running.ctl(*words).returncode == 0
    return running


def get(program: RunningProgram, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{program.port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def ctl(program: RunningProgram, line: str) -> str:
    done = program.ctl(*line.split())
    assert (done.returncode, done.stderr) == (0, ""), (line, done)
    return done.stdout


def ctl_json(program: RunningProgram, line: str) -> Any:
    return json.loads(ctl(program, f"{line} --json"))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("spot interrupt", SPOT),
        ("spot interrupt --action stop --notice 30s --for 1h --target 127.0.0.1", SPOT),
        ("rebalance", "/latest/meta-data/events/recommendations/rebalance"),
        ("lifecycle Terminated", "/latest/meta-data/autoscaling/target-lifecycle-state"),
    ],
)
def test_an_event_is_one_command(mock: RunningProgram, line: str, path: str) -> None:
    assert get(mock, path)[0] == 404
    assert " active: from " in ctl(mock, line)
    assert get(mock, path)[0] == 200
    (event,) = ctl_json(mock, "events list")
    ctl(mock, f"events cancel {event['id']}")
    assert get(mock, path)[0] == 404
    ctl(mock, f"events rearm {event['id']} --in 0s")
    assert get(mock, path)[0] == 200
    ctl(mock, f"events remove {event['id']}")
    assert get(mock, path)[0] == 404
    assert ctl(mock, "events list") == "no events\n"


@pytest.mark.parametrize(
    "line",
    [
        *("events clear", "fault clear", "reset", "delete meta-data/metrics"),
        *("events remove {event}", "fault remove {fault}"),
    ],
)
def test_a_call_that_answers_nothing_is_json_all_the_same(mock: RunningProgram, line: str) -> None:
    event, fault = ctl_json(mock, "rebalance")["id"], ctl_json(mock, "fault add reset --path /none")["id"]
    line = line.format(event=event, fault=fault)
    assert ctl_json(mock, line) is None


def test_a_fault_says_from_when_until_when_for_whom(mock: RunningProgram) -> None:
    said = ctl(mock, "fault add status 503 --path */iam/* --for 20s")
    assert re.fullmatch(r"status-\d+ active: \*/iam/\* from \S+Z until \S+Z for every caller\n", said)


def test_the_service_that_nothing_keeps_off(mock: RunningProgram) -> None:
    assert ctl(mock, "endpoint on") == "the endpoint is already on, and no event is pending\n"
    assert ctl_json(mock, "endpoint on") == []


def test_maintenance_moves_to_history(mock: RunningProgram) -> None:
    event = ctl_json(
        mock, "maintenance instance-retirement --not-before 1d --event-id instance-event-0123456789abcdef0"
    )
    (entry,) = json.loads(get(mock, "/latest/meta-data/events/maintenance/scheduled")[1])
    assert (entry["Code"], entry["State"]) == ("instance-retirement", "active")
    ctl(mock, f"events end {event['id']}")
    (entry,) = json.loads(get(mock, "/latest/meta-data/events/maintenance/history")[1])
    assert (entry["EventId"], entry["State"]) == ("instance-event-0123456789abcdef0", "completed")


def test_what_was_done_is_shown_before_what_is_refused(mock: RunningProgram) -> None:
    active, pending = ctl_json(mock, "rebalance")["id"], ctl_json(mock, "rebalance --in 1h")["id"]
    done = mock.ctl("events", "end", active, pending)
    assert (done.returncode, f"{active}  ended" in done.stdout) == (65, True)
    assert f"cannot end {pending}: it has not started; cancel it, or rearm it to start now" in done.stderr


def test_credentials_and_the_endpoint(mock: RunningProgram) -> None:
    role = "/latest/meta-data/iam/security-credentials/my-role"
    before = json.loads(get(mock, role)[1])
    assert ctl_json(mock, "credentials rotate")["kind"] == "credentials-rotation"
    assert json.loads(get(mock, role)[1])["AccessKeyId"] != before["AccessKeyId"]
    assert ctl_json(mock, "credentials expire --after 5m --no-renew")["event"]["renew"] is False
    ctl(mock, "endpoint off")
    assert get(mock, LEAF)[0] == 403
    ctl(mock, "endpoint on")
    assert get(mock, LEAF)[0] == 200


def test_a_scenario_is_played(mock: RunningProgram, tmp_path: Path) -> None:
    text = "steps:\n- {at: 0s, event: {kind: rebalance}}\n- {at: 1h, fault: {kind: status, status: 500}}\n"
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    table = ctl(mock, f"play {file}")
    assert "rebalance-" in table
    assert "status-" in table
    played = json.loads(mock.ctl("play", "-", "--json", stdin=text).stdout)
    assert [len(played["events"]), len(played["faults"])] == [1, 1]
    for step, place in (("{event: {kind: rebalance}, at: soon}", "at"), ("{event: {kind: spot, for: x}}", "event.for")):
        file.write_text(f"steps:\n- {step}\n")
        refused = mock.ctl("play", str(file))
        assert (refused.returncode, f"steps[0].{place}: " in refused.stderr) == (78, True)


def test_faults(mock: RunningProgram) -> None:
    ctl(mock, "fault add status 404 --path */iam/* --count 1")
    for line in (
        *("delay 1ms", "reset --for 1ms --path /none", "stall --rate 0", "truncate 3 --path /none"),
        *("revoke-tokens", "clock-skew --path /none -- -600"),
    ):
        ctl(mock, f"fault add {line}")
    assert get(mock, "/latest/meta-data/iam/info")[0] == 404
    assert get(mock, "/latest/meta-data/iam/info")[0] == 200
    first = ctl_json(mock, "fault list")[0]
    assert (first["state"], first["hits"]) == ("spent", 1)
    assert "*/iam/*" in ctl(mock, "fault list")
    ctl(mock, f"fault remove {first['id']}")
    assert len(ctl_json(mock, "fault list")) == 6
    ctl(mock, "fault clear")
    assert ctl(mock, "fault list") == "no faults\n"


@pytest.mark.parametrize(("what", "armed"), [("events", "rebalance"), ("fault", "fault add status --for 20s")])
def test_without_an_action_they_are_listed(mock: RunningProgram, what: str, armed: str) -> None:
    shown = ctl_json(mock, armed)
    assert ctl(mock, what) == ctl(mock, f"{what} list")
    for line in (f"{what} --json", f"{what} --json list", f"{what} list --json"):
        assert json.loads(ctl(mock, line)) == [shown]


def test_state_by_path(mock: RunningProgram) -> None:
    at_the_start = get(mock, "/latest/meta-data/instance-type")
    set_by_path = mock.ctl("set", "meta-data/placement/region", "eu-west-1")
    assert set_by_path.returncode == 0
    assert "imds-mock ctl: meta-data/placement/region is derived from instance.region; " in set_by_path.stderr
    assert "use `imds-mock ctl config set instance.region=VALUE`\n" in set_by_path.stderr
    assert get(mock, "/latest/meta-data/placement/region") == (200, "eu-west-1")
    assert ctl(mock, "get meta-data/placement/region") == "eu-west-1\n"
    assert "region" in ctl(mock, "get meta-data/placement").split()
    mock.ctl("set", "meta-data/list", '["a", "b"]', "--as-json")
    assert get(mock, "/latest/meta-data/list") == (200, "a\nb")
    ctl(mock, "delete meta-data/list")
    assert get(mock, "/latest/meta-data/list")[0] == 404
    assert "meta-data/instance-id" in ctl(mock, "get")
    misplaced = mock.ctl("get", "instance-id")
    assert misplaced.returncode != 0
    assert "no leaf or category at 'instance-id' now; did you mean meta-data/instance-id?" in misplaced.stderr
    assert mock.ctl("get", "meta-data/spot/termination-time").stderr.endswith(
        "no leaf or category at 'meta-data/spot/termination-time' now\n"
    )
    assert "http_tokens" in ctl(mock, "options http_tokens=required")
    assert get(mock, LEAF)[0] == 401
    ctl(mock, "options http_tokens=null")
    assert get(mock, LEAF)[0] == 200
    mock.ctl("config", "patch", "-", stdin='{"instance": {"instance_type": "m7g.large"}}')
    assert ctl(mock, "config show instance.instance_type") == '"m7g.large"\n'
    assert get(mock, "/latest/meta-data/instance-type") == (200, "m7g.large")
    assert ctl(mock, "config set instance.region=eu-west-1 instance.role=null") == ""
    assert get(mock, "/latest/meta-data/placement/availability-zone") == (200, "eu-west-1a")
    assert get(mock, "/latest/meta-data/iam/info")[0] == 404
    assert ctl_json(mock, "config set instance.tags.Name=web --json") == {"instance.tags.Name": "web"}
    assert mock.ctl("config", "set", "instance.tags", '{"a": 1').returncode == 64
    assert mock.ctl("config", "set", "--as-json", 'instance.tags={"a": "1"}').returncode == 0
    assert json.loads(ctl(mock, "config show instance.tags")) == {"a": "1"}
    restored = mock.ctl("config", "patch", '{"instance": {"role": null}}')
    assert (restored.returncode, restored.stdout) == (0, "")
    assert 'instance.role: null in a merge patch restores the default "my-role"; ' in restored.stderr
    wrong = mock.ctl("config", "set", "instance.regoin=x", "instance.mac=y", "server.prt=1")
    assert wrong.returncode == 65
    assert wrong.stderr.startswith(
        "imds-mock: 3 problems:\n  instance.regoin: unknown setting instance.regoin; did you "
    )
    assert "instance_id" in ctl(mock, "status")
    ctl(mock, "reset")
    assert ctl(mock, "requests") == "no requests\n"
    assert get(mock, "/latest/meta-data/instance-type") == at_the_start != (200, "m7g.large")


def test_requests_are_shown_and_filtered(mock: RunningProgram) -> None:
    assert ctl(mock, "requests") == "no requests\n"
    get(mock, LEAF)
    get(mock, "/latest/nothing")
    heading, first, second = ctl(mock, "requests").splitlines()
    assert heading.split()[:4] == ["TIME", "CALLER", "METHOD", "WRITTEN"]
    assert LEAF in first
    assert "404" in second
    assert len(ctl_json(mock, "requests --status 404 --version v1 --since 5m")) == 1
    assert "127.0.0.1" in ctl(mock, "callers")


def test_requests_are_followed(mock: RunningProgram) -> None:
    following = subprocess.Popen(
        [IMDS_MOCK, "ctl", "requests", "--follow", "--json", "--path", LEAF],
        env=mock.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    try:
        number = None
        while number is None:  # the stream begins some time after the program
            get(mock, LEAF)
            if ctl_json(mock, "status")["followers"]:
                get(mock, LEAF)
                number = json.loads(following.stdout.readline())["number"]
        assert number > 0
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
    finally:
        following.kill()
        following.communicate()


def test_assertions_have_exit_codes_and_name_the_caller(mock: RunningProgram) -> None:
    get(mock, LEAF)
    failed = mock.ctl("assert", "--no-imdsv1")
    assert failed.returncode == 1
    assert re.fullmatch(r"imds-mock ctl assert: IMDSv1 was used by 127\.0\.0\.1 once, last at .*Z\n", failed.stderr)
    assert mock.ctl("assert", "--asked", "*/instance-id", "--by", "127.0.0.1", "--at-most", "1").returncode == 0
    assert mock.ctl("assert", "--asked", "*/instance-id", "--at-least", "2").returncode == 1
    assert mock.ctl("assert", "--saw", "spot-interruption").returncode == 1
    ctl(mock, "spot interrupt")
    get(mock, SPOT)
    seen = mock.ctl("assert", "--saw", "spot-interruption", "--caller", "127.0.0.1")
    assert (seen.returncode, "first seen by 127.0.0.1 at" in seen.stdout) == (0, True)
    assert "spot-interruption" in ctl(mock, "notices")


@pytest.mark.parametrize("claim", ["--no-imdsv1", "--asked * --at-most 0", "--saw spot-interruption"])
def test_an_assertion_without_a_request_to_check_fails(mock: RunningProgram, claim: str) -> None:
    def check(*words: str) -> tuple[int, str]:
        done = mock.ctl("assert", *claim.split(), *words)
        return done.returncode, done.stderr

    code, said = check()
    assert (code, said.count("\n")) == (1, 1)
    assert "no request was recorded" in said
    assert "--allow-empty" in said
    # What must have happened has not, whatever is allowed.
    assert check("--allow-empty")[0] == (1 if "--saw" in claim else 0)
    get(mock, LEAF)
    get(mock, LEAF)
    code, said = check("--by", "10.1.2.3", "--allow-empty")
    assert (code, "'10.1.2.3' matches no caller" in said) == (1, True)
    code, said = check("--caller", "wbe", "--allow-empty")
    assert (code, "'wbe' matches no caller" in said) == (1, True)
    assert "no request was recorded" not in check()[1]
    ctl(mock, "requests --clear")
    code, said = check("--by", "127.0.0.1")
    assert (code, "no request was recorded, so" in said) == (1, True)


def test_a_silent_caller_is_said(mock: RunningProgram) -> None:
    get(mock, LEAF)
    ctl(mock, "requests --clear")
    with socket.create_connection(("127.0.0.1", mock.port), 10, ("127.0.0.2", 0)) as other:
        other.sendall(b"PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
        assert other.recv(1024)
    done = mock.ctl("assert", "--no-imdsv1", "--by", "127.0.0.1")
    assert (done.returncode, done.stdout) == (0, "no caller has used IMDSv1; no request was recorded from 127.0.0.1\n")


@pytest.mark.parametrize(
    "line",
    [
        "spot interrupt --target wbe",
        "rebalance --target wbe",
        "fault add reset --target wbe",
        "requests --caller wbe",
        "notices --caller wbe",
        "get meta-data/instance-id --caller wbe",
        "whoami --caller wbe",
    ],
)
def test_a_name_that_matches_no_caller_is_said_on_standard_error(mock: RunningProgram, line: str) -> None:
    done = mock.ctl(*line.split())
    assert "'wbe' matches no caller: no container or service has this name now" in done.stderr
    assert done.stderr.count("\n") == 1
    assert mock.ctl(*line.split(), "--json").stderr == done.stderr


@pytest.mark.parametrize(
    "line",
    ["spot interrupt --for 0s", "rebalance --at 2020-01-01T00:00:00Z --for 1h", "fault add reset --for 0s"],
)
def test_what_is_over_before_it_begins_is_said(mock: RunningProgram, line: str) -> None:
    done = mock.ctl(*line.split())
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "so it has no effect; give a later start or end" in done.stderr


def test_the_lists_show_how_many_callers_each_entry_matches(mock: RunningProgram) -> None:
    get(mock, LEAF)
    for line in ("rebalance", "rebalance --target 127.0.0.1", "rebalance --target wbe"):
        mock.ctl(*line.split())
    for line in ("fault add revoke-tokens", "fault add reset --target wbe"):
        mock.ctl(*line.split())
    assert [each["callers"] for each in ctl_json(mock, "events list")] == [None, 1, 0]
    assert [each["callers"] for each in ctl_json(mock, "fault list")] == [None, 0]
    heading, *rows = ctl(mock, "events list").splitlines()
    at = heading.index("CALLERS")
    assert [row[at:].split()[0] for row in rows] == ["all", "1", "0"]
    assert "CALLERS" in ctl(mock, "fault list")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("spot interrupt --in soon", 65, "a duration such as 30s"),
        ("events cancel spot-99", 65, "unknown event 'spot-99'; no event is armed"),
        ("get meta-data/nothing", 65, "no leaf or category at 'meta-data/nothing' now"),
        ("get meta-data/plcement", 65, "at 'meta-data/plcement' now; did you mean meta-data/placement?"),
        ("get meta-data/placement/regin", 65, "did you mean meta-data/placement/region?"),
        ("delete meta-data/instance_id", 65, "did you mean meta-data/instance-id?"),
        ("config show instance.rol", 65, "unknown setting instance.rol; did you mean instance.role?"),
        ("options http_tokens", 64, "expected NAME=VALUE, such as http_tokens=required"),
        ("config patch {", 64, "not JSON"),
        ("lifecycle Nowhere", 64, "STATE: expected Detached, InService, "),
        ("assert", 64, "give one of --no-imdsv1, --asked or --saw"),
        ("assert --asked * --asked */mac", 64, "--asked is given twice"),
        ("assert --asked * --by a --caller b", 64, "--caller is given twice"),
        ("assert --asked * --at-least 3 --at-most 2", 64, "--at-least 3 and --at-most 2 exclude each other"),
        ("assert --no-imdsv1 --at-most 0", 64, "--at-most cannot be used with --no-imdsv1"),
        ("assert --saw spot-interruption --at-least 0", 64, "--at-least cannot be used with --saw"),
        ("requests --clear --path */mac", 64, "--path cannot be used with --clear"),
        ("rebalance --target a --target b", 64, "--target is given twice"),
        ("fault add reset --rate nan", 64, "--rate: expected a number, got 'nan'"),
        ("fault add clock-skew 1e999", 64, "SECONDS: expected a number, got '1e999'"),
        ("credentials expire --after -5s", 64, "write one that begins with a dash as --after=VALUE"),
        ("config set instance.region=a instance.region=b", 64, "instance.region is given twice"),
        ("options http_tokens=required http_tokens=optional", 64, "http_tokens is given twice"),
        ('config patch {"instance":{"role":"a","role":"b"}}', 64, "the patch has a key twice in one mapping"),
        ('config set --as-json instance.tags={"a":"1","a":"2"}', 64, "instance.tags has a key twice in one mapping"),
        ("config patch null", 64, "the patch: expected a mapping such as {"),
        ("config patch []", 64, "the patch: expected a mapping such as {"),
        ("", 64, "missing COMMAND"),
        (
            "status --url http://[::1",
            64,
            "control plane address: expected unix:/path or http://HOST:PORT, got 'http://[::1'",
        ),
        ("status --url http://a..b", 69, "no control plane answers at http://a..b"),
        ("status --url http://127.0.0.1:9", 69, "no control plane answers at http://127.0.0.1:9 (Connection refused)"),
        ("status --url unix:/nowhere.sock", 69, "unix:/nowhere.sock"),
        ("status --url http://a\x01c:1", 64, "expected unix:/path or http://HOST:PORT"),
        ("get meta-data/\udcff", 64, "the arguments are not UTF-8 text"),
        ("status --url 127.0.0.1", 64, "expected unix:/path or http://HOST:PORT"),
    ],
)
def test_mistakes_end_with_one_sentence_and_a_code(mock: RunningProgram, line: str, code: int, words: str) -> None:
    done = mock.ctl(*line.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("line", ["status", "requests --follow"])
def test_a_web_server_in_place_of_the_control_plane_is_said(mock: RunningProgram, line: str) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
    with ScriptedHttpServer(lambda _head: page) as server:
        done = mock.ctl(*line.split(), "--url", f"http://127.0.0.1:{server.port}")
    assert done.returncode == 65
    assert done.stderr == (
        "imds-mock: unexpected response with status 200; check that --url is the control plane of an imds-mock\n"
    )


@pytest.mark.parametrize("token", ["a" * 16 + "\nb", "\u20ac" * 16])
def test_a_token_that_cannot_be_sent_is_named_and_not_shown(mock: RunningProgram, token: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mock.environment, "IMDS_MOCK_CONTROL_TOKEN", token)
        done = mock.ctl("status")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "imds-mock: IMDS_MOCK_CONTROL_TOKEN: expected printable ASCII characters in one line\n"


def test_a_reader_that_has_seen_enough_is_no_failure(mock: RunningProgram) -> None:
    command: list[str | Path] = [IMDS_MOCK, "ctl", "config", "show"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(command, env=mock.environment, stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_two_mocks_have_to_be_told_apart(tmp_path: Path) -> None:
    with running_program(tmp_path) as one, running_program(tmp_path) as two:
        for program in (one, two):
            program.await_line("control plane on unix:")
        refused = one.ctl("status")
        assert refused.returncode == 64
        urls = re.findall(r"unix:\S+\.sock", refused.stderr)
        assert len(urls) == 2
        assert one.ctl("status", "--url", urls[0]).returncode == 0
        assert one.end() == two.end() == 0
        assert list(tmp_path.glob("**/*.sock")) == []


def test_the_host_reaches_it_over_tcp(mock: RunningProgram) -> None:
    address = next(found[1] for line in mock.lines if (found := re.search(r"control plane on .*?, (\S+:\d+)", line)))
    url = f"http://127.0.0.1:{address.rpartition(':')[2]}"
    assert mock.ctl("status", "--url", url).returncode == 0


def test_completion_knows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "tcsh"):
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert "interrupt" in script
        assert "revoke-tokens" in script


def test_the_completion_of_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    ask = (
        f"source {script}; COMP_WORDS=(imds-mock ctl spot inter); COMP_CWORD=3; "
        '"$(complete -p imds-mock | grep -o "_[a-z_]*")"; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["interrupt"]
