"""Two parts of a mock for tests: its metadata as a mapping, and its time."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from imds_mock.testing.kinds import timestamp
from imds_mock.violations.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.testing.controls import Controls
    from imds_mock.testing.handles import Driver


class Metadata(MutableMapping[str, Any]):
    """The metadata that a caller without variants and targets sees: path, such as `meta-data/instance-id`, to value.

    Values are text, or bytes that are not text. Set a value as in the section `metadata` of a configuration file: text,
    a number, lines as a list, or a mapping with `$text`, `$json` or `$base64`. Deleting a category deletes what is
    below it.

    Args:
        driver: The mock.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getitem__(self, path: str) -> str | bytes:
        body = self._driver.call(lambda: self._controls.leaf(_normalized(path)))
        if body is None:
            raise self._missing(path)
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body

    def __setitem__(self, path: str, value: Any) -> None:
        if value is None:
            raise ValueError(f"metadata[{path!r}] = None: to remove the path, use `del`")
        if not self._driver.call(lambda: self._controls.set_leaf(_normalized(path), value)):
            raise self._missing(path)

    def __delitem__(self, path: str) -> None:
        if not self._driver.call(lambda: self._controls.remove_leaf(_normalized(path))):
            raise self._missing(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._driver.call(self._controls.leaf_paths))

    def __len__(self) -> int:
        return len(self._driver.call(self._controls.leaf_paths))

    @property
    def _controls(self) -> Controls:
        return self._driver.controller

    def _missing(self, path: str) -> KeyError:
        like = nearest(_normalized(path), self)
        return KeyError(f"no metadata at {path!r}" + (f"; did you mean {like}?" if like else ""))


class Clock:
    """The mock's own time: credentials rotate, tokens lapse and events come due by it.

    Args:
        driver: The mock.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def now(self) -> datetime:
        """The mock's time."""
        return datetime.fromtimestamp(self._driver.call(self._driver.controller.now), UTC)

    def advance(
        self, by: timedelta | None = None, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move the time forward.

        Args:
            by: How far.
            days: Days to add.
            hours: Hours to add.
            minutes: Minutes to add.
            seconds: Seconds to add.
        """
        total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds) + (by or timedelta())
        self._driver.call_settled(lambda: self._driver.controller.advance_clock(total.total_seconds()))

    def set(self, moment: datetime) -> None:
        """Set the time; it runs on from there.

        Args:
            moment: A datetime with a time zone.

        Raises:
            ValueError: The datetime has no time zone.
        """
        seconds = timestamp(moment)
        self._driver.call_settled(lambda: self._driver.controller.set_clock(seconds))

    def real(self) -> None:
        """Return to the real time."""
        self._driver.call_settled(self._driver.controller.use_real_time)


def _normalized(path: str) -> str:
    return path.strip("/").removeprefix("latest/")
