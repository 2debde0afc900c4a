"""docs/testcontainers.md for other languages: settings, ports, paths and events in its programs exist."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from imds_mock.config.sources import variables
from imds_mock.events.kinds import AnyEvent
from imds_mock.scheduling.checking import read
from imds_mock.testcontainers.settings import CONTROL_PORT, DATA_PORT
from support.paths import DOCS

PAGE: Final = (DOCS / "testcontainers.md").read_text()
CONTROL_PAGE: Final = (DOCS / "control.md").read_text()
PROGRAMS: Final = dict(re.findall(r"^```(java|go|js)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_there_is_a_program_for_each_language() -> None:
    assert PROGRAMS.keys() == {"java", "go", "js"}


@pytest.mark.parametrize("language", PROGRAMS)
def test_what_a_program_sets_and_calls_exists(language: str) -> None:
    code = PROGRAMS[language]
    named = re.findall(r"IMDS_MOCK_\w+", code)
    assert set(named) <= variables().keys()
    assert "IMDS_MOCK_CONTROL_TOKEN" in named
    for port in (DATA_PORT, CONTROL_PORT):
        assert re.search(rf'[ ("]{port}\b', code)
    for path in ("/healthz", "/v1/events"):
        assert path in code
        assert f"`{path}`" in CONTROL_PAGE
    # A literal of Java, Go or JavaScript.
    (event,) = re.findall(r'\{\s*\\?"?kind\\?"?: [^}]*\}', code)
    document = json.loads(
        re.sub(r"(\w+):", r'"\1":', event.replace("\\", "").replace('"kind"', "kind").replace('"in"', "in"))
    )
    assert read(AnyEvent, document).kind == "spot"
