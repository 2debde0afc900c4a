"""pytest plugin: the fixtures `imds` and `imds_session`, the marker `imds`, and the option `--imds-report`.

pytest loads it through its entry point in every run, so everything else is imported when a test uses a fixture.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.testing import ImdsMock

_MARKER: Final = "imds"
_PROPERTY: Final = "imds"
_HELP: Final = (
    'imds(region="eu-west-1", spot="terminate", ...): settings and events of the EC2 metadata service for a test; '
    "uses the fixture imds"
)
_PATHS_SHOWN: Final = 3

# What the marker accepts besides settings: the name, and what arms the event with the value.
_EVENTS: Final[dict[str, Callable[[ImdsMock, Any], object]]] = {
    "spot": lambda mock, action: mock.spot.interrupt(action),
    "rebalance": lambda mock, is_sent: mock.spot.rebalance() if is_sent else None,
    "maintenance": lambda mock, code: mock.maintenance(code),
    "lifecycle": lambda mock, state: mock.lifecycle(state),
}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Import the package without assertion rewriting.

    pytest rewrites all modules of a package that has a plugin. This one has no assertions to rewrite, and compiling its
    modules again takes a third of a second. pytest has no public option for it; without the set, it rewrites them.
    """
    marked = getattr(early_config.pluginmanager.rewrite_hook, "_must_rewrite", None)
    if isinstance(marked, set):
        marked.discard("imds_mock")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    parser.getgroup("imds", "EC2 metadata service").addoption(
        "--imds-report", action="store_true", help="show the metadata requests and IMDSv1 calls of each test"
    )
    parser.addini("imds_config", "Configuration file of the mock, relative to the root folder.", default="")
    parser.addini(
        "imds_environment", "Whether the fixture imds sets the variables of AWS clients.", type="bool", default=True
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the report if it is wanted."""
    config.addinivalue_line("markers", _HELP)
    if config.getoption("imds_report", default=False):
        config.pluginmanager.register(_Report(), "imds-report")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let marked tests use the fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and _MARKER not in item.fixturenames and item.get_closest_marker(_MARKER):
            item.fixturenames.insert(0, _MARKER)


class _Server:
    """The mock of this process; a new one takes the place of one that has failed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mock: ImdsMock | None = None

    def mock(self) -> ImdsMock:
        from imds_mock.testing import ImdsMock, MockCrashedError  # noqa: PLC0415 - see the module's docstring

        if self._mock is not None:
            try:
                self._mock.check()
            except MockCrashedError:
                self.stop()
        if self._mock is None:
            name = str(self._config.getini("imds_config"))
            self._mock = ImdsMock(self._config.rootpath / name if name else None).__enter__()
        return self._mock

    def stop(self) -> None:
        if self._mock is not None:
            mock, self._mock = self._mock, None
            mock.close()


@pytest.fixture(scope="session")
def _imds_server(request: pytest.FixtureRequest) -> Iterator[_Server]:
    server = _Server(request.config)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def imds_session(_imds_server: _Server) -> ImdsMock:
    """The EC2 metadata service of the session, as it is: `imds` resets it, and sets the environment."""
    return _imds_server.mock()


@pytest.fixture
def imds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _imds_server: _Server) -> Iterator[ImdsMock]:
    """An EC2 metadata service in its initial state, which AWS clients find through the environment."""
    mock = _imds_server.mock()
    mock.reset()
    _apply_markers(mock, request.node)
    if request.config.getini("imds_environment"):
        mock.on_configure = lambda: _set_environment(mock, monkeypatch)
        mock.on_configure()
        if "boto3" in sys.modules:
            # Its default session may have found the credentials and the region of an earlier test.
            monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    try:
        yield mock
    finally:
        mock.on_configure = None
    mock.check()
    if request.config.getoption("imds_report", default=False):
        made = mock.requests
        v1 = made.filter(version="v1")
        request.node.user_properties.append((_PROPERTY, [len(made), len(v1), sorted({each.path for each in v1})]))


def _apply_markers(mock: ImdsMock, node: pytest.Item) -> None:
    from imds_mock.errors import MockError  # noqa: PLC0415 - see the module's docstring
    from imds_mock.testing import FieldError  # noqa: PLC0415 - as above
    from imds_mock.testing.settings import require_names  # noqa: PLC0415 - as above

    given: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(_MARKER))):  # the closest one last, so that it wins
        if marker.args:
            pytest.fail(f"the marker imds takes keywords such as region=..., got {marker.args!r}", pytrace=False)
        given |= marker.kwargs
    settings = {name: value for name, value in given.items() if name not in _EVENTS}
    try:
        require_names(settings, also=_EVENTS)
        mock.configure(**settings)
        for name in given.keys() & _EVENTS.keys():
            _EVENTS[name](mock, given[name])
    except (MockError, FieldError) as error:
        pytest.fail(f"marker imds: {error}", pytrace=False)


def _set_environment(mock: ImdsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in mock.environment().items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


class _Report:
    """Collects what the tests have requested, also of the workers of pytest-xdist, and shows it at the end."""

    def __init__(self) -> None:
        self._tests: dict[str, tuple[int, int, list[str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "teardown" else ():
            if name == _PROPERTY and isinstance(value, list):
                self._tests[report.nodeid] = (value[0], value[1], value[2])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        tests = self._tests
        total, total_v1 = sum(each[0] for each in tests.values()), sum(each[1] for each in tests.values())
        terminalreporter.section("EC2 metadata service")
        terminalreporter.write_line(f"{total} requests by {len(tests)} tests, {total_v1} of them IMDSv1")
        if tests:
            terminalreporter.write_line("requests  IMDSv1  test")
        for test, (requests, v1, paths) in tests.items():
            more = f", and {len(paths) - _PATHS_SHOWN} more paths" if len(paths) > _PATHS_SHOWN else ""
            listed = f"  ({', '.join(paths[:_PATHS_SHOWN])}{more})" if v1 else ""
            terminalreporter.write_line(f"{requests:8}  {v1:6}  {test}{listed}")
