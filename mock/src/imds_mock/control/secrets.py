"""What the control plane never shows: a secret is replaced by a mask, and the mask sent back leaves it as it was."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.config.secrets import AEMM_SECRETS, marked_fields
from imds_mock.config.settings import Config
from imds_mock.control.hidden_leaves import MASK, hidden, shown_again, still_hidden
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRET_KEYS: Final[tuple[tuple[str, str], ...]] = (
    *((str(marked.path[0]), ".".join(map(str, marked.path[1:]))) for marked in marked_fields(Config, SECRET)),
    *(("aemm", key) for key in AEMM_SECRETS),
)
"""Section and key of every secret, from the marks on the schema's fields."""

_NOTHING_HIDDEN: Final = f"the mask {MASK} stands for no secret here; send the secret itself"


class Unmasked(NamedTuple):
    """A configuration document as it was meant.

    Attributes:
        document: The document with the secrets in it.
        masked: The secrets for which it had the mask and nowhere the secret itself.
    """

    document: dict[str, Any]
    masked: frozenset[str]


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document without its secrets."""
    shown = copy.deepcopy(dict(document))
    for holder in (shown, *_variants(shown)):
        for held, key in _secrets(holder):
            if held[key] is not None:
                held[key] = MASK
        for held, key, _ in _by_path(holder):
            held[key] = hidden(held[key])
    return shown


def unmasked(document: Mapping[str, Any], current: Mapping[str, Any]) -> Unmasked:
    """A configuration document with the secrets that it left masked.

    Args:
        document: What was sent.
        current: What is in force.

    Raises:
        FieldError: The mask stands where nothing was masked; names the place.
    """
    meant = copy.deepcopy(dict(document))
    kept: set[str] = set()
    sent: set[str] = set()
    for place, holder, before in _pairs(meant, current):
        for section, name in SECRET_KEYS:
            was = list(_places(before.get(section), name))
            for number, (held, key) in enumerate(_places(holder.get(section), name)):
                if held[key] != MASK:
                    sent.add(str(held[key]))
                    continue
                known, known_key = was[min(number, len(was) - 1)] if was else ({}, key)
                if known.get(known_key) is None:
                    raise FieldError(f"{place}{section}.{name}", _NOTHING_HIDDEN)
                held[key] = known[known_key]
                kept.add(str(held[key]))
        known_by_name = {name: known[key] for known, key, name in _by_path(before)}
        for held, key, name in _by_path(holder):
            held[key] = shown_again(held[key], known_by_name.get(name), kept)
            left = still_hidden(held[key])
            if left is not None:
                raise FieldError(f"{place}{name}.{left}", _NOTHING_HIDDEN)
    return Unmasked(meant, frozenset(kept - sent))


def same_variants(
    document: Mapping[str, Any], current: Mapping[str, Any]
) -> list[tuple[int, dict[str, Any], Mapping[str, Any]]]:
    """The variants of a document, each with its place and what the variant for the same callers was before."""
    before = _variants(current)
    left = list(range(len(before)))
    pairs: list[tuple[int, dict[str, Any], Mapping[str, Any]]] = []
    for place, variant in enumerate(_variants(document)):
        same = next((each for each in left if _for_whom(before[each]) == _for_whom(variant)), None)
        if same is not None:
            left.remove(same)
        pairs.append((place, variant, {} if same is None else before[same]))
    return pairs


def _pairs(
    meant: dict[str, Any], current: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], Mapping[str, Any]]]:
    """What has sections, each with what it was before: a variant is known by whom it is for, whatever its place."""
    yield "", meant, current
    pairs, before = same_variants(meant, current), _variants(current)
    found = [id(was) for _, _, was in pairs]
    for place, variant, was in pairs:
        known = was
        if not known and place < len(before) and id(before[place]) not in found:
            # Whom it is for may be what was changed.
            known = before[place]
        yield f"variants[{place}].", variant, known


def _for_whom(variant: Mapping[str, Any]) -> dict[str, Any]:
    match = variant.get("match")
    return {name: value for name, value in match.items() if value is not None} if isinstance(match, dict) else {}


def _variants(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    variants = document.get("variants")
    if not isinstance(variants, list | tuple):
        return []
    return [variant if isinstance(variant, dict) else {} for variant in variants]


def _by_path(holder: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """What is served as it was given: the mapping that holds it, its key there, and its whole name."""
    for held, key, name in ((holder, "metadata", "metadata"), (holder.get("ecs"), "documents", "ecs.documents")):
        if isinstance(held, dict) and key in held:
            yield held, key, name


def _secrets(holder: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for section, name in SECRET_KEYS:
        yield from _places(holder.get(section), name)


def _places(held: Any, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The mappings that hold a key, and the key in each, in whatever case and however dots and mappings divide it."""
    if not isinstance(held, dict):
        return
    for key in held:
        written = str(key).lower()
        if written == name:
            yield held, key
        elif name.startswith(f"{written}."):
            yield from _places(held[key], name[len(written) + 1 :])
