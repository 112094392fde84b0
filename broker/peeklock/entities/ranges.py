"""Refusing a setting outside its range, in words that name the range."""

from peeklock.errors import OutOfRange


def within(name: str, value: int, least: int, most: int) -> None:
    """Refuse a setting outside its range, naming the range."""
    if not least <= value <= most:
        raise OutOfRange(f"{name} is {value}; allowed is {least} to {most}")


def real_within(name: str, value: float, least: float, most: float) -> None:
    """The same for a number with a fraction. Compiled, one function for both would show 1.0."""
    if not least <= value <= most:
        raise OutOfRange(f"{name} is {value:g}; allowed is {least:g} to {most:g}")


def none_or_within(name: str, value: int, least: int, most: int) -> None:
    """As `within`, and 0 is allowed: it means none."""
    if value != 0 and not least <= value <= most:
        raise OutOfRange(f"{name} is {value}; allowed is 0 for none, or {least} to {most}")
