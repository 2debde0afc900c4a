"""What the two mocks for tests share: everything that does not wait."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from imds_mock.testing.environments import container_environment, instance_environment
from imds_mock.testing.handles import Driver
from imds_mock.testing.kinds import Credentials, Endpoint, Events, Faults, Spot
from imds_mock.testing.parts import Clock, Metadata
from imds_mock.testing.requests import Requests, failure
from imds_mock.testing.scenarios import EventT, FaultT, PlayedScenario, scenario_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from imds_mock.config.settings import Config
    from imds_mock.events.kinds import AnyEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.kinds import AnyFault
    from imds_mock.testing.controls import Watch

T = TypeVar("T")
DriverT = TypeVar("DriverT", bound=Driver)


class BaseMock(Events[EventT], Generic[DriverT, EventT, FaultT]):
    """What both mocks share.

    Args:
        driver: Calls functions where the mock runs.
        event_handle: Makes the handle of an event.
        fault_handle: Makes the handle of a fault.

    Attributes:
        spot: Spot interruption notices and rebalance recommendations.
        credentials: Rotation and expiration of the role's credentials.
        endpoint: Turns the metadata service off.
        faults: Faults of every kind.
        clock: The mock's own time.
        metadata: The metadata by path, to read and to change.
    """

    def __init__(
        self,
        driver: DriverT,
        event_handle: Callable[[DriverT, Watch], EventT],
        fault_handle: Callable[[DriverT, Watch], FaultT],
    ) -> None:
        self._driver = driver
        self._controller = controller = driver.controller

        def arm_event(event: AnyEvent) -> EventT:
            return event_handle(driver, driver.call_settled(lambda: controller.arm_event(event)))

        def arm_fault(fault: AnyFault) -> FaultT:
            return fault_handle(driver, driver.call_settled(lambda: controller.arm_fault(fault)))

        def play(scenario: Scenario) -> PlayedScenario[EventT, FaultT]:
            events, faults = driver.call_settled(lambda: controller.play(scenario))
            return PlayedScenario(
                [event_handle(driver, watch) for watch in events], [fault_handle(driver, watch) for watch in faults]
            )

        self._play = play
        super().__init__(arm_event)
        self.spot = Spot(arm_event)
        self.credentials = Credentials(arm_event)
        self.endpoint = Endpoint(arm_event)
        self.faults = Faults(arm_fault)
        self.clock = Clock(driver)
        self.metadata = Metadata(driver)
        self.on_configure: Callable[[], None] | None = None
        """Called after each change of the configuration by `configure` or `reset`."""

    @property
    def endpoint_url(self) -> str:
        """URL of the metadata service."""
        return self._controller.endpoint_url

    @property
    def control_url(self) -> str:
        """URL of the control plane, for `imds-mock ctl --url`."""
        return self._controller.control_url

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._driver.call(self._controller.config)

    @property
    def region(self) -> str:
        """The instance's region."""
        return str(self.metadata["meta-data/placement/region"])

    def environment(self) -> dict[str, str | None]:
        """The variables with which a client in this environment asks the mock; None removes a variable."""
        return instance_environment(os.environ, self.endpoint_url, self.control_url, self.region)

    def container_credentials_environment(
        self,
        service: Literal["ecs", "eks"] = "ecs",
        *,
        token: str = "token",  # noqa: S107 - not a secret
    ) -> dict[str, str | None]:
        """The same for a client in a container, which asks the ECS or EKS agent for credentials.

        Args:
            service: `ecs` or `eks`.
            token: The pod's token for EKS; any is accepted unless `eks.token` is configured.
        """
        return container_environment(self.environment(), self.endpoint_url, service, token)

    def configure(self, **settings: Any) -> None:
        """Change settings until `reset`, all of them or none.

        Args:
            settings: Values by name: `region`, `instance_type`, `role`, `tags`, `http_tokens`, ...; other settings with
                their section (`credentials__role_arn`), or whole sections (`ecs={...}`).

        Raises:
            ConfigError: A name is unknown or a value is invalid.
        """
        self._driver.call(lambda: self._controller.configure(settings))
        self._configured()

    def play(self, scenario: Scenario | Mapping[str, Any] | str | os.PathLike[str]) -> PlayedScenario[EventT, FaultT]:
        """Start a scenario now: arm all of its events and faults, or none.

        Args:
            scenario: A mapping as in a file, YAML or JSON text, or the path of a file. A `str` is text if it has
                several lines or begins with a brace, otherwise a path.

        Raises:
            ConfigError: The file cannot be read, or the scenario is invalid; names every wrong field.
        """
        return self._play(scenario_of(scenario))

    def reset(self) -> None:
        """Restore the start: configuration, metadata, time, no events, no faults, an empty journal."""
        self._driver.call(self._controller.reset)
        self._configured()

    def _configured(self) -> None:
        if self.on_configure is not None:
            self.on_configure()

    async def _requested(
        self, path: str, by: str | None, at_least: int, within: float | None, *, says_none: bool = False
    ) -> Requests:
        def found() -> Requests:
            return controller.requests().filter(path, caller=by)

        controller = self._controller
        if within is not None:
            await controller.wait_until(lambda: len(found()) >= at_least, within)
        made = await controller.settled_requests()
        matching = made.filter(path, caller=by)
        if len(matching) >= at_least:
            return matching
        who, when = f" by {by}" if by else "", "" if within is None else f" within {within:g} s"
        if says_none:
            raise failure(f"no request for {path}{who}{when}", made)
        requests = "1 request" if at_least == 1 else f"{at_least} requests"
        raise failure(f"expected at least {requests} for {path}{who}{when}, got {len(matching)}", made)

    def _require_no_imdsv1(self, by: str | None, made: Requests) -> None:
        total = self._driver.call(lambda: self._controller.imdsv1_requests(by))
        if total:
            counted = f"{total} IMDSv1 request{'s' if total > 1 else ''}"
            raise failure(f"expected no IMDSv1 request{f' by {by}' if by else ''}, got {counted}", made)
