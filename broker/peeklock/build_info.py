"""Which build this is."""

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
