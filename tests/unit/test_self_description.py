"""Names in back-ticks exist: modules, files, tests, settings, variables, flags, make targets and identifiers.

The tests read all pages except the changelog, and all docstrings and comments. Identifiers in decisions may be gone.
"""

from __future__ import annotations

import argparse
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from imds_mock import pytest_plugin
from imds_mock.aemm.keys import KEYS
from imds_mock.aemm.keys import variable_of as aemm_variable_of
from imds_mock.cli import _command
from imds_mock.commands import COMMANDS
from imds_mock.config.callers import Match, Variant
from imds_mock.config.settings import Config
from imds_mock.config.sources import RESERVED, variables
from imds_mock.events.kinds import EVENTS
from imds_mock.faults.kinds import FAULTS
from imds_mock.scheduling.options import options_of
from imds_shim.config import SETTINGS
from support.examples import files
from support.mentions import Mention, mentions, mentions_in_text, repository_files, words_of_code
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDERS = ("docs", "tests", "mock", "shim", "image", "scripts", "examples", "bench", ".ci")
PACKAGES = {"imds_mock": "mock/src/imds_mock", "imds_shim": "shim/src/imds_shim"}
AEMM_TEXT = ("docs/migrating-from-amazon-ec2-metadata-mock.md", "mock/src/imds_mock/aemm/")
"""Text about amazon-ec2-metadata-mock's own settings, which have a test of their own."""

FOREIGN_WORDS = {
    # Linux
    *("CONFIG_INET_DIAG_DESTROY", "ECONNABORTED", "O_NONBLOCK", "__WALL", "__WCLONE", "route_localnet"),
    *("ip6t_entry", "ipt_entry", "xt_entry_match", "xt_entry_target", "xt_tcp"),
    *("nf_nat_ipv4_multi_range_compat", "nf_nat_range", "nf_nat_range2"),
    # AWS, HTTP, Kubernetes, Compose, Python, runc
    *("GetCallerIdentity", "GetSessionToken", "source_profile", "Origin", "configMap", "restricted", "ip_range"),
    "ASIAQAAAAAAAAAAAAAAA",
    "constants",  # as a name that no module has
    "GetExecUser",
}


def listed(stale: Iterable[Mention]) -> list[str]:
    """The mentions as a failing test shows them."""
    return [str(mention) for mention in stale]


def is_stale_file(mention: Mention) -> bool:
    """Whether a mention names a file, folder or test that does not exist."""
    path, _, function = mention.text.partition("::")
    if re.fullmatch(r"[\w./*-]+\.(py|sh|md|c)", path):
        found = [file for file in repository_files() if file == path or file.endswith(f"/{path}")]
    elif re.fullmatch(rf"({'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*", path):
        found = [str(place) for place in ROOT.glob(path.rstrip("/"))]
    else:
        return False
    if "*" in path:
        found = [str(place) for place in ROOT.glob(path)]
    if not found and mention.file == "docs/tutorial.md":
        return path not in files((ROOT / mention.file).read_text())
    return not found or (bool(function) and f"def {function}(" not in (ROOT / found[0]).read_text())


def test_files_exist() -> None:
    assert listed(filter(is_stale_file, mentions())) == []


@cache
def setting_keys() -> frozenset[str]:
    """The dotted keys of all settings."""
    keys = {".".join(map(str, path)) for path in variables().values()}
    nested = {
        f"{prefix}.{name}"
        for prefix, kind in (("variants", Variant), ("match", Match))
        for name in kind.__struct_fields__
    }
    return frozenset(keys | nested)


def names_setting(dotted: str) -> bool:
    """Whether a dotted name is a setting, or an entry of a setting that is a mapping, as in `instance.tags.Name`."""
    parts = dotted.split(".")
    return any(".".join(parts[:length]) in setting_keys() for length in range(2, len(parts) + 1))


def names_module(dotted: str) -> bool:
    """Whether a dotted name is a module of one of the programs, or a name in one."""
    first, _, rest = dotted.partition(".")
    packages = [PACKAGES[first]] if first in PACKAGES else PACKAGES.values()
    parts = (rest if first in PACKAGES else dotted).split(".")
    for package in packages:
        place, left = ROOT / package, list(parts)
        while left and (place / left[0]).is_dir():
            place /= left.pop(0)
        if left and (module := place / f"{left[0]}.py").is_file():
            return all(re.search(rf"\b{name}\b", module.read_text()) for name in left[1:])
        if not left:
            return True
    return False


def is_stale_dotted_name(mention: Mention) -> bool:
    """Whether a mention names a setting or module, as in `control.token` or `wire.server`, that does not exist."""
    found = re.match(r"([a-z_]+(?:\.[a-zA-Z_0-9]+)+)(?=$|[:= ])", mention.text)
    if found is None or mention.file.startswith(AEMM_TEXT) or is_file_name(mention.text):
        return False
    first = found[1].partition(".")[0]
    if first not in {*Config.__struct_fields__, *packages(), *PACKAGES}:
        return False
    return not names_setting(found[1]) and not names_module(found[1])


def is_file_name(text: str) -> bool:
    return re.fullmatch(r"[\w./*-]+\.(py|sh|md|c|yaml|yml|json|toml|log|txt|sock)", text) is not None


@cache
def packages() -> frozenset[str]:
    """The packages in both programs."""
    return frozenset(place.name for root in PACKAGES.values() for place in (ROOT / root).iterdir() if place.is_dir())


def test_settings_and_modules_exist() -> None:
    assert listed(filter(is_stale_dotted_name, mentions())) == []


@cache
def known_variables() -> frozenset[str]:
    """The variables of both programs and of amazon-ec2-metadata-mock."""
    return frozenset(
        {
            *variables(),
            *RESERVED,
            *(setting.variable for setting in SETTINGS),
            *(aemm_variable_of(key.name) for key in KEYS.values()),
        }
    )


def is_stale_variable(mention: Mention) -> bool:
    """Whether a mention names a variable of this project that no program reads."""
    known = known_variables()
    named = re.findall(r"(?<![A-Z_])((?:IMDS_MOCK|MOCK|AEMM)_[A-Z0-9_]+)([*…]?)", mention.text)
    return any(not any(each.startswith(name) for each in known) if star else name not in known for name, star in named)


def test_variables_exist() -> None:
    assert listed(filter(is_stale_variable, mentions())) == []


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    flags = {flag for action in parser._actions for flag in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            flags = flags.union(*map(flags_of, action.choices.values()))
    return flags


@cache
def known_flags() -> frozenset[str]:
    """The flags of `imds-mock`, amazon-ec2-metadata-mock, the pytest plugin and other programs in the code."""
    flags = {f"--{key.flag}" for key in KEYS.values()}.union(*(flags_of(_command(name)[1]) for name in COMMANDS))
    flags |= {str(option.flag) for kind in (*EVENTS, *FAULTS) for option in options_of(kind)}
    options = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(options)
    flags |= {name for group in options._groups for option in group.options for name in option.names()}
    for file in repository_files():
        if re.match(r"(shim|scripts|bench|tests/clients)/.*\.py$", file):
            flags |= set(re.findall(r"--[a-z][a-z0-9-]*", (ROOT / file).read_text()))
    return frozenset(flags)


def is_stale_flag(mention: Mention) -> bool:
    """Whether a mention of a command or flag of this project has an unknown flag."""
    if not re.match(r"--[a-z]|imds-|ctl |serve ", mention.text) or mention.file.startswith(AEMM_TEXT):
        return False
    return not set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", mention.text)) <= known_flags()


def test_flags_exist() -> None:
    assert listed(filter(is_stale_flag, mentions())) == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [mention for mention in mentions() if re.fullmatch(r"make( [a-z-]+)+", mention.text)]
    assert named
    assert listed(mention for mention in named if not set(mention.text.split()[1:]) <= targets) == []


def test_identifiers_exist() -> None:
    variable = re.compile(r"(IMDS_MOCK|MOCK|AEMM)_[A-Z0-9_]+")
    current = [each for each in mentions() if not each.file.startswith("docs/decisions/")]
    identifiers = [each for each in current if re.fullmatch(r"[A-Za-z_]\w*", each.text)]
    known = words_of_code() | FOREIGN_WORDS
    assert listed(each for each in identifiers if each.text not in known and not variable.fullmatch(each.text)) == []


def test_every_foreign_word_is_mentioned() -> None:
    assert sorted(FOREIGN_WORDS - {mention.text for mention in mentions()}) == []


def test_stale_names_are_found() -> None:
    text = (
        "`tests/unit/gone.py` `wire.gone` `control.gone` `IMDS_MOCK_GONE` `MOCK_GONE` `--gone` `imds-mock ctl --gone`"
    )
    stale = [is_stale_file, is_stale_dotted_name, is_stale_variable, is_stale_flag]
    found = [[str(each) for each in mentions_in_text("docs/x.md", 1, text) if check(each)] for check in stale]
    assert [len(each) for each in found] == [1, 2, 2, 2]


WHERE_TESTED = (ROOT / "docs/where-tested.md").read_text()


def modules(program: str) -> list[str]:
    """The modules of a program, relative to its package."""
    root = ROOT / PACKAGES[f"imds_{program}"]
    files = (file.relative_to(root) for file in root.rglob("*.py") if file.name != "__init__.py")
    return sorted(".".join(file.with_suffix("").parts) for file in files)


def has_test_of_its_name(program: str, module: str) -> bool:
    """Whether a unit test has the name of a module, with or without the names of its packages."""
    parts = module.split(".")
    names = ["_".join(parts[start:]) for start in range(len(parts))]
    return any((ROOT / f"tests/unit/test_{program}_{name}.py").is_file() for name in names)


@pytest.mark.parametrize("program", ["mock", "shim"])
def test_every_module_has_a_test_of_its_name_or_the_page_names_one(program: str) -> None:
    section = WHERE_TESTED.partition(f"\n## imds-{program}\n")[2].partition("\n## ")[0]
    listed_modules = re.findall(
        r"`([a-z_0-9.]+)`", " ".join(row.split("|")[1] for row in section.splitlines() if "|" in row)
    )
    without = [module for module in modules(program) if not has_test_of_its_name(program, module)]
    assert sorted(set(without) - set(listed_modules)) == [], (
        "add them to docs/where-tested.md, with the test that covers them"
    )
    assert sorted(set(listed_modules) - set(modules(program))) == []


def test_the_architecture_page_has_a_row_for_every_package_and_only_modules_that_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.partition("| package | responsibility | modules |\n")[2].partition("\n\n")[0]
    root = ROOT / PACKAGES["imds_mock"]
    listed_packages: set[str] = set()
    gone: list[str] = []
    for row in table.splitlines()[1:]:
        names, _, listed_modules = (re.findall(r"`([a-z_0-9]+)/?`", cell) for cell in row.strip("|").split("|"))
        listed_packages |= set(names)
        places = [root, *(root / name for name in names)]
        gone += [
            f"{names}: {module}"
            for module in listed_modules
            if not any((place / f"{module}.py").is_file() or (place / module).is_dir() for place in places)
        ]
    assert gone == []
    assert {place.name for place in root.iterdir() if (place / "__init__.py").is_file()} <= listed_packages
