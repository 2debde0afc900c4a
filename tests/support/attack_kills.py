"""Starts of the shim that a signal interrupts at a random moment, in a network namespace, and what each leaves behind.

The application's namespace has no default route and a blackhole route for 169.254.169.254, so every start sets a rule
and a route. Most signals arrive after the probe, while the shim changes the kernel, the others at any time of a start.
Times come from a seeded generator; the step that each interrupts depends on the machine.
"""

from __future__ import annotations

import collections
import os
import random
import re
import select
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.shimlab import IMDS, MOCK, SHIM, ShimLab, end, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
APPLICATION = ("sh", "-c", "echo up; exec cat")
SECONDS_TO_END = 5.0
STATE = "iptables-legacy-save -t nat; nft list ruleset; ip route show table all; ip rule"
MEASURED_STARTS = 5
AFTER_PROBE_SHARE = 0.75


@dataclass
class Report:
    """The results of a number of rounds.

    Attributes:
        rounds: Number of starts.
        moments: Number of starts by signal and outcome.
        faults: Violations, each with its round.
        slowest: Longest time from a signal to the end of the shim, in seconds.
    """

    rounds: int = 0
    moments: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


class KillRounds:
    """Rounds in one lab, with one back end, with or without a follower."""

    def __init__(self, lab: ShimLab, backend: str, *, follow: bool, seed: int) -> None:
        self._lab = lab
        self._settings = {"MOCK_BACKEND": backend, "MOCK_FOLLOW": "1" if follow else ""}
        self._random = random.Random(seed)  # noqa: S311 - times, not secrets
        telling = lab.serve(mock_id="telling").stdout
        assert telling is not None
        self._probes = telling.fileno()
        lab.app.ip("route", "del", "default")
        lab.app.ip("route", "add", "blackhole", f"{IMDS}/32")
        # Reading a legacy table creates it.
        self._untouched = self._state()
        self._namespace = Path(f"/proc/{lab.app.pid}/ns/net").stat().st_ino
        self._known = self._processes()

    def run(self, rounds: int) -> Report:
        """Run this many rounds and check what each leaves behind."""
        report = Report(rounds)
        before, after = (statistics.median(times) for times in zip(*self._measured(), strict=True))
        self._clear()
        for number in range(rounds):
            sent = self._random.choice(SIGNALS)
            wait_for_probe = self._random.random() < AFTER_PROBE_SHARE
            moment = self._random.uniform(0, 1.1) * (after if wait_for_probe else before + after)
            when = f"{moment * 1000:.1f} ms after the {'probe' if wait_for_probe else 'start'}"
            for fault in self._round(sent, moment, report, wait_for_probe=wait_for_probe):
                report.faults.append(f"round {number}, {sent.name} {when}: {fault}")
        return report

    def _measured(self) -> list[tuple[float, float]]:
        """For some starts: seconds until the probe, and from the probe until the application runs."""
        return [self._measured_start() for _ in range(MEASURED_STARTS)]

    def _start(self) -> subprocess.Popen[str]:
        self._discard_probes()
        command = self._lab.app.command([SHIM, *APPLICATION])
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(command, env=environment(**self._settings), text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def _measured_start(self) -> tuple[float, float]:
        began = time.monotonic()
        process = self._start()
        try:
            assert process.stdout is not None
            self._await_probe(process)
            probed = time.monotonic()
            assert process.stdout.readline() == "up\n"
            return probed - began, time.monotonic() - probed
        finally:
            end(process)

    def _await_probe(self, process: subprocess.Popen[str]) -> None:
        """Wait until the mock is probed or the process has ended."""
        assert process.stdout is not None
        select.select([self._probes, process.stdout.fileno()], [], [], SECONDS_TO_END)

    def _discard_probes(self) -> None:
        while select.select([self._probes], [], [], 0)[0]:
            os.read(self._probes, 4096)

    def _round(self, sent: signal.Signals, moment: float, report: Report, *, wait_for_probe: bool) -> list[str]:
        process = self._start()
        try:
            assert process.stdout is not None
            if wait_for_probe:
                self._await_probe(process)
            up = bool(select.select([process.stdout], [], [], moment)[0])
            began = time.monotonic()
            process.send_signal(sent)
            out, said = process.communicate(timeout=SECONDS_TO_END)
            report.slowest = max(report.slowest, time.monotonic() - began)
        finally:
            end(process)
        code = process.returncode
        outcome = "application" if up or out else "killed" if code < 0 else f"exit {code}"
        report.moments[f"{sent.name} {outcome}"] += 1
        faults = [f"process {name} is left" for name in self._processes_left()]
        left = self._left()
        by_the_shim = [line for line in said.splitlines() if _is_forbidden_message(line)]
        if sent is signal.SIGINT and (code, out) == (0, "up\n") and left == self._whole():
            # The interpreter lost it in an import before the shim's first line. The launcher of the shipped tree blocks
            # signals until a handler is installed; a signal that the shim itself loses shows with SIGTERM.
            report.moments["SIGINT lost by the interpreter"] += 1
            by_the_shim = []
        # The signal ended the interpreter before the shim's first step, or the application after its last.
        elif code < 0:
            if left and left != self._whole() and sent is not signal.SIGKILL:
                faults.append(f"an incomplete start is left: {left}")
        elif code != 128 + sent and "KeyboardInterrupt" not in said:
            faults.append(f"exit code {code}: {said}")
        elif left:
            faults.append(f"exit code {code} and {left} is left")
        faults += [f"unexpected message {line!r}" for line in by_the_shim]
        if left or sent is signal.SIGKILL:
            faults += self._recovery()
        return faults

    def _recovery(self) -> list[str]:
        """Start again and check, remove everything and check."""
        faults = []
        done = self._lab.shim("curl", "-sS", "--max-time", "5", f"http://{IMDS}/", **self._settings)
        if (done.returncode, done.stdout) != (0, "telling"):
            faults.append(f"the next start ends with {done.returncode}: {done.stderr}")
        if (left := self._left()) != self._whole():
            faults.append(f"after the next start: {left}")
        self._clear()
        if left := self._left():
            faults.append(f"after --remove: {left}")
        return faults

    def _clear(self) -> None:
        self._lab.shim("--remove")

    def _whole(self) -> list[str]:
        """The rules and routes of a complete start."""
        rule = {
            "legacy": f"-A OUTPUT -d {IMDS}/32 -p tcp -m tcp --dport 80 -m comment --comment imds-shim -j DNAT "
            f"--to-destination {MOCK}:80",
            "nft": f'ip daddr {IMDS} tcp dport 80 dnat to {MOCK}:80 comment "imds-shim"',
        }[self._settings["MOCK_BACKEND"]]
        table = ["chain output {", "table ip imds_shim {"] if self._settings["MOCK_BACKEND"] == "nft" else []
        return sorted([f"{IMDS} dev {self._lab.links[0]} proto 169 scope link src 10.77.0.2", rule, *table])

    def _left(self) -> list[str]:
        """The rules and routes that were added or removed since before the first start."""
        now = collections.Counter(self._state())
        before = collections.Counter(self._untouched)
        return sorted([*(now - before).elements(), *(f"no {line}" for line in (before - now).elements())])

    def _state(self) -> Sequence[str]:
        lines = self._lab.tool("sh", "-ec", STATE).splitlines()
        # Without comments, counters, brackets, chain properties and the kernel's own routes.
        kept = (re.sub(r"(\[\d+:\d+\]|\s)+", " ", line).strip() for line in lines if not line.startswith("#"))
        return [line for line in kept if line not in ("", "}") and not re.search("^type nat hook|proto kernel", line)]

    def _processes_left(self) -> list[str]:
        """The processes in the namespace that do not end in time."""
        left = []
        for pid in self._processes() - self._known:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                ended = select.poll()
                ended.register(handle, select.POLLIN)
                if not ended.poll(SECONDS_TO_END * 1000):
                    left.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
            finally:
                os.close(handle)
        return left

    def _processes(self) -> set[int]:
        found = set()
        for entry in Path("/proc").glob("[0-9]*/ns/net"):
            try:
                if entry.stat().st_ino == self._namespace:
                    found.add(int(entry.parts[2]))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


def _is_forbidden_message(line: str) -> bool:
    return any(words in line for words in ("defect of the shim", "Exception ignored", "cannot undo the changes"))
