"""The situations in which each SDK runs: what the mock does, what the environment says, and which cases run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from support.conformance.sdk import (
    CASES,
    CONTAINER_CREDENTIALS,
    IMDS_CREDENTIALS,
    METADATA,
    METADATA_ASYNC,
    NO_IPV6,
    REGION,
    over_imdsv2,
    over_ipv6,
)
from support.container_agents import POD, RELATIVE, TOKEN_FILE
from support.reference_instance import ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.conformance.sdk import Sdk

_CREDENTIALS: Final = f"/latest/meta-data/iam/security-credentials/{ROLE}"
_TOKEN: Final = "/latest/api/token"  # noqa: S105 - a path
_IMDS: Final = tuple(case for case in CASES if case != CONTAINER_CREDENTIALS)


@dataclass(frozen=True)
class Situation:
    """One column of the tables.

    Attributes:
        name: Heading of the column.
        cases: The cases that run.
        version: Version that the journal shows for a request of a client that uses session tokens, or an agent.
        options: Metadata options.
        ipv6: Whether the SDK uses the IPv6 endpoint.
        variables: Environment variables; `{home}` stands for the folder with the file `token`.
        faults: Faults that are armed before the program starts.
        revokes: Path on which session tokens are revoked once the first one has been issued; None: they stay valid. A
            fault must delay a request before the one for this path, so that the revocation is in time.
    """

    name: str
    cases: tuple[str, ...]
    version: str = "v2"
    options: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    revokes: str | None = None

    def cases_of(self, sdk: Sdk) -> tuple[str, ...]:
        """The cases that an SDK has in this situation."""
        lacking = {*sdk.lacks, *(case for case in CASES if self.ipv6 and {NO_IPV6, over_ipv6(case)} & {*sdk.lacks})}
        if self.options.get("http_tokens") == "required":
            lacking |= {case for case in CASES if over_imdsv2(case) in sdk.lacks}
        return tuple(case for case in self.cases if case not in lacking)

    def version_of(self, sdk: Sdk, case: str) -> str:
        """The version that the journal shows for the requests of an SDK in a case."""
        return "v1" if over_imdsv2(case) in sdk.lacks else self.version

    def __str__(self) -> str:
        return self.name


ASSERTED: Final = (
    Situation("tokens optional", _IMDS),
    Situation("tokens required", _IMDS, options={"http_tokens": "required"}),
    Situation("IPv6, tokens required", _IMDS, options={"http_tokens": "required"}, ipv6=True),
    Situation("ECS", (CONTAINER_CREDENTIALS,), "ecs", variables=RELATIVE),
    Situation("EKS", (CONTAINER_CREDENTIALS,), "eks", variables={**POD, TOKEN_FILE: "{home}/token"}),
)
"""Situations in which every value must be what the mock serves."""

IMDS_FAULTS: Final = (
    Situation("no fault", (IMDS_CREDENTIALS,)),
    Situation(
        "one 503, credentials",
        (IMDS_CREDENTIALS,),
        faults=({"kind": "status", "status": 503, "path": _CREDENTIALS, "count": 1},),
    ),
    Situation(
        "one 503, token", (IMDS_CREDENTIALS,), faults=({"kind": "status", "status": 503, "path": _TOKEN, "count": 1},)
    ),
    Situation(
        "only 503, credentials",
        (IMDS_CREDENTIALS,),
        faults=({"kind": "status", "status": 503, "path": _CREDENTIALS},),
    ),
    Situation(
        "token revoked between two calls",
        (IMDS_CREDENTIALS,),
        faults=({"kind": "delay", "delay": "400ms", "path": "*/security-credentials/", "count": 1},),
        revokes=_CREDENTIALS,
    ),
    Situation(
        "one credentials response 2 s late",
        (IMDS_CREDENTIALS,),
        faults=({"kind": "delay", "delay": "2s", "path": _CREDENTIALS, "count": 1},),
    ),
)
"""Faults of the IMDS whose outcome is recorded on the page, with tokens optional."""


def _agent(name: str, *faults: Mapping[str, Any]) -> Situation:
    return Situation(name, (CONTAINER_CREDENTIALS,), "ecs", variables=RELATIVE, faults=faults)


_BY_AGENT: Final = RELATIVE["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]

AGENT_FAULTS: Final = (
    _agent("ECS, no fault"),
    _agent("ECS, one 503", {"kind": "status", "status": 503, "path": _BY_AGENT, "count": 1}),
    _agent("ECS, only 503", {"kind": "status", "status": 503, "path": _BY_AGENT}),
    _agent("ECS, one response 4 s late", {"kind": "delay", "delay": "4s", "path": _BY_AGENT, "count": 1}),
)
"""Faults of the agent of ECS whose outcome is recorded on the page."""


def _leaf(name: str, *faults: Mapping[str, Any]) -> Situation:
    return Situation(name, (METADATA, METADATA_ASYNC), faults=faults)


_LEAF: Final = "/latest/meta-data/placement/availability-zone"
# Every path below /latest/meta-data and the identity document, which some read instead, but not the path of tokens.
_ANY_LEAF: Final = "/latest/*-*"

LEAF_FAULTS: Final = (
    _leaf("leaf, no fault"),
    _leaf("leaf, one 503", {"kind": "status", "status": 503, "path": _ANY_LEAF, "count": 1}),
    _leaf("leaf, one 503, token", {"kind": "status", "status": 503, "path": _TOKEN, "count": 1}),
    _leaf("leaf, only 503", {"kind": "status", "status": 503, "path": _ANY_LEAF}),
    _leaf("leaf, one response 2 s late", {"kind": "delay", "delay": "2s", "path": _ANY_LEAF, "count": 1}),
)
"""Faults of the IMDS for the SDK's own client of metadata, with tokens optional."""

RECORDED: Final = (*IMDS_FAULTS, *LEAF_FAULTS, *AGENT_FAULTS)

ARGUMENTS: Final = {METADATA: _LEAF, METADATA_ASYNC: _LEAF}
"""The argument of each case that has one."""

SHORT_NAMES: Final = {IMDS_CREDENTIALS: "keys", REGION: "region", CONTAINER_CREDENTIALS: "keys"}
"""What the tables call the value of a case; other cases have their own name."""
