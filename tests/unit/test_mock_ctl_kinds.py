"""What `imds-mock ctl` says about the target of an event or a fault."""

import pytest

from imds_mock.ctl.kinds import callers_of


@pytest.mark.parametrize(
    ("target", "addresses", "callers", "said"),
    [
        (None, [], None, "every caller"),
        ("10.0.0.2", [], 1, "10.0.0.2 (1 caller now)"),
        ("app", ["10.0.0.2", "10.0.0.3"], 2, "app (10.0.0.2, 10.0.0.3; 2 callers now)"),
        ("ap", [], 0, "ap (0 callers now)"),
    ],
)
def test_a_target_is_shown_with_the_callers_that_it_matches(
    target: str | None, addresses: list[str], callers: int | None, said: str
) -> None:
    assert callers_of({"target": target, "addresses": addresses, "callers": callers}) == said
