"""The cost of a configuration grows with its size, and no faster: the mock serves while it takes one over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.config.variants import MAX_PAIRS, MAX_VARIANTS, check, effective
from imds_mock.metadata.override_parsing import MAX_PATH, parse_overrides
from imds_mock.metadata.overrides import apply_overrides
from imds_mock.metadata.tree import Leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.config.settings import Config

DOCUMENTS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "leaves": lambda count: {f"meta-data/x/{n}": "v" for n in range(count)},
    "deep leaves": lambda count: {f"meta-data/{'x/' * 60}{n}": "v" for n in range(count)},
    "removed leaves": lambda count: {f"meta-data/x/{n}": None for n in range(count)},
    "subtrees replaced by leaves": lambda count: {
        f"{'/' * (n // 2)}meta-data/x{'/y' if n % 2 else ''}": "v" for n in range(count // 10)
    },
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_setting_ten_times_as_many_paths_takes_about_ten_times_as_long(
    document: Callable[[int], dict[str, Any]],
) -> None:
    def seconds(count: int) -> float:
        def taken() -> float:
            leaves = {f"meta-data/there/{n}": Leaf(b"v") for n in range(count)}
            overrides = parse_overrides(document(count))
            began = time.process_time()
            apply_overrides(leaves, {}, overrides)
            return time.process_time() - began

        return min(taken() for _ in range(3))

    assert seconds(5000) < 40 * seconds(500) + 0.01


def test_a_path_has_a_longest_length() -> None:
    longest = "meta-data/" + "x" * (MAX_PATH - len("meta-data/"))
    assert parse_overrides({longest: "v"})[0].path == longest
    with pytest.raises(ValueError, match=f"expected a path of at most {MAX_PATH} characters, got {MAX_PATH + 1}"):
        parse_overrides({f"{longest}x": "v"})
    with pytest.raises(ValueError, match=f"at most {MAX_PATH} characters"):
        parse_overrides({"meta-data": {"x" * MAX_PATH: "v"}})


def test_a_variant_costs_the_same_among_many() -> None:
    def configuration(count: int) -> dict[str, Any]:
        tags = {f"key-{n}": "v" for n in range(40)}
        return {"variants": [{"match": {"service": f"s{n}"}, "instance": {"tags": tags}} for n in range(count)]}

    def seconds(count: int) -> float:
        config = from_document(configuration(count))

        def taken() -> float:
            began = time.process_time()
            for _ in range(5):
                assert effective(config, (0,)).variants == config.variants
            return time.process_time() - began

        return min(taken() for _ in range(5))

    assert seconds(100) < 4 * seconds(4) + 0.002


def test_variants_that_may_all_meet_are_checked_in_pairs_up_to_a_number() -> None:
    def configuration(count: int) -> dict[str, Any]:
        return {"variants": [{"match": {"name": f"*-{n}"}, "instance": {"role": f"r{n}"}} for n in range(count)]}

    checked: list[Config] = []
    config = from_document(configuration(MAX_VARIANTS))
    check(config, checked.append)
    assert len(checked) == MAX_VARIANTS + MAX_PAIRS
    with pytest.raises(
        ConfigError, match=f"variants: expected at most {MAX_VARIANTS} variants, got {MAX_VARIANTS + 1}"
    ):
        from_document(configuration(MAX_VARIANTS + 1))
