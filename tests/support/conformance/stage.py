"""A mock at the real addresses in its own network namespace, on which one program runs at a time."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.client import Client
from support import reference_instance
from support.conformance.sdk import CONTAINER_CREDENTIALS, IMDS_CREDENTIALS, REGION
from support.conformance.situations import ARGUMENTS
from support.container_agents import TOKEN, add_addresses
from support.imds_program import running_imds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from netlab import Lab
    from support.conformance.sdk import Sdk
    from support.conformance.situations import Situation
    from support.imds_program import ImdsProgram

_PROGRAM_SECONDS: Final = 180
_MERGE_PATCH: Final = "application/merge-patch+json"
_OK: Final = 200


@dataclass(frozen=True)
class Run:
    """The result of one run of a program.

    Attributes:
        printed: The object that the program printed.
        expected: The object that it prints if all values are right.
        version: The version of the requests that a client sends if nothing fails.
        requests: Its requests as in the mock's journal.
        seconds: From the first request until the end of the program; 0 without a request.
    """

    printed: Mapping[str, Any]
    expected: Mapping[str, str]
    version: str
    requests: Sequence[Mapping[str, Any]]
    seconds: float

    @property
    def values(self) -> dict[str, Any]:
        """What was printed under the expected names."""
        return {name: self.printed.get(name) for name in self.expected}

    @property
    def outcome(self) -> str:
        """What happened, in words: an error by name, or whether another version of the IMDS answered."""
        if "error" in self.printed:
            return f"error {self.printed['error']}"
        assert self.values == self.expected, f"wrong values: {self.values} instead of {self.expected}"
        gets = [request for request in self.requests if request["method"] == "GET" and request["status"] == _OK]
        version = gets[-1]["version"]
        return "answered" if version == self.version else f"fell back to IMDS{version}"


class Stage:
    """A running mock with both container agents; `running_stage` creates it."""

    def __init__(self, imds: ImdsProgram, control: Client) -> None:
        self._imds = imds
        self._control = control

    def run(self, sdk: Sdk, command: Sequence[str | Path], case: str, situation: Situation) -> Run:
        """Run one case of an SDK in a situation."""
        self._imds.asked()
        self._control.call("POST", "/v1/reset")
        self._control.call("PATCH", "/v1/metadata-options", dict(situation.options), media=_MERGE_PATCH)
        faults = [self._control.call("POST", "/v1/faults", dict(fault)) for fault in situation.faults]
        variables = {
            name: value.format(home=self._imds.environment["HOME"]) for name, value in situation.variables.items()
        }
        variables |= dict(sdk.variables) | (dict(sdk.ipv6) if situation.ipv6 else {})
        argv = [*command, case, *([ARGUMENTS[case]] if case in ARGUMENTS else [])]
        with self._imds.started(argv, variables) as program:
            if situation.revokes is not None:
                self._imds.await_request("PUT")
                self._control.call("POST", "/v1/faults", {"kind": "revoke-tokens", "path": situation.revokes})
            out, err = program.communicate(timeout=_PROGRAM_SECONDS)
        ended = time.time()
        requests = self._requests_with({fault["id"] for fault in faults if fault["kind"] == "delay"})
        self._control.call("DELETE", "/v1/faults")
        # An abandoned request is behind later ones in the journal.
        began = min((datetime.fromisoformat(each["real_time"]).timestamp() for each in requests), default=ended)
        printed = _printed(program.returncode, out, err)
        return Run(printed, self._expected(case), situation.version_of(sdk, case), requests, ended - began)

    def _requests_with(self, delays: set[str]) -> list[dict[str, Any]]:
        """All requests of the journal, once it has those that were delayed.

        The mock records a request that a client has abandoned up to two seconds later.
        """
        while True:
            requests: list[dict[str, Any]] = self._control.call("GET", "/v1/requests", query={"limit": 1000})
            if delays <= {fault for request in requests for fault in request["faults"]}:
                return requests
            self._imds.await_request()

    def _expected(self, case: str) -> dict[str, str]:
        if case in {IMDS_CREDENTIALS, CONTAINER_CREDENTIALS}:
            served = reference_instance.read_credentials(self._imds, with_token=True)
            return {name: served[name] for name in ("AccessKeyId", "SecretAccessKey", "Token")}
        return {"Region": reference_instance.REGION} if case == REGION else {"Value": reference_instance.ZONE}


def _printed(code: int, out: str, err: str) -> dict[str, Any]:
    if code < 0:
        return {"error": signal.Signals(-code).name, "message": err}
    said = f"exit code {code}, output {out!r}, errors {err[-4000:]!r}"
    try:
        printed = json.loads(out)
    except ValueError:
        raise AssertionError(f"no JSON object: {said}") from None
    assert isinstance(printed, dict), said
    assert (code, "error" in printed) in {(0, False), (1, True)}, said
    return printed


@contextlib.contextmanager
def running_stage(lab: Lab, name: str, folder: Path) -> Iterator[Stage]:
    """Run a stage until the block ends.

    Args:
        lab: Creates its namespace.
        name: Name of the namespace.
        folder: An existing folder for configuration, keys and token, and the home folder of the programs.
    """
    (folder / "token").write_text(TOKEN)
    namespace = lab.namespace(name)
    document = reference_instance.document(http_tokens="optional") | {"eks": {"token": TOKEN}}
    with running_imds(document, folder, namespace=namespace, options=add_addresses(namespace)) as imds:
        yield Stage(imds, Client(f"unix:{folder / 'control.sock'}"))
