"""Where in a text something is, as people count: lines and columns from 1."""

from peeklock.errors import InvalidFilter


def line_and_column(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def where(text: str, at: int) -> str:
    """For errors that a message causes; a filter of one line needs no word of it."""
    line, column = line_and_column(text, at)
    return f"column {column}" if "\n" not in text else f"line {line}, column {column}"


def refusal(text: str, at: int, what: str, expected: tuple[str, ...] = ()) -> InvalidFilter:
    line, column = line_and_column(text, at)
    return InvalidFilter(what, line, column, expected)
