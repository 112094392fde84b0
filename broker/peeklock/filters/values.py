"""What a filter works with: the values of properties, and of everything made of them.

`None` is what is not there, or is null: unknown, in three-valued logic. Instants are aware, in
UTC.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

Value: TypeAlias = (
    bool | int | float | Decimal | str | bytes | UUID | datetime | timedelta | None
)
Number: TypeAlias = int | float | Decimal

SHOWN_CHARACTERS_MAX = 40  # of a value in an error


def kind_of(value: Value) -> str:
    """What people call a value of this type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, bytes):
        return "binary"
    if isinstance(value, UUID):
        return "a uuid"
    return "an instant" if isinstance(value, datetime) else "a duration"


def shown(value: Value) -> str:
    """A value as an error shows it: with its kind, and not all of it when it is long."""
    if isinstance(value, (str, bytes)):
        text = repr(value[: SHOWN_CHARACTERS_MAX + 1])  # it may be megabytes
    else:
        text = str(value)
    if len(text) > SHOWN_CHARACTERS_MAX:
        text = text[:SHOWN_CHARACTERS_MAX] + "…"
    return f"{kind_of(value)} ({text})"


def in_utc(value: Value) -> Value:
    """A value that an author gave, as filters compare it: an instant without a zone is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def text_of(value: Value) -> str:
    """A value as text, where a string is wanted: `True` is `true`, a uuid as it is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
