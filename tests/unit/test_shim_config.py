"""Settings and command line: valid and invalid values, and the messages."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.config import SETTINGS, Setting, ShimConfig, help_text, load, read_settings, unknown_setting_warnings
from imds_shim.errors import ConfigError, UsageError

HOST = b"MOCK_HOSTNAME=mock_metadata"


def config(*entries: str) -> ShimConfig:
    """Load the configuration of a start of `true` with these entries before a valid host name."""
    return load([b"true"], [*(entry.encode() for entry in entries), HOST])


def complaint(*entries: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(*entries)
    return str(caught.value)


def test_defaults() -> None:
    assert config() == ShimConfig(
        action="start",
        command=(b"true",),
        hostname="mock_metadata",
        port=80,
        timeout_seconds=60.0,
        log_level="info",
        backend="auto",
        route="auto",
        endpoints=frozenset({"ec2"}),
        ipv6=False,
        follow=False,
        instance=None,
        instance_name=None,
        user=None,
        keep_caps=False,
        drop_caps=frozenset(),
        no_new_privs=False,
    )


def test_settings_and_fields_correspond() -> None:
    assert {setting.field for setting in SETTINGS} | {"action", "command"} == set(ShimConfig._fields)


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting.field != "hostname"])
def test_an_empty_setting_is_an_unset_one(setting: object) -> None:
    """Compose turns `${VARIABLE:-}` into an empty value."""
    assert config(f"{getattr(setting, 'variable')}=") == config()  # noqa: B009 - parametrize hands on objects


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("mock_metadata", "mock_metadata"),
        ("mock.example.com", "mock.example.com"),
        ("mock.example.com.", "mock.example.com."),
        ("_a-1", "_a-1"),
        ("4u", "4u"),
        ("10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "127.0.0.1"),
        ("fd00::2", "fd00::2"),
        ("FD00:0::2", "fd00::2"),
        ("[fd00::2]", "fd00::2"),
        ("::ffff:10.0.0.2", "10.0.0.2"),
        (" mock \n", "mock"),
        ("a" * 63, "a" * 63),
    ],
)
def test_hosts_that_are_accepted(text: str, host: str) -> None:
    assert config(f"MOCK_HOSTNAME={text}").hostname == host


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mock:8080", "set MOCK_HOSTNAME=mock MOCK_PORT=8080"),
        ("10.0.0.2:80", "MOCK_HOSTNAME=10.0.0.2 MOCK_PORT=80"),
        ("[fd00::2]:80", "MOCK_HOSTNAME=fd00::2 MOCK_PORT=80"),
        ("http://mock", "without scheme and path, not 'http://mock': set MOCK_HOSTNAME=mock"),
        (
            "http://mock:8080/latest",
            "without scheme and path, not 'http://mock:8080/latest': set MOCK_HOSTNAME=mock MOCK_PO",
        ),
        ("http://[fd00::2]:80", "set MOCK_HOSTNAME=fd00::2 MOCK_PORT=80"),
        ("http://user:hunter2@mock", "without scheme"),
        ("http://", "without scheme"),
        (f"http://[{'1' * 5000}]", "... (5009 characters)"),
        ("mock/latest", "a host name or an IP address"),
        ("a b", "a host name or an IP address"),
        ("a..b", "a host name or an IP address"),
        ("-a", "a host name or an IP address"),
        ("bücher", "a host name or an IP address"),
        ("a" * 64, "a host name or an IP address"),
        (".".join(["a" * 50] * 6), "a host name or an IP address"),
        ("[mock]", "a host name or an IP address"),
        ("10.0.0.256", "a host name or an IP address"),
        ("10.1", "a host name or an IP address"),
        ("0.0.0.0", "the address of a server"),  # noqa: S104 - it must not be accepted
        ("::", "the address of a server"),
        ("224.0.0.1", "the address of a server"),
        ("255.255.255.255", "the address of a server"),
        ("fe80::1%eth0", "link-local"),
        ("fe80::1", "link-local"),
    ],
)
def test_hosts_that_are_rejected(text: str, words: str) -> None:
    message = complaint(f"MOCK_HOSTNAME={text}")
    assert message.startswith("MOCK_HOSTNAME must ")
    assert words in message


@pytest.mark.parametrize("entries", [[], [b"MOCK_HOSTNAME="], [b"MOCK_HOSTNAME=  "], [b"MOCK_HOSTNAME"]])
def test_a_missing_host(entries: list[bytes]) -> None:
    with pytest.raises(ConfigError, match="MOCK_HOSTNAME is required: set it to the name or IP address of the mock"):
        load([b"true"], entries)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "+80", "80.0", "8 0", "http", "٨٠", "1_0", "0x50"])
def test_bad_ports(text: str) -> None:
    assert complaint(f"MOCK_PORT={text}") == f"MOCK_PORT must be a port number from 1 to 65535, not {text!r}"


@given(st.integers(1, 65535))
def test_good_ports(port: int) -> None:
    assert config(f"MOCK_PORT={port}").port == port


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "1e3", "1_0", "60s", "86401", ".", "1.2.3", "٦", "9" * 5000])
def test_bad_timeouts(text: str) -> None:
    assert "must be a number of seconds greater than 0 and at most 86400, not " in complaint(
        f"MOCK_TIMEOUT_SECONDS={text}"
    )


@pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("0.5", 0.5), (".5", 0.5), ("86400", 86400), ("007", 7)])
def test_good_timeouts(text: str, seconds: float) -> None:
    assert config(f"MOCK_TIMEOUT_SECONDS={text}").timeout_seconds == seconds


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("MOCK_LOG_LEVEL", "debug, info, warning, error"),
        ("MOCK_BACKEND", "auto, legacy, nft"),
        ("MOCK_ROUTE", "auto, nat, route, none"),
    ],
)
def test_an_invalid_choice_lists_the_valid_ones(variable: str, words: str) -> None:
    assert complaint(f"{variable}=wrong") == f"{variable} must be one of {words}, not 'wrong'"
    field = {setting.variable: setting.field for setting in SETTINGS}[variable]
    for word in words.split(", "):
        assert getattr(config(f"{variable}={word.upper()}"), field) == word


@pytest.mark.parametrize("variable", ["MOCK_IPV6", "MOCK_FOLLOW", "MOCK_KEEP_CAPS", "MOCK_NO_NEW_PRIVS"])
def test_switches(variable: str) -> None:
    field = {setting.variable: setting.field for setting in SETTINGS}[variable]
    for text in ("1", "true", "Yes", "on"):
        assert getattr(config(f"{variable}={text}"), field) is True
    for text in ("0", "false", "No", "off", ""):
        assert getattr(config(f"{variable}={text}"), field) is False
    assert complaint(f"{variable}=2") == f"{variable} must be 1 or 0, not '2'"


@pytest.mark.parametrize(
    ("text", "names"),
    [("ecs", {"ecs"}), ("ec2,ecs,eks", {"ec2", "ecs", "eks"}), (" EC2, eks ", {"ec2", "eks"}), ("", {"ec2"})],
)
def test_services(text: str, names: set[str]) -> None:
    assert config(f"MOCK_ENDPOINTS={text}").endpoints == names


@pytest.mark.parametrize("text", ["ec3", "ec2,imds", "ec2:ecs", ","])
def test_bad_services(text: str) -> None:
    sentence = f"MOCK_ENDPOINTS must be one or more of ec2, ecs, eks, separated by commas, not {text!r}"
    assert complaint(f"MOCK_ENDPOINTS={text}") == sentence


def test_ipv6_for_services_without_ipv6_addresses() -> None:
    sentence = "MOCK_IPV6=1 needs a service with an IPv6 address in MOCK_ENDPOINTS (ec2 or eks), not ecs"
    assert complaint("MOCK_ENDPOINTS=ecs", "MOCK_IPV6=1") == sentence
    assert config("MOCK_ENDPOINTS=ecs,eks", "MOCK_IPV6=1").ipv6


def test_capabilities_with_and_without_their_prefix() -> None:
    assert config("MOCK_DROP_CAPS=net_raw, CAP_CHOWN MKNOD").drop_caps == {"NET_RAW", "CHOWN", "MKNOD"}
    assert "MOCK_DROP_CAPS must list Linux capabilities, for example NET_RAW,CHOWN, not NET_ROW" in complaint(
        "MOCK_DROP_CAPS=NET_ROW"
    )


@pytest.mark.parametrize("text", ["app", "1000", "1000:1000", "app:staff"])
def test_users(text: str) -> None:
    assert config(f"MOCK_USER={text}").user == text


@pytest.mark.parametrize("text", [":", "app:", ":1000", "a:b:c", "a b"])
def test_bad_users(text: str) -> None:
    assert "must be a name or uid with an optional group" in complaint(f"MOCK_USER={text}")


def test_all_invalid_settings_are_reported_at_once() -> None:
    message = complaint("MOCK_HOSTNAME=a:1", "MOCK_PORT=x", "MOCK_TIMEOUT_SECONDS=x", "MOCK_IPV6=x", "MOCK_BACKEND=x")
    for variable in ("MOCK_HOSTNAME", "MOCK_PORT", "MOCK_TIMEOUT_SECONDS", "MOCK_IPV6", "MOCK_BACKEND"):
        assert f"{variable} must " in message


def test_of_two_entries_with_one_name_the_first_counts() -> None:
    assert config("MOCK_PORT=1", "MOCK_PORT=2").port == 1


def test_an_unknown_setting_is_a_warning_with_the_nearest_name() -> None:
    environ = [b"MOCK_HOST=x", b"MOCK_TIMEOUT=3", b"MOCK_PORT=80", b"MOCKERY=1", b"PATH=/bin"]
    assert unknown_setting_warnings(environ) == [
        "unknown setting MOCK_HOST; did you mean MOCK_HOSTNAME?",
        "unknown setting MOCK_TIMEOUT; did you mean MOCK_TIMEOUT_SECONDS?",
    ]
    assert unknown_setting_warnings([b"MOCK_APPLICATION_SWITCHBOARD=1"]) == [
        "unknown setting MOCK_APPLICATION_SWITCHBOARD"
    ]


def links(service: str) -> list[str]:
    """The variables that a kubelet sets for a Service with a port `imds`."""
    return [
        f"{service}_SERVICE_HOST=10.96.0.7",
        f"{service}_SERVICE_PORT=80",
        f"{service}_SERVICE_PORT_IMDS=80",
        f"{service}_PORT=tcp://10.96.0.7:80",
        f"{service}_PORT_80_TCP=tcp://10.96.0.7:80",
        f"{service}_PORT_80_TCP_PROTO=tcp",
        f"{service}_PORT_80_TCP_PORT=80",
        f"{service}_PORT_80_TCP_ADDR=10.96.0.7",
    ]


@pytest.mark.parametrize("service", ["MOCK", "MOCK_IMDS_MOCK"])
def test_what_a_kubelet_sets_for_a_service_is_no_setting(service: str) -> None:
    assert config(*links(service)) == config()
    assert unknown_setting_warnings([entry.encode() for entry in links(service)]) == []


def test_a_port_and_an_unknown_setting_beside_a_service_of_the_name() -> None:
    entries = ["MOCK_SERVICE_HOST=10.96.0.7", "MOCK_PORT=1338", "MOCK_PORTT=1"]
    assert config(*entries).port == 1338
    assert unknown_setting_warnings([entry.encode() for entry in entries]) == [
        "unknown setting MOCK_PORTT; did you mean MOCK_PORT?"
    ]
    assert "MOCK_PORT must " in complaint("MOCK_PORT=tcp://10.96.0.7:80")


@pytest.mark.parametrize(
    ("argv", "action", "command"),
    [
        ([b"true"], "start", (b"true",)),
        ([b"--", b"true"], "start", (b"true",)),
        ([b"--", b"--", b"x"], "start", (b"--", b"x")),
        ([b"--", b"--init"], "start", (b"--init",)),
        ([b"sh", b"-c", b"exit 7"], "start", (b"sh", b"-c", b"exit 7")),
        ([b"a b", b"*", b"", b"\xff\xfe", b"--help"], "start", (b"a b", b"*", b"", b"\xff\xfe", b"--help")),
        ([b""], "start", (b"",)),
        ([b"--init"], "init", ()),
        ([b"--init", b"--"], "init", ()),
        ([b"--remove"], "remove", ()),
        ([b"--doctor"], "doctor", ()),
        ([b"--version"], "version", ()),
        ([b"--help", b"whatever"], "help", ()),
        ([b"-h"], "help", ()),
    ],
)
def test_command_lines(argv: list[bytes], action: str, command: tuple[bytes, ...]) -> None:
    loaded = load(argv, [HOST])
    assert (loaded.action, loaded.command) == (action, command)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no command to run"),
        ([], "repeat it as CMD in the Dockerfile or as `command:` in the compose file"),
        ([b"--"], "no command to run"),
        ([b"--wait", b"true"], "unknown option --wait"),
        ([b"-x"], "unknown option -x"),
        ([b"--\xff"], r"unknown option --\xff"),
        ([b"--init", b"true"], "--init takes no command"),
        ([b"--doctor", b"--", b"true"], "--doctor takes no command"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(argv: list[bytes], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(argv, [HOST])
    assert words in str(caught.value)


@pytest.mark.parametrize("action", [b"--remove", b"--version", b"--help"])
def test_actions_without_a_mock_need_no_host(action: bytes) -> None:
    assert load([action], []).hostname == ""


def test_the_help_lists_every_setting_with_its_default() -> None:
    text = help_text()
    for setting in SETTINGS:
        assert f"{setting.variable} " in text
        assert not setting.default or f"({setting.default})" in text


@given(st.lists(st.binary(max_size=40)), st.lists(st.binary(max_size=10), min_size=1))
def test_arbitrary_bytes_raise_only_documented_errors(environ: list[bytes], command: list[bytes]) -> None:
    """Environment and arguments may contain any bytes."""
    read_settings("start", tuple(command), environ)
    for setting in SETTINGS:
        for entry in environ:
            read_settings("start", (), [setting.variable.encode() + b"=" + entry])
    unknown_setting_warnings(environ)


@given(st.ip_addresses())
def test_every_address_is_accepted_unchanged_or_rejected_with_a_reason(address: ipaddress.IPv4Address) -> None:
    got, problems = read_settings("start", (), [f"MOCK_HOSTNAME={address}".encode()])
    if problems:
        assert problems[0].startswith("MOCK_HOSTNAME must ")
    else:
        assert ipaddress.ip_address(got.hostname) in (address, getattr(address, "ipv4_mapped", None))


def test_an_instance_is_announced_as_it_is_written() -> None:
    read = config("MOCK_INSTANCE= role=a,tags.N=x ", "MOCK_INSTANCE_NAME=worker-1")
    assert (read.instance, read.instance_name, read.announces) == ("role=a,tags.N=x", "worker-1", True)
    assert config("MOCK_INSTANCE=", "MOCK_INSTANCE_NAME=").announces is False


def test_an_instance_has_a_longest_length() -> None:
    assert config("MOCK_INSTANCE=" + "x" * 8192).instance == "x" * 8192
    assert "MOCK_INSTANCE must have at most 8192 bytes, not 8193" in complaint("MOCK_INSTANCE=" + "x" * 8193)
    assert "not 8194" in complaint("MOCK_INSTANCE=" + "ü" * 4097)
    assert "MOCK_INSTANCE_NAME must have at most 253" in complaint("MOCK_INSTANCE_NAME=" + "x" * 254)


@pytest.mark.parametrize("variable", ["MOCK_INSTANCE", "MOCK_INSTANCE_NAME"])
def test_what_is_announced_is_text(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable} must be UTF-8 text"):
        load([b"true"], [b"MOCK_HOSTNAME=mock", variable.encode() + b"=\xff"])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
@pytest.mark.parametrize("value", ["a: b\npassword: hunter2\n" * 300, "9" * 5000, "\x1b[31m\u202e" * 1000, ":" * 5000])
def test_a_document_in_a_setting_is_not_repeated(setting: Setting, value: str) -> None:
    _, problems = read_settings("start", (b"true",), [f"{setting.variable}={value}".encode()])
    (problem,) = [text for text in problems if text.startswith(f"{setting.variable} ")] or [""]
    assert len(problem) < 250
    assert "hunter2" not in problem
    assert problem.isprintable()


def test_a_long_unknown_name_is_not_repeated() -> None:
    (sentence,) = unknown_setting_warnings([b"MOCK_" + b"X" * 5000 + b"=1"])
    assert sentence == f"unknown setting 'MOCK_{'X' * 18}... (5005 characters)"
