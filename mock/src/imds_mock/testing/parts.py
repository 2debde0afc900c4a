"""Two parts of a mock for tests: its metadata as a mapping, and its time."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from imds_mock.build.loading import with_override
from imds_mock.metadata.tree import LATEST
from imds_mock.testing.kinds import timestamp
from imds_mock.violations.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.clock import MockClock
    from imds_mock.metadata.tree import Tree
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
        name = _normalized(path)

        def look_up() -> bytes | None:
            tree = self._tree()
            found = tree.lookup(LATEST, name, self._driver.controller.mock.state.clock())
            return None if found is None or name not in tree.leaves else found.body

        body = self._driver.call(look_up)
        if body is None:
            raise self._missing(path)
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body

    def __setitem__(self, path: str, value: Any) -> None:
        if value is None:
            raise ValueError(f"metadata[{path!r}] = None: to remove the path, use `del`")

        def override() -> bool:
            state = self._driver.controller.mock.state
            before = state.config
            state.configure(with_override(before, _normalized(path), value))
            if self._exists(path):
                return True
            state.configure(before)
            return False

        if not self._driver.call(override):
            raise self._missing(path)

    def __delitem__(self, path: str) -> None:
        def remove() -> bool:
            if not self._exists(path):
                return False
            state = self._driver.controller.mock.state
            state.configure(with_override(state.config, _normalized(path), None))
            return True

        if not self._driver.call(remove):
            raise self._missing(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._driver.call(self._paths))

    def __len__(self) -> int:
        return len(self._driver.call(self._paths))

    def _tree(self) -> Tree:
        return self._driver.controller.mock.state.snapshot_for("").tree

    def _paths(self) -> list[str]:
        tree, now = self._tree(), self._driver.controller.mock.state.clock()
        return [path for path in sorted(tree.leaves) if tree.lookup(LATEST, path, now) is not None]

    def _exists(self, path: str) -> bool:
        return self._tree().lookup(LATEST, _normalized(path), self._driver.controller.mock.state.clock()) is not None

    def _missing(self, path: str) -> KeyError:
        like = nearest(_normalized(path), self._driver.call(lambda: tuple(self._tree().leaves)))
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
        return datetime.fromtimestamp(self._driver.call(self._driver.controller.mock.state.clock), UTC)

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
        self._move(lambda clock: clock.advance(total.total_seconds()))

    def set(self, moment: datetime) -> None:
        """Set the time; it runs on from there.

        Args:
            moment: A datetime with a time zone.

        Raises:
            ValueError: The datetime has no time zone.
        """
        seconds = timestamp(moment)
        self._move(lambda clock: clock.set(seconds))

    def real(self) -> None:
        """Return to the real time."""
        self._move(lambda clock: clock.use_real_time())

    def _move(self, move: Callable[[MockClock], None]) -> None:
        self._driver.call_settled(lambda: self._driver.controller.move_clock(move))


def _normalized(path: str) -> str:
    return path.strip("/").removeprefix("latest/")
