"""What the pictures of the README show happens: containers with the shim, a spot interruption, a caller of IMDSv1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from picture_scene import Scene
from pictures import COMMANDS, record_commands
from support.pseudo_terminal import plain

if TYPE_CHECKING:
    from pathlib import Path


def test_the_recording_shows_the_interruption(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        recorded = {each.command: plain(each.output) for each in record_commands(scene)}
    interrupted, seen, events, requests, checked = (recorded[command] for command in COMMANDS)
    assert "for worker (172.18.0.4, 172.18.0.5; 2 callers now)" in interrupted
    assert "spot-interruption was first seen by 172.18.0." in seen
    assert re.search(r"terminate in 1m \d", events)
    # Which of them have sent the last ones depends on how long the commands take.
    assert re.search(r" ago  shop-(web|worker|cron)-\d  ", requests)
    assert "…" not in requests.splitlines()[0]
    assert "IMDSv1 was used by 172.18.0.6 (shop-cron-1)" in checked
