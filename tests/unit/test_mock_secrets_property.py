"""No secret leaves: from any configuration, by any sequence of calls, no marker is in any answer of either plane.

Who drives the mock here knows no secret: it sends masks, values of its own and everything that it was shown. Markers
appear where the role's credentials are served, to the callers that the configuration at the start served them to, and
in the requests for credentials that it made.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.config.variants import effective
from imds_mock.control.credential_masks import MASK
from imds_mock.metadata.regions import partition_of
from imds_mock.service.messages import ECS, EKS
from support.held_mock import HeldMock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.settings import Config
    from imds_mock.signing.signer import Signer
    from support.mockcontrol import Reply

MARK: Final = "hUsH"
CALLERS: Final = ("127.0.0.1", "172.18.0.9", "10.0.0.1")
MATCHES: Final = [
    {"address": "127.0.0.1"},
    {"address": "172.18.0.9"},
    {"network": "172.18.0.0/16"},
    {"network": "0.0.0.0/0"},
    {"service": "nobody"},
]
SOURCES: Final = ["generated", "static", "profile", "assume-role"]
OTHER_ROLE: Final = "arn:aws:iam::999999999999:role/other"
BY_PATH: Final = "meta-data/iam/security-credentials/my-role"
AEMM_KEYS: Final = "metadata.values.iam-security-credentials"
SHOWN: Final = (
    *(
        "/v1/config",
        "/v1/metadata",
        "/v1/config/credentials",
        "/v1/config/variants",
        "/v1/config/metadata",
        "/v1/config/aemm",
    ),
    *("/v1/metadata?caller=172.18.0.9", f"/v1/metadata/{BY_PATH}", "/v1/metadata-options"),
    *("/v1/events", "/v1/faults", "/v1/requests", "/v1/callers", "/v1/whoami?caller=127.0.0.1", "/v1/status"),
    *("/metrics", "/openapi.json", "/v1/requests/notices"),
)
SERVED: Final = (
    *(("", f"/latest/meta-data/iam/security-credentials/{role}") for role in ("my-role", "other", "baskinc-role")),
    *((ECS, path) for path in ("/v2/credentials/x", f"/role-arn/{OTHER_ROLE}", "/role/other", "/v4/x/task")),
    *((EKS, "/v1/credentials"), ("", "/latest/meta-data/iam/info"), ("", "/latest/meta-data/elsewhere")),
    *(("", path) for path in ("/latest/user-data", "/latest/meta-data/", "/nothing", "/latest/dynamic/")),
)


def maybe(strategy: st.SearchStrategy[Any], *keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping that has some of the keys."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, strategy))


def marked(place: str) -> dict[str, Any]:
    """All secrets of a section of credentials, each with a marker of its own."""
    names = ("seed", "secret_access_key", "session_token", "external_id")
    return {name: f"{MARK}-{place}-{name.replace('_', '-')}" for name in names}


def credentials(place: str) -> st.SearchStrategy[dict[str, Any]]:
    """A section that a file may hold."""
    keys = {"access_key_id": "AKIA", **marked(place)}
    return st.builds(
        lambda source, left_out, more: {
            key: value for key, value in {"source": source, **keys, **more}.items() if key != left_out
        },
        st.sampled_from([*SOURCES, "static", "assume-role", "assume-role"]),
        st.sampled_from([None, None, None, *sorted(keys)]),
        maybe(st.sampled_from(["http://127.0.0.1:9/"]), "endpoint_url"),
    )


def by_path(place: str) -> st.SearchStrategy[dict[str, Any]]:
    """Metadata with credentials that were set by path."""
    secret = f"{MARK}-{place}-path"
    return st.sampled_from(
        [
            {},
            {BY_PATH: {"$json": {"AccessKeyId": "AKIA", "SecretAccessKey": secret, "Token": secret}}},
            {"latest/meta-data": {"iam": {"security-credentials": {"my-role": f'{{"Token": "{secret}"}}'}}}},
            {BY_PATH: ["Token:", secret]},
            {"meta-data/elsewhere": {"$json": {"SecretAccessKey": secret, "Token": secret}}},
        ]
    )


CONFIGURATIONS: Final = st.fixed_dictionaries(
    {
        "control": st.just({"token": f"{MARK}-control-token-of-it"}),
        "eks": st.just({"token": f"{MARK}-eks-token"}),
        "credentials": credentials("base"),
        "metadata": by_path("base"),
        "aemm": st.just({f"{AEMM_KEYS}.secretaccesskey": f"{MARK}-aemm-key", f"{AEMM_KEYS}.token": f"{MARK}-aemm"}),
    },
    optional={
        "compatibility": st.sampled_from(["imds", "aemm"]),
        "ecs": st.just({"any_role": True}),
        "variants": st.tuples(
            *(
                st.fixed_dictionaries(
                    {"match": st.sampled_from(MATCHES), "credentials": st.just({}) | credentials(f"p{place}")},
                    optional={"metadata": by_path(f"p{place}"), "instance": st.just({"role": "other"})},
                )
                for place in range(2)
            )
        ).map(list),
    },
)

VALUES: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [MASK, None, "mine-and-no-secret", "other", "static", "", 0, True, [], {}, [MASK]]
)
MASKED: Final = {"access_key_id": "AKIA", **dict.fromkeys(marked(""), MASK)}
# Most of what is made at random contradicts itself, so what an attacker would try first is among it as it is.
ANY_CREDENTIALS: Final = st.sampled_from(
    [{"source": "static"}, {"source": "static", **MASKED}, {"source": "assume-role", **MASKED}, {}]
) | st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from([*SOURCES, None]),
        "endpoint_url": st.sampled_from(["http://10.9.9.9/", f"http://{MASK}/", None]),
        "role_arn": st.sampled_from([OTHER_ROLE, None]),
        "failure": st.just(None),
        **dict.fromkeys(("access_key_id", "profile", *marked("")), VALUES),
    },
)
ANY_METADATA: Final = st.sampled_from(
    [
        {},
        {BY_PATH: {"$json": {"SecretAccessKey": MASK, "Token": MASK}}},
        {BY_PATH: {"$json": {"AccessKeyId": MASK}}},
        {"meta-data/elsewhere": {"$json": {"SecretAccessKey": MASK, "Token": MASK}}},
        {"user-data": MASK, BY_PATH: None},
        {"meta-data/elsewhere": f'{{"Token": "{MASK}"}}', BY_PATH: {"Token": MASK}},
    ]
)
ANY_AEMM: Final = st.sampled_from(
    [
        {f"{AEMM_KEYS}.token": MASK, "metadata.paths.iam-security-credentials": "/latest/meta-data/elsewhere"},
        {"metadata.paths.iam-security-credentials": "/latest/user-data"},
        {"metadata": {"values": {"iam-security-credentials": {"secretAccessKey": MASK, "accesskeyid": MASK}}}},
        {"metadata.values.instance-id": MASK},
    ]
)
ANY_VARIANT: Final = st.fixed_dictionaries(
    {"match": st.sampled_from(MATCHES)},
    optional={
        "credentials": ANY_CREDENTIALS,
        "metadata": ANY_METADATA,
        "instance": st.sampled_from([{"role": "other"}, {"region": "cn-north-1"}, {"account_id": "999999999999"}]),
        "ecs": st.just({"any_role": True}),
        "eks": maybe(VALUES, "token", "token_file"),
    },
)
SECTIONS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "credentials": ANY_CREDENTIALS,
    "variants": st.lists(ANY_VARIANT, max_size=3),
    "metadata": ANY_METADATA,
    "aemm": ANY_AEMM,
    "compatibility": st.sampled_from(["imds", "aemm", None]),
    "identity": st.sampled_from(["shared", "per-container"]),
    "eks": maybe(VALUES, "token", "token_file"),
    "ecs": st.just({"any_role": True}),
    "control": maybe(VALUES, "token"),
    "callers": maybe(VALUES, "name_server"),
    "instance": st.sampled_from(
        [
            {"role": "other"},
            {"role": None},
            {"region": "cn-north-1"},
            {"account_id": "999999999999"},
            {"user_data": {"file": "/etc/passwd"}},
            {"user_data": MASK},
            {"tags": {"Name": MASK}},
        ]
    ),
}
ANY_DOCUMENT: Final = st.one_of(
    *(st.fixed_dictionaries({section: values}) for section, values in SECTIONS.items()),
    st.fixed_dictionaries({"credentials": ANY_CREDENTIALS, "instance": SECTIONS["instance"]}),
    st.fixed_dictionaries({}, optional=SECTIONS),
)
ATTACKS: Final = st.sampled_from(
    [
        {"credentials": {"source": "static"}},
        {"credentials": {"source": "static", **MASKED}},
        {"credentials": {"role_arn": OTHER_ROLE}},
        {"instance": {"account_id": "999999999999"}},
        {"instance": {"region": "cn-north-1"}},
        {"ecs": {"any_role": True}},
        {"compatibility": "aemm", "variants": []},
        {"compatibility": "imds"},
        {"variants": []},
        {"metadata": {}, "credentials": {"failure": None}},
        {"aemm": {"metadata.paths.iam-security-credentials": "/latest/meta-data/elsewhere"}},
    ]
)
PATHS: Final = st.sampled_from(
    [
        *(("credentials", name) for name in ("source", "secret_access_key", "endpoint_url", "profile", "external_id")),
        *(("credentials",), ("variants",), ("metadata",), ("eks",), ("eks", "token"), ("aemm",), ("compatibility",)),
        *(
            ("instance", "role"),
            ("metadata", *BY_PATH.split("/")),
            ("instance", "user_data"),
            ("aemm", f"{AEMM_KEYS}.token"),
        ),
    ]
)
HAPPENINGS: Final = st.sampled_from(
    [
        ("/v1/events", {"kind": "credentials-rotation"}),
        ("/v1/events", {"kind": "credentials-expiry", "renew": False}),
        ("/v1/events", {"kind": "spot", "target": "127.0.0.1"}),
        ("/v1/events", {"kind": MASK}),
        ("/v1/faults", {"kind": "truncate", "keep_bytes": 20}),
        ("/v1/faults", {"kind": "status", "status": 500, "path": "*credentials*"}),
        ("/v1/scenarios", {"steps": [{"event": {"kind": "credentials-rotation"}}]}),
        ("/v1/scenarios", {"credentials": {"source": "static"}}),
        ("/v1/reset", None),
        ("/v1/reset", {}),
    ]
)


def markers(text: object) -> set[str]:
    """The markers in a text."""
    return set(re.findall(rf"{MARK}[a-z0-9-]*", str(text)))


class Secrets(RuleBasedStateMachine):
    """One mock and whoever drives it."""

    signer: Signer

    @initialize(document=CONFIGURATIONS)
    def start(self, document: dict[str, Any]) -> None:
        try:
            config = from_document(copy.deepcopy(document))
            self.mock = HeldMock(self.signer, document)
        except ConfigError:
            assume(False)
        self.allowed = {caller: self._served_at_the_start(config, caller) for caller in CALLERS}
        for caller in CALLERS:
            self._ask(caller)
        self.ordered = {place for order in self.mock.orders for place in self._places(order)}
        self.any_role = config.ecs.any_role

    def _served_at_the_start(self, config: Config, caller: str) -> set[str]:
        """What a caller may see: what the variants that match it serve, all of them together."""
        matched = [
            place
            for place, variant in enumerate(config.variants)
            if variant.match.address == caller
            or variant.match.network == "0.0.0.0/0"
            # Who calls over loopback is in the mock's own container, which has an address on that network.
            or (variant.match.network == "172.18.0.0/16" and caller.startswith(("172.18.", "127.")))
        ]
        found = markers(config.metadata) | (markers(config.aemm) if config.compatibility == "aemm" else set())
        whole = effective(config, matched)
        found |= markers(whole.metadata)
        if whole.credentials.source == "static":
            found |= markers([whole.credentials.secret_access_key, whole.credentials.session_token])
        return found

    def _places(self, order: Any) -> Iterator[tuple[Any, ...]]:
        asked = (order.endpoint_url, partition_of(order.region).name)
        keys = (order.secret_access_key, order.session_token)
        yield from ((secret, *asked) for secret in keys if markers(secret))
        if markers(order.external_id):
            yield order.external_id, *asked, (order.role_arn or "::::").split(":")[4]

    def _ask(self, caller: str) -> None:
        for agent, path in SERVED:
            headers = {"authorization": f"{MARK}-eks-token"} if agent == EKS else {}
            response = self.mock.get(path, caller, agent, **headers)
            head = response.head.leading_bytes + response.head.trailing_bytes
            assert MARK.encode() not in head
            seen = markers(response.body.decode(errors="replace"))
            assert seen <= self.allowed[caller], (caller, agent, path)

    def _call(self, method: str, path: str, body: Any = None) -> Reply:
        reply = self.mock.call(method, path, body)
        assert reply.status < 500, reply
        assert MARK not in f"{reply.headers} {reply.body.decode()}", (method, path, body)
        return reply

    @rule(patch=ANY_DOCUMENT)
    def patch(self, patch: dict[str, Any]) -> None:
        self._call("PATCH", "/v1/config", patch)

    @rule(change=ANY_DOCUMENT)
    def send_back_what_was_shown(self, change: dict[str, Any]) -> None:
        shown = self._call("GET", "/v1/config").json
        for section, value in change.items():
            held = shown.get(section)
            shown[section] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value
        self._call("PUT", "/v1/config", shown)

    @rule(patch=ATTACKS)
    def attack(self, patch: dict[str, Any]) -> None:
        self._call("PATCH", "/v1/config", patch)

    @rule(match=st.sampled_from(MATCHES), credentials=ANY_CREDENTIALS)
    def add_a_variant(self, match: dict[str, str], credentials: dict[str, Any]) -> None:
        variants = self._call("GET", "/v1/config/variants").json["value"]
        self._call("PATCH", "/v1/config", {"variants": [*variants, {"match": match, "credentials": credentials}]})

    @rule(place=st.integers(0, 1), match=st.sampled_from(MATCHES))
    def move_a_variant(self, place: int, match: dict[str, str]) -> None:
        variants = self._call("GET", "/v1/config/variants").json["value"]
        if place < len(variants):
            variants[place]["match"] = match
        self._call("PATCH", "/v1/config", {"variants": variants})

    @rule(place=st.integers(0, 1), change=ANY_VARIANT)
    def change_a_variant_that_was_shown(self, place: int, change: dict[str, Any]) -> None:
        variants = self._call("GET", "/v1/config/variants").json["value"]
        if place < len(variants):
            below = variants[place]
            variants[place] = {
                key: {**below.get(key, {}), **change.get(key, {})} if key != "match" else change["match"]
                for key in {*below, *change}
            }
        self._call("PATCH", "/v1/config", {"variants": variants})

    @rule(document=ANY_DOCUMENT)
    def replace(self, document: dict[str, Any]) -> None:
        self._call("PUT", "/v1/config", document)

    @rule(parts=PATHS, value=VALUES | ANY_CREDENTIALS | ANY_METADATA | st.lists(ANY_VARIANT, max_size=2))
    def set_one(self, parts: tuple[str, ...], value: Any) -> None:
        self._call("PUT", f"/v1/config/{'/'.join(parts)}", {"value": value})

    @rule(parts=PATHS, value=VALUES | ANY_CREDENTIALS | st.lists(ANY_VARIANT, max_size=2))
    def assign(self, parts: tuple[str, ...], value: Any) -> None:
        self._call("POST", "/v1/config", {".".join(parts): value})

    @rule(parts=PATHS)
    def unset_one(self, parts: tuple[str, ...]) -> None:
        self._call("DELETE", f"/v1/config/{'/'.join(parts)}")

    @rule(
        path=st.sampled_from([BY_PATH, "meta-data/elsewhere", f"{BY_PATH}/Token", "user-data"]),
        value=VALUES | ANY_METADATA,
    )
    def set_metadata(self, path: str, value: Any) -> None:
        self._call("PUT", f"/v1/metadata/{path}", {"value": value})

    @rule(path=st.sampled_from([BY_PATH, "meta-data/iam", "meta-data/elsewhere"]))
    def remove_metadata(self, path: str) -> None:
        self._call("DELETE", f"/v1/metadata/{path}")

    @rule(happening=HAPPENINGS)
    def drive(self, happening: tuple[str, Any]) -> None:
        self._call("POST", *happening)

    @invariant()
    def nothing_leaks(self) -> None:
        if not hasattr(self, "allowed"):
            return
        for caller in CALLERS:
            self._ask(caller)
        for path in SHOWN[:2]:
            self._call("GET", path)
        for order in self.mock.orders:
            for place in self._places(order):
                is_role_asked_for = self.any_role and (*place[:3], "123456789012") in self.ordered
                assert place in self.ordered or is_role_asked_for, place

    def teardown(self) -> None:
        if not hasattr(self, "ordered"):
            return
        for path in SHOWN:
            self._call("GET", path)
        assert not markers(self.mock.said)
        self.mock.close()


def test_no_secret_leaves(signer: Signer) -> None:
    Secrets.signer = signer
    run_state_machine_as_test(
        Secrets,
        settings=settings(
            max_examples=60,
            stateful_step_count=10,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )
