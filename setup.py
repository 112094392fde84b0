"""Compiles the core with mypyc where there is a C compiler, and says so where there is none.

Everything else about the distribution is in pyproject.toml.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import setup

CORE = Path("broker/peeklock")
MODULES = ("types.py", "limits.py", "errors.py", "clock.py", "message.py")
PACKAGES = (
    *("filters", "cloudevents", "entities", "protocols", "engine", "store", "frontends"),
    "management",
)
# Where make finds why the core was not compiled: pip keeps what a build says to itself.
PLAIN_BECAUSE = Path("build/plain-because")
# Value types that extend int, str and bytes, which mypyc's native classes cannot (values.py);
# dataclasses whose defaults are fields, which it takes for the field's type (tree.py); and what
# works with lark (parser.py, builder.py), whose annotations promise more than it keeps, or with
# jsonschema (event_schema.py), which calls back what it is given.
UNCOMPILED = {
    *("values.py", "tree.py", "parser.py", "builder.py", "event_schema.py", "__init__.py")
}
# Over Starlette, for requests that come now and then: nothing there is worth compiling.
UNCOMPILED_PACKAGES = {CORE / "frontends" / "http"}


def core_files() -> list[str]:
    files = [CORE / name for name in MODULES]
    for package in PACKAGES:
        files += sorted((CORE / package).rglob("*.py"))
    return [
        str(file)
        for file in files
        if file.name not in UNCOMPILED and file.parent not in UNCOMPILED_PACKAGES
    ]


def why_plain() -> str | None:
    """Why the core is not compiled; None when it is."""
    if os.environ.get("PEEKLOCK_PURE") == "1":
        return "PEEKLOCK_PURE=1 asks for it"
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        return "no C compiler was found"
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.c")
        probe.write_text("#include <Python.h>\n")
        include = sysconfig.get_path("include")
        words = [compiler, f"-I{include}", "-c", str(probe), "-o", str(probe.with_suffix(".o"))]
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            return f"{compiler} cannot compile with Python's headers (python3-dev has them)"
    return None


def extensions() -> list[object]:
    reason = why_plain()
    if reason is not None:
        print(f"peeklock: plain Python: {reason}", file=sys.stderr)
        PLAIN_BECAUSE.parent.mkdir(exist_ok=True)
        PLAIN_BECAUSE.write_text(f"{reason}\n")
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
