"""Removes definitions that the shim does not use from modules that every start imports, and computes constants.

trim_modules.py STDLIB PACKAGES (called by build-tree.sh). Each class takes 100,000 instructions of a start, one with
abstract methods or a Protocol several times as many. Sets of characters that a module computes become their values.
A name that a module does not define ends the build.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

# What only httpx's own client raises.
_ERRORS_OF_CLIENT = {
    *("PoolTimeout", "WriteTimeout", "WriteError", "CloseError", "ProxyError", "UnsupportedProtocol"),
    *("LocalProtocolError", "DecodingError", "TooManyRedirects"),
}
UNUSED = {
    "collections/__init__.py": {
        *("UserDict", "UserList", "UserString"),
        *("OrderedDict", "_OrderedDictKeysView", "_OrderedDictItemsView", "_OrderedDictValuesView"),  # is one in C
    },
    "contextlib.py": {
        *("AsyncContextDecorator", "_AsyncGeneratorContextManager", "asynccontextmanager"),
        *("closing", "aclosing", "_RedirectStream", "redirect_stdout", "redirect_stderr", "AsyncExitStack"),
        "chdir",
    },
    "functools.py": {"partial"},  # the one in C is used
    "httpx/__init__.py": _ERRORS_OF_CLIENT,
    "httpx/_exceptions.py": _ERRORS_OF_CLIENT,
    "typing.py": {
        *("SupportsInt", "SupportsComplex", "SupportsBytes", "SupportsIndex", "SupportsAbs"),
        "SupportsRound",
    },
    "weakref.py": {"WeakMethod", "finalize"},
}
CONSTANTS = {
    "httpx/_urlparse.py": {
        *("FRAG_SAFE", "QUERY_SAFE", "PATH_SAFE", "USERNAME_SAFE", "PASSWORD_SAFE", "USERINFO_SAFE"),
    },
}
"""Strings that each start would compute from nothing but literals, 10,000 instructions each."""


def defined_by(statement: ast.stmt) -> set[str]:
    """Return the names of a class, a function, or the targets of an assignment."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {ast.unparse(target) for target in statement.targets}
    return set()


def trimmed(source: str, unused: set[str]) -> str:
    """Return the source without these definitions, and without their names in `__all__`.

    Raises:
        LookupError: one of them does not exist.
    """
    tree = ast.parse(source)
    missing = unused - {name for statement in tree.body for name in defined_by(statement)}
    tree.body = [statement for statement in tree.body if not defined_by(statement) & unused]
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and defined_by(statement) == {"__all__"}:
            names = ast.literal_eval(statement.value)
            missing -= set(names)
            statement.value = ast.parse(repr([name for name in names if name not in unused]), mode="eval").body
    if missing:
        raise LookupError(f"the module does not define {', '.join(sorted(missing))}")
    return ast.unparse(tree)


def computed(source: str, constants: set[str]) -> str:
    """Return the source with the values of these assignments in place of their expressions.

    Raises:
        LookupError: one of them does not exist.
    """
    tree = ast.parse(source)
    missing = set(constants)
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and (names := defined_by(statement) & constants):
            # Literals, and `chr`, `range` and `"".join`: nothing of the module.
            value = eval(ast.unparse(statement.value), {})  # noqa: S307 - the library's own text
            statement.value = ast.copy_location(ast.Constant(value), statement.value)
            missing -= names
    if missing:
        raise LookupError(f"the module does not define {', '.join(sorted(missing))}")
    return ast.unparse(tree)


if __name__ == "__main__":
    for change, table in ((trimmed, UNUSED), (computed, CONSTANTS)):
        for name, of_module in table.items():
            (file,) = (path for path in (Path(folder, name) for folder in sys.argv[1:]) if path.exists())
            file.write_text(change(file.read_text(encoding="utf-8"), of_module), encoding="utf-8")
