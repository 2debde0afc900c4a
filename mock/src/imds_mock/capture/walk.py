"""Walks the metadata of a running instance: its leaves, categories, and the version that first lists each of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imds_mock.capture.client import Answer, CaptureError, Client

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATHS = 2000
MAX_DEPTH = 16
_LATEST = "latest"
_OK, _DATA_ERROR = 200, 65
# Never requested: the mock generates them, and credentials must not leave the instance.
_CREDENTIALS = (["security-credentials"], ["security-credentials-extended"])
_IDENTITY = ["dynamic", "instance-identity"]
_SIGNATURES = ("signature", "pkcs7", "rsa2048")
# Paths that a configuration can have and that clients send as they are.
_USABLE_PATH = re.compile(r"(?:meta-data|dynamic|user-data)(?:/(?!\.{1,2}(?:/|$))[^\x00-\x1f\x7f/]+)*")
_SECRET_MEMBER = b"SecretAccessKey"


class Walked(NamedTuple):
    """The metadata of an instance.

    Attributes:
        leaves: Path relative to the version to the leaf; None for a leaf that is left to the mock.
        categories: Path relative to the version to the lines of its listing.
        first_versions: Path of a leaf to the first version that lists it.
        versions: The listed versions.
        requires_tokens: Whether requests need a session token.
        is_aemm: Whether amazon-ec2-metadata-mock answers.
        omitted: Paths that were left out because they hold user data or secrets.
    """

    leaves: dict[str, Answer | None]
    categories: dict[str, list[str]]
    first_versions: dict[str, str]
    versions: list[str]
    requires_tokens: bool
    is_aemm: bool
    omitted: list[str]

    @property
    def texts(self) -> dict[str, str]:
        """Path to text of the leaves that are text."""
        texts = ((path, None if answer is None else answer.text) for path, answer in self.leaves.items())
        return {path: text for path, text in texts if text is not None}

    def json(self, path: str) -> dict[str, Any]:
        """The members of a leaf that is a JSON object; empty for any other leaf."""
        try:
            document = json.loads(self.texts.get(path, ""))
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def walk(
    client: Client, *, include_user_data: bool = False, progress: Callable[[int], None] = lambda _paths: None
) -> Walked:
    """Walk all metadata, without requesting credentials.

    Args:
        client: The open connection.
        include_user_data: Whether to read user data too.
        progress: Receives the number of paths so far.

    Raises:
        CaptureError: The service stops answering, or has more paths than the limits allow.
    """
    root = client.get("/")
    versions = root.names if root.status == _OK else [_LATEST]
    # amazon-ec2-metadata-mock lists one version, and ends the listing with a line feed.
    walked = Walked({}, {}, {}, versions, client.requires_tokens, root.body == b"latest\n", [])
    _Walk(client, walked, include_user_data=include_user_data, progress=progress).run()
    return walked


class _Walk:
    def __init__(
        self, client: Client, walked: Walked, *, include_user_data: bool, progress: Callable[[int], None]
    ) -> None:
        self._client = client
        self._walked = walked
        self._include_user_data = include_user_data
        self._progress = progress

    def run(self) -> None:
        self._category("", 0)
        dated = [version for version in self._walked.versions if version != _LATEST]
        for category, names in list(self._walked.categories.items()):
            self._find_first_versions(category, [*dated, _LATEST], names)

    def _category(self, path: str, depth: int) -> None:
        url = f"/{_LATEST}/{path}/" if path else f"/{_LATEST}"
        answer = self._client.get(url)
        if answer.status != _OK:
            return
        self._count(path, depth)
        self._walked.categories[path] = answer.names
        for name in answer.names:
            child, is_category = child_of(path, name)
            if not _USABLE_PATH.fullmatch(child):
                continue
            if is_category:
                self._category(child, depth + 1)
            else:
                self._leaf(child, depth + 1)

    def _leaf(self, path: str, depth: int) -> None:
        self._count(path, depth)
        parts = path.split("/")
        is_signature = parts[:-1] == _IDENTITY and parts[-1] in _SIGNATURES and not self._walked.is_aemm
        if is_signature or parts[-2:-1] in _CREDENTIALS:
            self._walked.leaves[path] = None
        elif path == "user-data" and not self._include_user_data:
            self._walked.omitted.append(path)
        else:
            answer = self._client.get(f"/{_LATEST}/{path}")
            if answer.status == _OK and _SECRET_MEMBER in answer.body and path != "user-data":
                self._walked.omitted.append(path)
            elif answer.status == _OK:
                self._walked.leaves[path] = answer

    def _count(self, path: str, depth: int) -> None:
        paths = len(self._walked.leaves) + len(self._walked.categories)
        self._progress(paths)
        if depth > MAX_DEPTH:
            raise CaptureError(f"the metadata has more than {MAX_DEPTH} levels, at {path}", _DATA_ERROR)
        if paths > MAX_PATHS:
            raise CaptureError(f"the metadata has more than {MAX_PATHS} paths", _DATA_ERROR)

    def _find_first_versions(self, category: str, versions: list[str], latest: list[str]) -> None:
        """Note for each leaf of a category the first version that lists it.

        Versions only add paths, so between two equal listings all are equal, and few need a request.
        """

        def search(low: int, before: set[str], high: int, after: set[str]) -> None:
            """Handle the names that appear after the version `low`, in the version `high` at the latest."""
            if before >= after:
                return
            if high - low == 1:
                for name in after - before:
                    self._walked.first_versions[child_of(category, name)[0]] = versions[high]
                return
            middle = (low + high) // 2
            listed = self._names(versions[middle], category)
            search(low, before, middle, listed)
            search(middle, listed, high, after)

        search(-1, set(), len(versions) - 1, set(latest))

    def _names(self, version: str, category: str) -> set[str]:
        answer = self._client.get(f"/{version}/{category}/" if category else f"/{version}")
        return set(answer.names) if answer.status == _OK else set()


def child_of(category: str, name: str) -> tuple[str, bool]:
    """The path of a name in a listing, and whether it is a category.

    Args:
        category: Path of the listing.
        name: The line: categories end in a slash, keys are listed as `0=my-key`, and the roots have no slashes.
    """
    if category == "meta-data/public-keys":
        return f"{category}/{name.partition('=')[0].rstrip('/')}", True
    is_category = name.endswith("/") or (not category and name in {"meta-data", "dynamic"})
    bare = name.rstrip("/")
    return (f"{category}/{bare}" if category else bare), is_category
