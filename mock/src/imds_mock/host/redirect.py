"""Setting the redirect, taking it away, and saying how it stands: the order of the steps, whatever the system is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imds_mock.addresses import host_and_port
from imds_mock.errors import ProbeError, StrangerError

from .errors import HostError, SomebodyAnswersError, WayError
from .setting import HTTP, LOOPBACK, UNKNOWN_PORT, Request, request_of, steps_down, steps_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .setting import Platform, Setting, Shell, Step


@dataclass(frozen=True, slots=True)
class Host:
    """This machine.

    Attributes:
        platform: What kind of system it is.
        shell: Where commands run.
        probe: Gives the id of the mock at a URL; ProbeError if nobody is there, StrangerError if somebody else is.
        evidence: What says that it has a metadata service of its own, or None.
    """

    platform: Platform
    shell: Shell
    probe: Callable[[str], str]
    evidence: Callable[[], str | None]

    def up(self, request: Request, *, force: bool) -> None:
        """Make it so, and say how to go on.

        Raises:
            SomebodyAnswersError: The machine has a metadata service, and `force` is not given.
            HostError: A step failed; the ones before it are taken back.
        """
        wanted = self._wanted(request)
        present = self.platform.present(self.shell)
        if not force and not present:
            self._refuse_a_cloud(request)
        self._carry_out(steps_up(present, wanted))
        say(f"{_leads(request)}, until `imds-mock host down` or a restart of this machine")
        say(f"the mock for it: {self.platform.serve(request)}")

    def down(self) -> None:
        """Take away what `up` has set.

        Raises:
            HostError: Something is still there.
        """
        steps = steps_down(self.platform.present(self.shell))
        if not steps:
            say("nothing is set")
            return
        failures = []
        for step in steps:
            try:
                self.shell.run(step.command)
            except HostError as error:
                failures.append(str(error))
        if failures:
            raise HostError("; ".join(failures))
        say("taken away")

    def planned(self, request: Request | None) -> str:
        """The commands that `up` would run, or `down` without a request; a script for `sh -e`."""
        present = self.platform.present(self.shell)
        steps = steps_down(present) if request is None else steps_up(present, self._wanted(request))
        return "".join(f"{step.command}\n" for step in steps)

    def status(self) -> bool:
        """Say what is set and who answers there; gives whether that is a mock.

        Without a redirect nobody is asked: on a cloud's machine that would be the real service.
        """
        present = self.platform.present(self.shell)
        request = request_of(present)
        if request is None:
            say("nothing is set: 169.254.169.254 leads wherever this machine's network leads it")
            return False
        if any(setting not in present for setting in self.platform.wanted(request)):
            say("only a part is set: `imds-mock host up` completes it, `imds-mock host down` takes it away")
            return False
        say(_leads(request))
        answered = [self._answered(address, request) for _, address in request.addresses]
        return all(answered)

    def _wanted(self, request: Request) -> list[Setting]:
        if request.ipv6 and not request.of_version(6):
            raise WayError("--ipv6 needs the endpoint ec2 or eks: ecs has no IPv6 address")
        return self.platform.wanted(request)

    def _answered(self, address: str, request: Request) -> bool:
        url = f"http://{host_and_port(address, HTTP)}"
        try:
            say(f"{url} is imds-mock {self.probe(url)}")
        except StrangerError as error:
            say(str(error))
            return False
        except ProbeError:
            say(f"{url}: nobody answers; start the mock: {self.platform.serve(request)}")
            return False
        return True

    def _refuse_a_cloud(self, request: Request) -> None:
        reason = self.evidence()
        for _, address in request.addresses:
            if reason is None:
                reason = self._stranger_at(address)
        if reason is not None:
            raise SomebodyAnswersError(
                f"{reason}: the mock would hide the metadata service that there is from all of this machine; "
                "--force if that is meant"
            )

    def _stranger_at(self, address: str) -> str | None:
        try:
            self.probe(f"http://{host_and_port(address, HTTP)}")
        except StrangerError as error:
            return str(error)
        except ProbeError:
            return None
        return None

    def _carry_out(self, steps: Sequence[Step]) -> None:
        done: list[Step] = []
        for step in steps:
            try:
                self.shell.run(step.command)
            except HostError as error:
                left = [failure for each in reversed(done) if (failure := self._undone(each))]
                if left:
                    raise HostError(f"{error}; taking back what had been done: {'; '.join(left)}") from error
                raise
            done.append(step)

    def _undone(self, step: Step) -> str | None:
        try:
            self.shell.run(step.undo)
        except HostError as error:
            return str(error)
        return None


def _leads(request: Request) -> str:
    if request.way == "alias" and request.port == HTTP:
        return ", ".join(f"{address} is an address of this machine" for _, address in request.addresses)
    if request.port == UNKNOWN_PORT:
        ends = [f"{LOOPBACK[version]}, at a port that only root may see" for version, _ in request.addresses]
    else:
        ends = [host_and_port(LOOPBACK[version], request.port) for version, _ in request.addresses]
    starts = [host_and_port(address, HTTP) for _, address in request.addresses]
    return ", ".join(f"{start} -> {end}" for start, end in zip(starts, ends, strict=True))


def say(sentence: str) -> None:
    """One line for the person at the terminal; a comment, so that what is printed stays a script."""
    sys.stdout.write(f"# {sentence}\n")
