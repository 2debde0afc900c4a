"""Settings that reach beyond the mock: marked on the schema, and refused wherever the control plane takes settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import pytest
from msgspec import Meta

from imds_mock.aemm.keys import KEYS, STARTUP_KEYS
from imds_mock.config.errors import dotted
from imds_mock.config.facts import UserData
from imds_mock.config.marks import PRIVILEGED, PRIVILEGED_VALUES, marked_settings
from imds_mock.config.settings import Config
from imds_mock.credentials.requests import WORKING_SOURCES
from imds_mock.events.kinds import AnyEvent
from imds_mock.events.scenario import Scenario
from imds_mock.faults.kinds import AnyFault
from imds_mock.violations.hiding import extra_of
from imds_mock.violations.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.held_mock import HeldMock
    from support.mockcontrol import Reply

REACHING: Final = re.compile(
    r"\b(files?|folders?|director(y|ies)|paths?|sockets?|urls?|addresse?s?|endpoints?|programs?|commands?|profiles?|"
    r"servers?|hosts?|AWS configuration)\b",
    re.IGNORECASE,
)
HARMLESS: Final = {
    "server.hosts": "a listener's, used up at the start (section `server`)",
    "control.hosts": "a listener's, used up at the start (section `control`)",
    "control.token": "a secret; says for whom",
    "control.allowed_hosts": "names that are compared with a header",
    "callers.look_up_seconds": "a time",
    "metadata_options.data_path_allow": "a header's value",
    "instance.virtualization_profile": "a leaf's value",
    "instance.ami_manifest_path": "a leaf's value",
    "instance.root_device": "a leaf's value",
    "instance.host_id": "a leaf's value",
    "instance.hostname": "a leaf's value",
    "instance.hostname_type": "a leaf's value",
    "instance.domain_name": "a leaf's value",
    "instance.local_ipv4": "a leaf's value",
    "instance.public_ipv4": "a leaf's value",
    "instance.mac": "a leaf's value",
    "instance.instance_profile": "a leaf's value",
    "instance.instance_profile_id": "a leaf's value",
    "instance.role": "a leaf's value",
    "instance.interfaces.*.local_ipv4s": "a leaf's value",
    "instance.interfaces.*.public_ipv4s": "a leaf's value",
    "instance.interfaces.*.ipv6s": "a leaf's value",
    "instance.interfaces.*.mac": "a leaf's value",
    "instance.interfaces.*.subnet_ipv4_cidr_block": "a leaf's value",
    "instance.interfaces.*.subnet_ipv6_cidr_blocks": "a leaf's value",
    "instance.interfaces.*.vpc_ipv4_cidr_blocks": "a leaf's value",
    "instance.interfaces.*.vpc_ipv6_cidr_blocks": "a leaf's value",
    "metadata": "what is below a path of the tree",
    "ecs.documents": "what is below a path of the agent",
    "variants.*.metadata": "what is below a path of the tree",
    "aemm": "the keys that name files are used at the start only, see below",
    "variants.*.match.address": "compared with a caller's address",
}
"""Fields that speak of such things and reach none of them."""


def fields_of(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Every field below a type with its path, items of lists and mappings as `*`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for known in msgspec.structs.fields(kind):
            yield ".".join((*path, known.name)), known
            yield from fields_of(known.type, (*path, known.name))
    elif getattr(kind, "__origin__", None) in {dict, tuple}:
        yield from fields_of(kind.__args__[-2 if kind.__origin__ is tuple else 1], (*path, "*"))
    else:
        members = (kind.__origin__,) if hasattr(kind, "__metadata__") else getattr(kind, "__args__", ())
        for member in members:
            yield from fields_of(member, path)


def holds_text(kind: Any) -> bool:
    """Whether a value of this type can be free text."""
    if kind is str:
        return True
    members = (kind.__origin__,) if hasattr(kind, "__metadata__") else getattr(kind, "__args__", ())
    return any(holds_text(member) for member in members)


def speaking_of_places(kind: Any) -> Iterator[str]:
    for path, known in fields_of(kind):
        words = f"{path.rpartition('.')[2].replace('_', ' ')} {describes(known)}"
        if holds_text(known.type) and REACHING.search(words):
            yield path


def describes(known: msgspec.structs.FieldInfo) -> str:
    return next(str(meta.description) for meta in known.type.__metadata__ if meta.description)


def test_every_field_that_names_a_file_or_an_address_is_marked_or_known_to_be_harmless() -> None:
    marked = {dotted(each.path) for each in marked_settings(Config, PRIVILEGED)}
    unmarked = {path for path in speaking_of_places(Config) if path not in marked}
    assert unmarked - HARMLESS.keys() == set(), "mark these on the schema, or say here why they reach nothing"
    assert HARMLESS.keys() - {path for path, _ in fields_of(Config)} == set(), "these are gone"


def test_a_new_field_that_names_a_file_is_found() -> None:
    class More(msgspec.Struct):
        log: Annotated[str | None, Meta(description="File for the log.")] = None
        webhook_url: Annotated[tuple[str, ...], Meta(description="Is told.")] = ()
        nested: Annotated[dict[str, UserData], Meta(description="Nested.")] = {}
        count: Annotated[int, Meta(description="Files at most.")] = 1

    assert list(speaking_of_places(More)) == ["log", "webhook_url", "nested.*.file"]


def test_fetched_credentials_are_a_matter_of_the_mock_s_owner() -> None:
    marked = {dotted(each.path): each.extra for each in marked_settings(Config, PRIVILEGED)}
    assert set(marked["credentials.source"][PRIVILEGED_VALUES]) == WORKING_SOURCES


def test_files_of_the_drop_in_are_a_matter_of_its_start() -> None:
    of_leaves = ("metadata.", "dynamic.", "userdata.")
    named = {name for name in KEYS if not name.startswith(of_leaves) and REACHING.search(name.replace("-", " "))}
    assert {"config-file", "save-config-to-file"} <= named <= set(STARTUP_KEYS)


def test_events_and_faults_name_no_files() -> None:
    for kind in (AnyEvent, AnyFault, Scenario):
        for path, known in fields_of(kind):
            name = path.rpartition(".")[2]
            assert name == "path" or not REACHING.search(name.replace("_", " ")), (path, "a fault's path is a pattern")
            assert not extra_of(known.type).keys() & {PRIVILEGED, SECRET}


START: Final[dict[str, Any]] = {
    "credentials": {"source": "profile", "profile": "dev"},
    "variants": [{"match": {"service": "a"}, "credentials": {"source": "profile", "profile": "a"}}],
}
NAMED: Final = [
    (("credentials", "source"), "profile", "the mock then uses the AWS"),
    (("credentials", "source"), "assume-role", "uses the AWS configuration files, variables"),
    (("credentials", "profile"), "dev", "it names a profile of the mock's own user"),
    (("credentials", "endpoint_url"), "http://10.0.0.9/", "it names the address that credentials are sent to"),
    (("eks", "token_file"), "/etc/passwd", "it names a file that the mock reads"),
    (("eks", "token_file"), "", "it names a file that the mock reads"),
    (("eks", "token_file"), 0, "it names a file that the mock reads"),
    (("instance", "user_data", "file"), "/etc/passwd", "it names a file that the mock reads"),
    (("callers", "name_server"), "10.0.0.9", "it names the address that decides which caller gets which credentials"),
    (("server", "access_log_file"), "/nowhere/x", "it names a file that the mock writes"),
    (("control", "socket"), "/nowhere/x", "it names a file that the mock makes"),
    (("signing", "key_directory"), "/nowhere/x", "it names a folder that the mock reads and writes"),
]
SECTIONS_OF_VARIANTS: Final = {"instance", "credentials", "eks"}


def nested(parts: tuple[str, ...], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def variant_with(document: dict[str, Any], **match: str) -> dict[str, Any]:
    return {"variants": [{"match": match or {"service": "new"}, **document}]}


WAYS: Final[dict[str, Callable[[HeldMock, tuple[str, ...], Any], Reply]]] = {
    "patch": lambda mock, parts, value: mock.call("PATCH", "/v1/config", nested(parts, value)),
    "put": lambda mock, parts, value: mock.call("PUT", "/v1/config", nested(parts, value)),
    "path": lambda mock, parts, value: mock.call("PUT", f"/v1/config/{'/'.join(parts)}", {"value": value}),
    "key": lambda mock, parts, value: mock.call("POST", "/v1/config", {".".join(parts): value}),
    "section": lambda mock, parts, value: mock.call(
        "PUT", f"/v1/config/{parts[0]}", {"value": nested(parts[1:], value)}
    ),
    "variant": lambda mock, parts, value: mock.call("PATCH", "/v1/config", variant_with(nested(parts, value))),
    "variants": lambda mock, parts, value: mock.call(
        "PUT", "/v1/config/variants", {"value": variant_with(nested(parts, value))["variants"]}
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("parts", "value", "reason"), NAMED)
def test_a_setting_that_reaches_beyond_the_mock_is_refused_over_the_control_plane(
    started: Callable[..., HeldMock], way: str, parts: tuple[str, ...], value: Any, reason: str
) -> None:
    if way.startswith("variant") and parts[0] not in SECTIONS_OF_VARIANTS:
        return
    mock = started()
    before = mock.call("GET", "/v1/config").json
    reply = WAYS[way](mock, parts, value)
    assert reply.status == 422
    assert f"{'.'.join(parts)}: cannot be set" in reply.json["detail"]
    assert reason in reply.json["detail"]
    assert "set it in the configuration file, a variable or a flag" in reply.json["detail"]
    assert mock.call("GET", "/v1/config").json == before
    assert mock.orders == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/config", {"credentials": {"profile": None}}),
        ("PATCH", "/v1/config", {"credentials": {"profile": "other"}}),
        ("PUT", "/v1/config/credentials/profile", {"value": None}),
        ("DELETE", "/v1/config/credentials/profile", None),
        ("POST", "/v1/config", {"credentials.profile": None}),
        ("POST", "/v1/config", {"variants[0].credentials": {"source": "profile", "profile": "dev"}}),
        ("POST", "/v1/config", {"variants[0].match.service": "b"}),
        # The owner's variant for other callers.
        ("PATCH", "/v1/config", {"variants": [{**START["variants"][0], "match": {"service": "b"}}]}),
        ("PATCH", "/v1/config", {"variants": [{**START["variants"][0], "match": {}}]}),
        ("PATCH", "/v1/config", {"variants": [*START["variants"], *START["variants"]]}),
        ("PUT", "/v1/config", {"variants": [{"match": {"service": "a"}, "credentials": {"profile": None}}]}),
    ],
)
def test_what_the_owner_has_set_is_not_set_otherwise(
    started: Callable[..., HeldMock], method: str, path: str, body: Any
) -> None:
    mock = started(START)
    reply = mock.call(method, path, body)
    assert reply.status == 422
    assert "cannot be set" in reply.json["detail"]


def test_what_the_owner_has_set_stays_where_a_call_leaves_it_out(started: Callable[..., HeldMock]) -> None:
    mock = started(START)
    shown = mock.call("GET", "/v1/config").json
    assert mock.call("PUT", "/v1/config", shown).status == 200, "what was shown can be sent back"
    assert mock.call("PATCH", "/v1/config", {"instance": {"role": "other"}}).status == 200
    changed = mock.call("PUT", "/v1/config", {"variants": [{"match": {"service": "a"}, "credentials": {}}]}).json
    assert changed["credentials"]["source"] == "generated", "what fetches nothing can be chosen"
    assert changed["credentials"]["profile"] == "dev"
    assert changed["variants"][0]["credentials"] == {"profile": "a"}
    assert mock.call("PATCH", "/v1/config", {"credentials": {"source": "profile"}}).status == 422
    assert mock.call("POST", "/v1/reset").status == 204
    assert mock.call("GET", "/v1/config").json == shown, "the state at the start is the owner's"
