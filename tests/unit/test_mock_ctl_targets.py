"""What `imds-mock ctl` says about whom an event or a fault is for."""

import pytest

from imds_mock.ctl.events import whom


@pytest.mark.parametrize(
    ("target", "addresses", "said"),
    [
        (None, [], "everybody"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("app", ["10.0.0.2", "10.0.0.3"], "app (10.0.0.2, 10.0.0.3)"),
        ("ap", [], "ap (nobody has this name now; `imds-mock ctl callers` lists who has asked)"),
    ],
)
def test_a_name_that_nobody_has_is_said(target: str | None, addresses: list[str], said: str) -> None:
    assert whom({"target": target, "addresses": addresses}) == said
