"""Installs and removes the redirect, and reports its state: the order of the steps on every operating system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imds_mock.addresses import host_and_port
from imds_mock.errors import OtherServerError, ProbeError
from imds_mock.host.errors import HostError, OptionsError, RealServiceError
from imds_mock.host.setting import (
    DEFAULT_PORT,
    HTTP,
    LOOPBACK,
    UNKNOWN_PORT,
    Redirect,
    redirect_of,
    steps_down,
    steps_up,
)
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_mock.host.setting import Platform, Setting, Shell, Step


class Host(Record, frozen=True):
    """This machine.

    Attributes:
        platform: Its operating system.
        shell: Runs commands.
        probe: Returns the id of the mock at a URL; raises ProbeError, or OtherServerError if another server answers.
        detect_cloud: Returns a sentence if the firmware is a cloud's, else None.
    """

    platform: Platform
    shell: Shell
    probe: Callable[[str], str]
    detect_cloud: Callable[[], str | None]

    def up(self, redirect: Redirect, *, force: bool) -> None:
        """Install the redirect and print how to start the mock.

        Args:
            redirect: The redirect.
            force: Install it although the machine has a real metadata service.

        Raises:
            RealServiceError: The machine has a real metadata service.
            HostError: A step failed; the completed ones have been undone.
        """
        wanted = self._settings(redirect)
        installed = self.platform.installed(self.shell)
        if not force and not installed:
            self._require_no_service(redirect)
        self._run(steps_up(installed, wanted))
        print_comment(f"{_describe(redirect)}, until `imds-mock host down` or a reboot")
        print_comment(f"start the mock with: {_serve_command(redirect)}")

    def down(self) -> None:
        """Remove the redirect.

        Raises:
            HostError: A part could not be removed; all others have been.
        """
        steps = steps_down(self.platform.installed(self.shell))
        if not steps:
            print_comment("no redirect is installed on this machine")
            return
        failures = []
        for step in steps:
            try:
                self.shell.run(step.command)
            except HostError as error:
                failures.append(str(error))
        if failures:
            raise HostError("; ".join(failures))
        print_comment("redirect removed")

    def script(self, redirect: Redirect | None) -> str:
        """The commands of `up`, or of `down` without a redirect, as a script for `sh -e`."""
        installed = self.platform.installed(self.shell)
        steps = steps_down(installed) if redirect is None else steps_up(installed, self._settings(redirect))
        return "".join(f"{step.command}\n" for step in steps)

    def status(self) -> bool:
        """Print what is installed and which server answers.

        Without a redirect it sends no request, because a real metadata service might receive it.

        Returns:
            Whether the mock answers at all redirected addresses.
        """
        installed = self.platform.installed(self.shell)
        redirect = redirect_of(installed)
        if redirect is None:
            print_comment("no redirect is installed on this machine")
            return False
        if any(setting not in installed for setting in self.platform.settings(redirect)):
            print_comment("the redirect is incomplete: run `imds-mock host up` to complete it or `down` to remove it")
            return False
        print_comment(_describe(redirect))
        answered = [self._mock_answers(address, redirect) for _, address in redirect.addresses]
        return all(answered)

    def _settings(self, redirect: Redirect) -> list[Setting]:
        if redirect.ipv6 and not redirect.of_version(6):
            raise OptionsError("--ipv6 requires the endpoint ec2 or eks: ecs has no IPv6 address")
        return self.platform.settings(redirect)

    def _mock_answers(self, address: str, redirect: Redirect) -> bool:
        url = f"http://{host_and_port(address, HTTP)}"
        try:
            print_comment(f"{url} is imds-mock {self.probe(url)}")
        except OtherServerError as error:
            print_comment(str(error))
            return False
        except ProbeError:
            print_comment(f"{url}: no answer; start the mock with: {_serve_command(redirect)}")
            return False
        return True

    def _require_no_service(self, redirect: Redirect) -> None:
        reason = self.detect_cloud()
        for _, address in redirect.addresses:
            if reason is None:
                reason = self._other_server_at(address)
        if reason is not None:
            raise RealServiceError(
                f"{reason}; a redirect would hide its metadata service from every program on this machine "
                "(--force installs it anyway)"
            )

    def _other_server_at(self, address: str) -> str | None:
        try:
            self.probe(f"http://{host_and_port(address, HTTP)}")
        except OtherServerError as error:
            return str(error)
        except ProbeError:
            return None
        return None

    def _run(self, steps: Sequence[Step]) -> None:
        done: list[Step] = []
        for step in steps:
            try:
                self.shell.run(step.command)
            except HostError as error:
                left = [failure for each in reversed(done) if (failure := self._undo(each))]
                if left:
                    raise HostError(f"{error}; undoing the completed steps: {'; '.join(left)}") from error
                raise
            done.append(step)

    def _undo(self, step: Step) -> str | None:
        try:
            self.shell.run(step.undo)
        except HostError as error:
            return str(error)
        return None


def _describe(redirect: Redirect) -> str:
    if redirect.method == "alias" and redirect.port == HTTP:
        return ", ".join(f"{address} is an address of this machine" for _, address in redirect.addresses)
    if redirect.port == UNKNOWN_PORT:
        ends = [f"{LOOPBACK[version]} (only root can see the port)" for version, _ in redirect.addresses]
    else:
        ends = [host_and_port(LOOPBACK[version], redirect.port) for version, _ in redirect.addresses]
    starts = [host_and_port(address, HTTP) for _, address in redirect.addresses]
    return ", ".join(f"{start} -> {end}" for start, end in zip(starts, ends, strict=True))


def _serve_command(redirect: Redirect) -> str:
    if redirect.method == "alias" and redirect.port == HTTP:
        hosts = "".join(f" --host {address}" for _, address in redirect.addresses)
        return f"sudo imds-mock serve{hosts} --port {HTTP}"
    hosts = "".join(f" --host {LOOPBACK[version]}" for version in redirect.versions)
    port = "" if redirect.port in {DEFAULT_PORT, UNKNOWN_PORT} else f" --port {redirect.port}"
    return f"imds-mock serve{hosts}{port}"


def print_comment(sentence: str) -> None:
    """Print a line as a shell comment, so that the output as a whole is a script."""
    sys.stdout.write(f"# {sentence}\n")
