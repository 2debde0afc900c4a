"""The setting of the machine that engines change while they run: the last one restores it."""

from __future__ import annotations

import os
import sys

from netlab import Lab
from support.paths import ROOT

# A second engine starts after the first one has seen that it is alone and before it restores the setting.
PROGRAM = """
import os, threading
from pathlib import Path
import engine_network

class Alone:
    others = staticmethod(set)

def is_awaited():
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(str(os.getpid()) in fields for fields in waiting)

def has_only_user(file):
    found = original(file)
    if ending.is_set() and not second.ident:
        second.start()
        while not is_awaited():
            pass
    return found

def run():
    with engine_network._forwarding("uplink0", Alone):
        print("while it runs:", switch.read_text().strip())

switch = Path("/proc/sys/net/ipv4/conf/uplink0/forwarding")
original, engine_network._has_only_user = engine_network._has_only_user, has_only_user
ending, second = threading.Event(), threading.Thread(target=run)
with engine_network._forwarding("uplink0", Alone):
    ending.set()
second.join()
print("at the end:", switch.read_text().strip())
"""


def test_an_engine_that_starts_while_the_last_one_ends_restores_forwarding() -> None:
    with Lab() as lab:
        machine = lab.namespace("machine")
        machine.run(["mount", "-t", "tmpfs", "none", "/run"])
        machine.ip("link", "add", "uplink0", "type", "veth", "peer", "name", "nowhere0")
        done = machine.run(
            ["timeout", "60", sys.executable, "-c", PROGRAM], env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
        )
    assert done.stdout == "while it runs: 1\nat the end: 0\n"
