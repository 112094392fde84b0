"""Compiles the core with mypyc where there is a C compiler, and says so where there is none.

Everything else about the distribution is in pyproject.toml.
"""

import os
import shutil
import sys
from pathlib import Path

from setuptools import setup

CORE = Path("broker/peeklock")
MODULES = ("types.py", "limits.py", "errors.py", "clock.py", "message.py")
PACKAGES = ("filters", "entities", "protocols", "engine", "store", "frontends", "management")
# Value types that extend int, str and bytes, which mypyc's native classes cannot (values.py);
# dataclasses whose defaults are fields, which it takes for the field's type (tree.py); and what
# works with lark (parser.py, builder.py), whose annotations promise more than it keeps.
UNCOMPILED = {"values.py", "tree.py", "parser.py", "builder.py", "__init__.py"}


def core_files() -> list[str]:
    files = [CORE / name for name in MODULES]
    for package in PACKAGES:
        files += sorted((CORE / package).rglob("*.py"))
    return [str(file) for file in files if file.name not in UNCOMPILED]


def extensions() -> list[object]:
    if os.environ.get("PEEKLOCK_PURE") == "1":
        print("peeklock: plain Python, as PEEKLOCK_PURE=1 asks for", file=sys.stderr)
        return []
    if not any(shutil.which(compiler) for compiler in (os.environ.get("CC", "cc"), "gcc")):
        print(
            "peeklock: no C compiler found: plain Python, several times slower", file=sys.stderr
        )
        return []
    from mypyc.build import mypycify

    sys.path.insert(0, str(CORE.parent))
    os.environ["MYPYPATH"] = "broker"
    return mypycify(
        ["--config-file=mypyc.ini", *core_files()],
        opt_level="2",
        debug_level="0",
        multi_file=True,
    )


setup(ext_modules=extensions())
