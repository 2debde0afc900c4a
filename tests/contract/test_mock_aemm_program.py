"""The drop-in, started as AEMM documents it, and its responses over sockets."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from support.aemm import END, EVENTS, LEAVES, LIFECYCLE, LISTINGS, PAGES, REBALANCE, SCHEDULED, SPOT, written
from support.aemm_program import ask, ended, exchange, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = ("-n", "127.0.0.1", "-p", "0")
TTL = "X_aws_ec2_metadata_token_ttl_seconds"
TOKEN = "X_aws_ec2_metadata_token"  # noqa: S105 - the name of a header


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running("ec2-metadata-mock", *LOCAL) as program:
        yield program.ports()["127.0.0.1"]


def test_every_leaf(port: int) -> None:
    for path, leaf in LEAVES.items():
        answer = ask(port, path)
        assert (answer.status, answer.body.decode(), answer["Content-Type"]) == (
            200,
            leaf["body"],
            leaf["content_type"],
        )
        assert answer["Content-Length"] == str(len(answer.body))
        assert answer["Server"] == "EC2ws"
        assert ask(port, f"{path}/").body == answer.body
        headless = ask(port, path, "HEAD")
        assert (headless.status, headless.body, headless["Content-Length"]) == (200, b"", str(len(answer.body)))


def test_every_listing(port: int) -> None:
    for path, listing in LISTINGS.items():
        for form in (path, f"{path}/", f"/{path}", f"{path}?x=1"):
            answer = ask(port, form)
            assert (answer.status, answer.body.decode(), answer["Content-Type"]) == (200, listing, "text/plain"), form


def test_pages(port: int) -> None:
    answers = {
        "404": ask(port, "/latest/meta-data/nope"),
        "400": ask(port, "/latest/api/token", "PUT", **{TTL: "0"}),
        "401": ask(port, "/latest/meta-data/mac", **{TOKEN: "bogus"}),
    }
    for status, answer in answers.items():
        assert (answer.status, answer.body.decode()) == (int(status), PAGES[status])
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
    unreadable = exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\nb\r\n\r\n")
    assert (unreadable.status, unreadable.body) == (400, b"400 Bad Request")
    assert unreadable["Content-Type"] == "text/plain; charset=utf-8"
    assert unreadable["Connection"] == "close"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/latest/meta-data/%69nstance-id", b"i-1234567890abcdef0"),
        ("http://169.254.169.254/latest/meta-data/mac", b"0e:49:61:0f:c3:11"),
        ("/latest//meta-data/mac", b"0e:49:61:0f:c3:11"),
        ("/latest/meta-data/mac?x=1", b"0e:49:61:0f:c3:11"),
    ],
)
def test_other_notations_of_a_path(port: int, target: str, body: bytes) -> None:
    answer = ask(port, target)
    assert (answer.status, answer.body) == (200, body)


def test_a_session(port: int) -> None:
    for ttl, shown in (("1", "1"), ("21600", "21600"), (" 60 ", "60"), ("060", "60")):
        token = ask(port, "/latest/api/token", "PUT", **{TTL: ttl})
        assert (token.status, token[TTL.replace("_", "-")]) == (200, shown)
    answer = ask(port, "/latest/meta-data/mac", **{TOKEN: token.body.decode()})
    assert (answer.status, int(answer[TTL.replace("_", "-")])) == (200, 60)


@pytest.mark.parametrize(
    ("argv", "environ", "reason", "present"),
    [
        (["ec2-metadata-mock", *LOCAL], {}, "the command is ec2-metadata-mock", EVENTS),
        (["imds-mock", "-p", "0"], {}, "the first argument is -p", EVENTS),
        (["imds-mock", "spot", "-a", "stop", *LOCAL], {}, "the first argument is spot", {SPOT, END, REBALANCE}),
        (["imds-mock", "spot", "-d", "1000000", "--action", "stop", *LOCAL], {}, "the first argument is spot",
         {REBALANCE}),
        (["imds-mock", "--imdsv2=false", *LOCAL], {}, "the first argument is --imdsv2=false", EVENTS),
        (["ec2-metadata-mock", "se"], {"AEMM_SERVER_PORT": "0", "AEMM_SERVER_HOSTNAME": "127.0.0.1"},
         "the command is ec2-metadata-mock", {SCHEDULED}),
        (["ec2-metadata-mock", "asg", *LOCAL, "--asg-termination-trigger-time", "2100-01-01T00:00:00Z"], {},
         "the command is ec2-metadata-mock", {LIFECYCLE}),
        (["ec2-metadata-mock", *LOCAL, "--mock-trigger-time", "2100-01-01T00:00:00Z"], {},
         "the command is ec2-metadata-mock", {REBALANCE, LIFECYCLE}),
        (["imds-mock", "serve", "--host", "127.0.0.1", "--port", "0"], {"AEMM_SPOT_ACTION": "stop"},
         "the variable AEMM_SPOT_ACTION is set", EVENTS),
        (["imds-mock", "serve", "--host", "127.0.0.1", "--port", "0", "--set", "compatibility=aemm"], {},
         "the setting compatibility", EVENTS),
        (["imds-mock", "serve", "--host", "127.0.0.1", "--port", "1"], {"AEMM_SERVER_PORT": "0"},
         "the variable AEMM_SERVER_PORT is set", EVENTS),
        (["ec2-metadata-mock", *LOCAL], {"IMDS_MOCK_PORT": "1", "IMDS_MOCK_CONTROL_ENABLED": "false"},
         "the command is ec2-metadata-mock", EVENTS),
        (["ec2-metadata-mock", *LOCAL, "--mock-trigger-time=2000-01-01T00:00:00Z", "-d", "9999"], {},
         "the command is ec2-metadata-mock", EVENTS),
    ],
)  # fmt: skip
def test_documented_starts(argv: list[str], environ: dict[str, str], reason: str, present: set[str]) -> None:
    with running(*argv, **environ) as program:
        line = program.await_line("Initiating ec2-metadata-mock for ")
        mocked = {"spot": "EC2 Spot interruption notice", "se": "EC2 Events", "asg": "EC2 ASG Lifecycle"}
        assert f"for {mocked.get(argv[1] if len(argv) > 1 else '', 'all mocks')} on port 0" in line
        ports = program.ports()
        assert f"(compatibility aemm: {reason})" in program.said[-1]
        number = next(iter(ports.values()))
        assert {path for path in EVENTS if ask(number, path).status == 200} == present
        assert ask(number, "/latest/meta-data/instance-id").body == b"i-1234567890abcdef0"
        assert program.end() == 0


def test_the_default_is_all_addresses_of_both_families() -> None:
    with running("ec2-metadata-mock", "-p", "0") as program:
        ports = program.ports()
        for host in ("127.0.0.1", "::1"):
            assert ask(next(iter(ports.values())), "/", host=host).body == b"latest\n"
    for name in ("[::1]", "::1"):
        with running("ec2-metadata-mock", "-p", "0", "-n", name) as program:
            assert ask(program.ports()["[::1]"], "/", host="::1").body == b"latest\n"


def test_imdsv2() -> None:
    with running("imds-mock", "--imdsv2", *LOCAL) as program:
        port = program.ports()["127.0.0.1"]
        for path in ("/", "/latest", "/latest/meta-data/spot", "/latest/meta-data/mac", "/latest/nope", SPOT):
            assert (ask(port, path).status, ask(port, path).body.decode()) == (401, PAGES["401"])
        token = ask(port, "/latest/api/token", "PUT", **{TTL: "60"}).body.decode()
        assert ask(port, SPOT, **{TOKEN: token}).status == 200
        assert not [line for line in program.said if token in line], "no token in the log"


def test_the_first_addresses_are_served() -> None:
    with running("ec2-metadata-mock", *LOCAL) as program:
        port = program.ports()["127.0.0.1"]
        sources = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2")
        assert [ask(port, SPOT, source=source).status for source in sources] == [200, 200, 404, 200]
        assert ask(port, SCHEDULED, source="127.0.0.4").status == 200


def test_times_are_independent_of_the_time_zone() -> None:
    with running(
        "ec2-metadata-mock", "events", *LOCAL, "-b", "2020-01-10T01:03:47+05:00", TZ="America/New_York"
    ) as program:
        event = json.loads(ask(program.ports()["127.0.0.1"], SCHEDULED).body)[0]
        assert event["NotBefore"] == "9 Jan 2020 20:03:47 GMT"


@pytest.mark.parametrize(
    ("argv", "environ", "code", "part"),
    [
        (["ec2-metadata-mock", "spotitn"], {}, 2, "unknown command 'spotitn'"),
        (["ec2-metadata-mock", "spot", "-a", "explode"], {}, 2, "flag -a: expected one of terminate, hibernate, stop"),
        (["imds-mock", "events", "--code", "FOO"], {}, 2, "flag --code: expected one of instance-reboot,"),
        (["imds-mock", "--prot", "80"], {}, 2, "unknown flag --prot; did you mean --port?"),
        (["ec2-metadata-mock", "--mock-trigger-time", "soon"], {}, 2, "flag --mock-trigger-time: expected an RFC 3339"),
        (["ec2-metadata-mock", "-n", "nowhere.example"], {}, 2, "flag -n: expected an IP address or localhost"),
        (["ec2-metadata-mock"], {"AEMM_SPOT_ACTION": ""}, 2, "variable AEMM_SPOT_ACTION: expected one of"),
        (["ec2-metadata-mock"], {"AEMM_USERDATA_VALUES_USERDATA": "*"}, 2, "variable AEMM_USERDATA_VALUES_USERDATA: "),
        (["ec2-metadata-mock", "-c", "/none.json"], {}, 1, "config file /none.json (flag -c) does not exist"),
        (["ec2-metadata-mock", "-c", "/dev/null"], {}, 1, "config file /dev/null: a file without an extension is not"),
        (["ec2-metadata-mock", "completion", "tcsh"], {}, 2, "completion: expected one of bash, zsh, fish, powershell"),
    ],
)  # fmt: skip
def test_errors_have_one_line(argv: list[str], environ: dict[str, str], code: int, part: str) -> None:
    result = ended(*argv, **environ)
    assert result.returncode == code
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_the_error_for_a_port_in_use_has_one_line(port: int) -> None:
    result = ended("ec2-metadata-mock", "-n", "127.0.0.1", "-p", str(port))
    assert result.returncode == 69
    assert result.stderr.splitlines()[-1].startswith(f"imds-mock: cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in result.stderr


def test_output_of_help_version_and_completion() -> None:
    for argv in (["ec2-metadata-mock", "--help"], ["ec2-metadata-mock", "help"], ["imds-mock", "spot", "--help"]):
        result = ended(*argv)
        assert (result.returncode, result.stderr) == (0, "")
        for part in ("--mock-ip-count", "AEMM_SPOT_ACTION", "--port", "server.port"):
            assert part in result.stdout
    assert ended("ec2-metadata-mock", "--version").stdout.startswith("v1.13.0 ")
    completion = ended("ec2-metadata-mock", "completion", "bash").stdout
    assert "scheduledevents" in completion
    assert "--mock-ip-count" in completion


def test_a_config_file_and_settings_without_an_effect(tmp_path: Path) -> None:
    file = written(tmp_path, {"server": {"hostname": "127.0.0.1", "port": 0}, "metadata": {"values": {"mca": "x"}},
                              "imdsv2": True})  # fmt: skip
    with running("ec2-metadata-mock", "-c", str(file), "-I=false", AEMM_SPOT_ITN_ACTION="stop") as program:
        port = program.ports()["127.0.0.1"]
        assert ask(port, "/").status == 200
        said = "\n".join(program.said)
        assert f"key metadata.values.mca in file {file} has no effect: did you mean metadata.values.mac?" in said
        assert "variable AEMM_SPOT_ITN_ACTION has no effect: did you mean AEMM_SPOT_ACTION?" in said


def test_saved_settings_can_be_used_as_the_config_file(tmp_path: Path) -> None:
    with running(
        "ec2-metadata-mock", *LOCAL, "-s", HOME=str(tmp_path), AEMM_METADATA_VALUES_MAC="02:00:00:00:00:01"
    ) as program:
        program.ports()
        saved = tmp_path / ".ec2-metadata-mock" / ".aemm-config-used.json"
        assert f"imds-mock: saved the settings in force to {saved}" in program.said
    with running("ec2-metadata-mock", "-c", str(saved), "-s=false") as program:
        port = program.ports()["127.0.0.1"]
        assert ask(port, "/latest/meta-data/network/interfaces/macs/").body == b"02:00:00:00:00:01/"


def test_a_failed_save_does_not_stop_the_start(tmp_path: Path) -> None:
    home = written(tmp_path, "")
    with running("ec2-metadata-mock", *LOCAL, "-s", HOME=str(home)) as program:
        assert program.await_line("cannot save the settings in force to ")
        assert ask(program.ports()["127.0.0.1"], "/").status == 200


def test_a_watched_config_file_is_applied_as_a_whole(tmp_path: Path) -> None:
    def document(name: str, **more: object) -> dict[str, object]:
        return {"metadata": {"values": {"mac": name}}, "server": {"port": 0}, **more}

    file = written(tmp_path, document("first"))
    with running("ec2-metadata-mock", "-n", "127.0.0.1", "-w", "-c", str(file)) as program:
        port = program.ports()["127.0.0.1"]

        def seen() -> bytes:
            return ask(port, "/latest/meta-data/network/interfaces/macs/").body

        assert seen() == b"first/"
        written(tmp_path, document("second", server={"port": 81}))
        assert "changes to section server take effect at the next start" in program.await_line("take effect")
        assert (seen(), ask(port, "/latest/meta-data/mac").body) == (b"second/", b"second")
        written(tmp_path, document("third", spot={"action": "explode"}))
        assert "key spot.action in file" in program.await_line("cannot reload the configuration")
        assert seen() == b"second/"
        os.replace(written(tmp_path, document("fourth"), "new.json"), file)  # noqa: PTH105 - as an editor does it
        program.await_line("configuration reloaded")
        assert seen() == b"fourth/"
        assert program.end() == 0


def test_compatibility_imds_disables_the_drop_in() -> None:
    options = ("serve", "--host", "127.0.0.1", "--port", "0", "--set", "compatibility=imds")
    with running("imds-mock", *options, AEMM_SPOT_ACTION="stop") as program:
        port = program.ports()["127.0.0.1"]
        assert "compatibility" not in program.said[-1]
        assert ask(port, "/").body.startswith(b"1.0\n")


def test_a_native_configuration_file_may_contain_the_section_aemm(tmp_path: Path) -> None:
    document = {"compatibility": "aemm", "metadata_options": {"http_tokens": "required"},
                "metadata": {"meta-data/ami-id": "ami-1", "meta-data/kernel-id": None},
                "aemm": {"command": "spot", "spot": {"action": "stop"}, "metadata.values.mac": "x"}}  # fmt: skip
    options = ("serve", "--host", "127.0.0.1", "--port", "0", "--config", str(written(tmp_path, document)))
    with running("imds-mock", *options, AEMM_METADATA_VALUES_MAC="y") as program:
        assert "for EC2 Spot interruption notice" in program.await_line("Initiating")
        port = program.ports()["127.0.0.1"]
        assert ask(port, "/latest/meta-data/mac").status == 401
        token = {TOKEN: ask(port, "/latest/api/token", "PUT", **{TTL: "60"}).body.decode()}
        assert ask(port, "/latest/meta-data/mac", **token).body == b"y"
        assert json.loads(ask(port, SPOT, **token).body)["action"] == "stop"
        assert ask(port, "/latest/meta-data/ami-id", **token).body == b"ami-1"
        assert ask(port, "/latest/meta-data/kernel-id", **token).status == 404
        assert ask(port, SCHEDULED, **token).status == 404
