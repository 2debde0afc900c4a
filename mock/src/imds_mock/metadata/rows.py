"""A row of the catalogue: one path of the metadata, its value as a leaf, and the facts that it is derived from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from imds_mock.metadata.tree import Leaf
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.facts import InstanceSettings
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.interfaces import NetworkInterface
    from imds_mock.metadata.tree import Timestamp
    from imds_mock.scheduling.window import Window

AnyFacts = TypeVar("AnyFacts")


class DynamicValue(Record, frozen=True):
    """A value that is computed for each request.

    Attributes:
        body: Returns the bytes at a time in seconds since the epoch; None if absent.
        modified: Time of the last change, for `Last-Modified`; None for the instance's start.
        always_listed: The value always exists, so that a listing need not compute it, which may take long.
        same_during: As in `Leaf`.
    """

    body: Callable[[float], bytes | None]
    modified: Timestamp | None = None
    always_listed: bool = False
    same_during: Callable[[float], Window] | None = None


Value = str | int | bool | bytes | tuple[str, ...] | DynamicValue | None
"""Value of one leaf: a text, a decimal number, `true` or `false`, bytes, lines, or None or an empty tuple if absent."""


class Roles(Protocol):
    """The documents of the instance's roles; see `credentials.documents`."""

    def info(self) -> DynamicValue | None:
        """`iam/info`."""

    def credentials(self) -> Mapping[str, DynamicValue]:
        """`iam/security-credentials/`: role to document."""

    def extended(self) -> Mapping[str, DynamicValue]:
        """`iam/security-credentials-extended/`: role to document."""

    def identity_info(self) -> DynamicValue:
        """`identity-credentials/ec2/info`."""

    def identity_credentials(self) -> DynamicValue:
        """`identity-credentials/ec2/security-credentials/ec2-instance`."""


class SignedDocument(Protocol):
    """The identity document with its signatures; see `signing.signer`."""

    @property
    def document(self) -> bytes:
        """The document."""

    def signature(self, now: float = 0, /) -> bytes:
        """The RSA signature."""

    def pkcs7(self, now: float = 0, /) -> bytes:
        """The PKCS #7 message with a DSA signature."""

    def rsa2048(self, now: float = 0, /) -> bytes:
        """The PKCS #7 message with an RSA signature."""

    def managed_ssh_signer(self, now: float = 0, /) -> bytes:
        """The certificate of the managed SSH keys."""


class Facts(Record, frozen=True):
    """The facts from which the instance's rows are derived."""

    instance: Instance
    roles: Roles
    identity: SignedDocument

    @property
    def settings(self) -> InstanceSettings:
        """The configured facts."""
        return self.instance.settings


class InterfaceFacts(Record, frozen=True):
    """The facts from which the rows of one interface are derived."""

    instance: Instance
    interface: NetworkInterface


class Row(Record, Generic[AnyFacts], frozen=True):
    """One path of the metadata.

    Attributes:
        path: Path relative to the version. For a part in angle brackets, the value is a mapping with one leaf per name.
        since: The metadata version that introduced the path.
        value: Gives the value from the facts.
        when: The condition under which the path exists, in words; empty if it always exists.
        content_type: The `Content-Type` header.
    """

    path: str
    since: str
    value: Callable[[AnyFacts], Value | Mapping[str, Value]]
    when: str = ""
    content_type: str = "text/plain"

    def leaves(self, facts: AnyFacts, prefix: str = "") -> Iterator[tuple[str, Leaf]]:
        """The existing leaves of the row, with their paths.

        Args:
            facts: The facts of the instance or interface.
            prefix: Path above the row's own, with a trailing slash.
        """
        value = self.value(facts)
        if isinstance(value, Mapping):
            before, _, rest = self.path.partition("<")
            after = rest.partition(">")[2]
            for name, each in value.items():
                leaf = self._leaf(each)
                if leaf is not None:
                    yield f"{prefix}{before}{name}{after}", leaf
        else:
            leaf = self._leaf(value)
            if leaf is not None:
                yield prefix + self.path, leaf

    def matches(self, path: str, prefix: str = "") -> bool:
        """Whether a path belongs to this row, with any text for the parts in angle brackets."""
        own, parts = (prefix + self.path).split("/"), path.split("/")
        return len(own) == len(parts) and all(
            mine == part or mine.startswith("<") for mine, part in zip(own, parts, strict=True)
        )

    def _leaf(self, value: Value) -> Leaf | None:
        if value is None or value == ():
            return None
        if isinstance(value, DynamicValue):
            return Leaf(
                value.body,
                self.content_type,
                self.since,
                value.modified,
                value.always_listed,
                same_during=value.same_during,
            )
        return Leaf(_body(value), self.content_type, self.since)


def _body(value: str | float | bytes | tuple[str, ...]) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return "\n".join(value).encode() if isinstance(value, tuple) else str(value).encode()
