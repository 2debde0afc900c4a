"""What a remote mock serves: its settings, its metadata by path, and its time, over the control plane."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.control.credential_masks import MASK
from imds_mock.ctl.client import RefusedError
from imds_mock.testing.settings import changed_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.ctl.client import Client

NOT_FOUND: Final = 404
_INVALID: Final = frozenset({409, 422})


class RemoteState:
    """Reads and changes what a mock serves, through its control plane.

    Args:
        client: Returns the control plane's client.
        endpoint_url: Returns the URL of the metadata service.
    """

    def __init__(self, client: Callable[[], Client], endpoint_url: Callable[[], str]) -> None:
        self._client = client
        self._endpoint_url = endpoint_url

    @property
    def endpoint_url(self) -> str:
        """URL of the metadata service."""
        return self._endpoint_url()

    @property
    def control_url(self) -> str:
        """URL of the control plane."""
        return self._client().url

    def config(self) -> Config:
        """The configuration in force, without its secrets."""
        return msgspec.convert(_without_secrets(self._call("GET", "/v1/config")), Config, strict=False)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings by name, all of them or none.

        Raises:
            ConfigError: A name is unknown or a value is invalid.
        """
        if settings:
            document = changed_document(self._call("GET", "/v1/config"), settings)
            self._configure("PUT", "/v1/config", msgspec.to_builtins(document))

    def leaf(self, path: str) -> bytes | None:
        """The body of a leaf of the metadata, secrets masked; None if there is none."""
        try:
            shown = self._call("GET", _metadata(path)).get("leaf")
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        if shown is None:
            return None
        return base64.b64decode(shown["base64"]) if "base64" in shown else str(shown.get("value", "")).encode()

    def leaf_paths(self) -> list[str]:
        """The paths of all leaves, sorted."""
        return sorted(self._call("GET", "/v1/metadata"))

    def set_leaf(self, path: str, value: Any) -> bool:
        """Override a path; returns False, without an effect, if nothing exists there with that value.

        Raises:
            ConfigError: The value is invalid.
        """
        return self._configure("PUT", _metadata(path), {"value": value})

    def remove_leaf(self, path: str) -> bool:
        """Remove a leaf or a category; returns False if there is none."""
        return self._configure("DELETE", _metadata(path))

    def now(self) -> float:
        """The mock's time in seconds since the epoch."""
        return seconds_of(self._call("GET", "/v1/clock")["time"])

    def advance_clock(self, seconds: float) -> None:
        """Move the mock's time forward."""
        self._call("POST", "/v1/clock/advance", {"by": seconds})

    def set_clock(self, seconds: float) -> None:
        """Set the mock's time, in seconds since the epoch."""
        self._call("PUT", "/v1/clock", {"time": seconds})

    def use_real_time(self) -> None:
        """Return to the real time."""
        self._call("DELETE", "/v1/clock")

    def _call(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        return self._client().call(method, path, body, query)

    def _configure(self, method: str, path: str, body: Any = None) -> bool:
        """Change the configuration; returns False if nothing exists at the path."""
        try:
            self._call(method, path, body)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return False
            if error.status in _INVALID:
                raise ConfigError(str(error)) from error
            raise
        return True


def seconds_of(time: str) -> float:
    """Seconds since the epoch of a time that the API shows."""
    return datetime.fromisoformat(time).timestamp()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(held) for name, held in value.items() if held != MASK}
    return list(map(_without_secrets, value)) if isinstance(value, list) else value


def _metadata(path: str) -> str:
    return f"/v1/metadata/{quote(path)}"
