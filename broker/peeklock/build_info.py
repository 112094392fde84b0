"""Which build this is."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version

import peeklock.types


def is_compiled() -> bool:
    """Was the core compiled by mypyc?"""
    return not (peeklock.types.__file__ or "").endswith(".py")


def version() -> str:
    try:
        return distribution_version("peeklock")
    except PackageNotFoundError:
        return "0 (not installed)"


def describe() -> str:
    """As `peeklock --version` prints it."""
    kind = "compiled" if is_compiled() else "plain Python"
    return f"peeklock {version()} ({kind}), Python {sys.version.split()[0]}"
