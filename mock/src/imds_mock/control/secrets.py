"""Masks: the control plane shows a mask in place of a secret, and a mask that is sent back keeps the secret."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.config.marks import AEMM_SECRETS, marked_settings
from imds_mock.config.settings import Config
from imds_mock.control.credential_masks import MASK, find_mask, mask_value, unmask_value
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRET_KEYS: Final[tuple[tuple[str, str], ...]] = (
    *((setting.path[0], ".".join(setting.path[1:])) for setting in marked_settings(Config, SECRET)),
    *(("aemm", key) for key in AEMM_SECRETS),
)
"""Section and key of every secret."""

_NOTHING_HIDDEN: Final = f"the mask {MASK} stands for no secret here; send the secret itself"


class Unmasked(NamedTuple):
    """A configuration document with the secrets in it.

    Attributes:
        document: The document.
        masked: The secrets that were sent as a mask only.
    """

    document: dict[str, Any]
    masked: frozenset[str]


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a configuration document with masks in place of its secrets."""
    shown = copy.deepcopy(dict(document))
    for holder in (shown, *_variants(shown)):
        for section, name in SECRET_KEYS:
            for held, key in _places(holder.get(section), name):
                if held[key] is not None:
                    held[key] = MASK
        for held, key, _ in _free_documents(holder):
            held[key] = mask_value(held[key])
    return shown


def unmasked(document: Mapping[str, Any], current: Mapping[str, Any]) -> Unmasked:
    """Replace the masks in a configuration document by the secrets in force.

    Raises:
        FieldError: A mask is in a place where no secret is in force; names the place.
    """
    restored = copy.deepcopy(dict(document))
    kept: set[str] = set()
    sent: set[str] = set()
    for place, holder, before in _pairs(restored, current):
        for section, name in SECRET_KEYS:
            known = [held[key] for held, key in _places(before.get(section), name)]
            for number, (held, key) in enumerate(_places(holder.get(section), name)):
                if held[key] != MASK:
                    sent.add(str(held[key]))
                    continue
                secret = known[min(number, len(known) - 1)] if known else None
                if secret is None:
                    raise FieldError(f"{place}{section}.{name}", _NOTHING_HIDDEN)
                held[key] = secret
                kept.add(str(secret))
        known_documents = {name: held[key] for held, key, name in _free_documents(before)}
        for held, key, name in _free_documents(holder):
            held[key] = unmask_value(held[key], known_documents.get(name), kept)
            left = find_mask(held[key])
            if left is not None:
                raise FieldError(f"{place}{name}.{left}", _NOTHING_HIDDEN)
    return Unmasked(restored, frozenset(kept - sent))


def same_variants(
    document: Mapping[str, Any], current: Mapping[str, Any]
) -> list[tuple[int, dict[str, Any], Mapping[str, Any]]]:
    """List the variants of a document: index, variant, and the variant in force for the same callers (or empty)."""
    before = _variants(current)
    left = list(range(len(before)))
    pairs: list[tuple[int, dict[str, Any], Mapping[str, Any]]] = []
    for place, variant in enumerate(_variants(document)):
        same = next((each for each in left if _conditions(before[each]) == _conditions(variant)), None)
        if same is not None:
            left.remove(same)
        pairs.append((place, variant, {} if same is None else before[same]))
    return pairs


def _pairs(
    document: dict[str, Any], current: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], Mapping[str, Any]]]:
    """List what has sections, the document and its variants: a prefix for errors, the sections, and those in force."""
    yield "", document, current
    pairs, before = same_variants(document, current), _variants(current)
    found = [id(known) for _, _, known in pairs]
    for place, variant, same in pairs:
        known = same
        if not known and place < len(before) and id(before[place]) not in found:
            # The call may have changed the conditions of the variant at this index.
            known = before[place]
        yield f"variants[{place}].", variant, known


def _conditions(variant: Mapping[str, Any]) -> dict[str, Any]:
    match = variant.get("match")
    return {name: value for name, value in match.items() if value is not None} if isinstance(match, dict) else {}


def _variants(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    variants = document.get("variants")
    if not isinstance(variants, list | tuple):
        return []
    return [variant if isinstance(variant, dict) else {} for variant in variants]


def _free_documents(holder: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """List the settings that are served as they are: the mapping that has each, its key there, its dotted key."""
    for held, key, name in ((holder, "metadata", "metadata"), (holder.get("ecs"), "documents", "ecs.documents")):
        if isinstance(held, dict) and key in held:
            yield held, key, name


def _places(held: Any, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Find a dotted key in nested mappings, in any case and however dots and mappings divide it.

    amazon-ec2-metadata-mock reads its keys like this.
    """
    if not isinstance(held, dict):
        return
    for key in held:
        written = str(key).lower()
        if written == name:
            yield held, key
        elif name.startswith(f"{written}."):
            yield from _places(held[key], name[len(written) + 1 :])
