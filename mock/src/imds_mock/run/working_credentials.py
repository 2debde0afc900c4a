"""The credentials of a run that have to be fetched; what keeps them fresh is loaded when a configuration has any."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from imds_mock.config.profiles import effective
from imds_mock.credentials.kept import NotKept
from imds_mock.credentials.orders import WORKING_SOURCES, order_for
from imds_mock.log import say_limited
from imds_mock.metadata.instance import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.config.settings import Config
    from imds_mock.credentials.kept import Kept
    from imds_mock.credentials.orders import Order
    from imds_mock.credentials.pool import Pool


class WorkingCredentials:
    """Has credentials fetched and kept fresh.

    Args:
        started: When the mock started, in seconds since the epoch.

    Attributes:
        config: Gives the configuration in force.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._pool: Pool | None = None
        self._is_running = False
        self.config: Callable[[], Config] | None = None

    def keep(self, order: Order) -> Kept:
        """What keeps the credentials of an order; nobody does when callers have made up very many roles.

        Args:
            order: The order.
        """
        if self._pool is None:
            self._pool = _pool(self._is_configured)
            if self._is_running:
                self._pool.start()
        if not (self._pool.has_room_for(order) or self._is_configured(order)):
            return NotKept(order)
        return self._pool.keep(order)

    async def first(self) -> None:
        """Begin to fetch, and wait for the first credentials as long as the configuration says."""
        self._is_running = True
        if self._pool is not None and self.config is not None:
            self._pool.start()
            await self._pool.settled(self.config().credentials.wait_seconds)

    def _is_configured(self, order: Order) -> bool:
        return self.config is None or order in set(_orders(self.config(), self._started))


def _orders(config: Config, started: float) -> Iterator[Order]:
    for whole in (config, *(effective(config, (place,)) for place in range(len(config.profiles)))):
        if whole.credentials.source in WORKING_SOURCES and whole.instance.role is not None:
            yield order_for(whole.credentials, derive(whole.instance, started), whole.instance.role)


def _pool(is_configured: Callable[[Order], bool]) -> Pool:
    from imds_mock.credentials.fetching import Fetcher  # noqa: PLC0415 - made up credentials need none of it
    from imds_mock.credentials.keeper import Means  # noqa: PLC0415
    from imds_mock.credentials.pool import Pool  # noqa: PLC0415

    return Pool(Means(Fetcher().fetch, time.time, asyncio.sleep, random.random, say_limited, is_configured))
