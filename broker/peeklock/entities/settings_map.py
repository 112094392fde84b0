"""Settings ⇄ maps of plain values: for the journal, the management node and configuration.

A map has every setting by its name; a queue's retry policy is flattened to `retry_…`, and
where its messages are pushed to, to `push_…`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Final, TypeVar

from peeklock.entities.push import Push
from peeklock.entities.settings import (
    QueueSettings,
    RetryPolicy,
    RuleSettings,
    Scalar,
    TopicSettings,
)

Settings = TypeVar("Settings", QueueSettings, TopicSettings)
RETRY: Final = "retry_"
PUSH: Final = "push_"
# Kinds of a rule's values that JSON has no word for.
FLOAT: Final = "float"  # infinite, or no number
INSTANT: Final = "instant"  # RFC 3339, or without a zone
DURATION: Final = "duration"  # microseconds
MICROSECOND: Final = timedelta(microseconds=1)


def settings_as_map(settings: QueueSettings | TopicSettings) -> dict[str, object]:
    """Every setting by its name; numbers, strings and booleans only."""
    found: dict[str, object] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (RetryPolicy, Push)):
            prefix = prefix_of(value)
            for part in fields(value):
                found[prefix + part.name] = as_plain(getattr(value, part.name))
        else:
            found[field.name] = as_plain(value)
    return found


def prefix_of(group: RetryPolicy | Push) -> str:
    """Of the names of its settings in a map."""
    return RETRY if isinstance(group, RetryPolicy) else PUSH


def as_plain(value: object) -> object:
    return str(value) if isinstance(value, StrEnum) else value


def with_changes(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """`settings` with some values changed; names that are no setting are left out.

    Raises `InvalidRequest` for a value out of its range, `TypeError` or `ValueError` for one
    of a wrong type, naming the setting.
    """
    found: dict[str, object] = {}
    for field in fields(settings):
        now = getattr(settings, field.name)
        if isinstance(now, (RetryPolicy, Push)):
            prefix = prefix_of(now)
            parts = {
                part.name: typed(
                    prefix + part.name, getattr(now, part.name), changes[prefix + part.name]
                )
                for part in fields(now)
                if prefix + part.name in changes
            }
            found[field.name] = replace(now, **parts)  # type: ignore[arg-type]  # typed() did
        elif field.name in changes:
            found[field.name] = typed(field.name, now, changes[field.name])
    return replace(settings, **found)  # type: ignore[arg-type]  # typed() has checked them


def typed(name: str, like: object, value: object) -> object:
    """`value` as of the type that `like` has; raises `TypeError` or `ValueError`."""
    if isinstance(like, StrEnum):
        if not isinstance(value, str):
            raise TypeError(f"{name} is a string, not {value!r}")
        try:
            return type(like)(value)
        except ValueError:
            allowed = ", ".join(type(like))
            raise ValueError(f"{name} is {value!r}; there are {allowed}") from None
    if isinstance(like, bool) or isinstance(value, bool):
        if not (isinstance(like, bool) and isinstance(value, bool)):
            raise TypeError(f"{name} is {kind_of(like)}, not {value!r}")
        return value
    if isinstance(like, float) and isinstance(value, (int, float)):
        return float(value)
    if isinstance(like, int) and isinstance(value, int):
        return int(value)  # off the wire it may be a subclass that knows its AMQP type
    if isinstance(like, str) and isinstance(value, str):
        return str(value)
    raise TypeError(f"{name} is {kind_of(like)}, not {value!r}")


def kind_of(like: object) -> str:
    """What a setting's value is, to people."""
    if isinstance(like, bool):
        return "true or false"
    if isinstance(like, int):
        return "a whole number"
    return "a number" if isinstance(like, float) else "a string"


def rule_as_map(rule: RuleSettings) -> dict[str, object]:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "expression": rule.expression,
        "properties": pairs_of(rule.properties),
        "action": rule.action,
        "parameters": pairs_of(rule.parameters),
        "action_parameters": pairs_of(rule.action_parameters),
    }


def pairs_of(values: Iterable[tuple[str, Scalar]]) -> list[list[object]]:
    return [pair_of(name, value) for name, value in values]


def pair_of(name: str, value: Scalar) -> list[object]:
    """A third item says of what kind a value is that JSON has no word for."""
    if isinstance(value, float) and not isfinite(value):
        return [name, str(value), FLOAT]
    if isinstance(value, datetime):
        return [name, value.isoformat(), INSTANT]
    if isinstance(value, timedelta):
        return [name, value // MICROSECOND, DURATION]
    return [name, value]


def pairs_from(given: object) -> tuple[tuple[str, Scalar], ...]:
    """As `pair_of` wrote each; raises `TypeError` or `ValueError`."""
    if not isinstance(given, list):
        raise TypeError("a rule's values are a list of pairs")
    return tuple([pair_from(pair) for pair in given])


def pair_from(pair: object) -> tuple[str, Scalar]:
    if not isinstance(pair, list) or len(pair) not in (2, 3):
        raise TypeError("a rule's values are pairs of name and value")
    name, value = pair[0], pair[1]
    kind = pair[2] if len(pair) == 3 else ""
    if not isinstance(name, str) or not isinstance(value, (str, bool, int, float)):
        raise TypeError(f"a rule compares no {value!r}")
    if not kind:
        return name, value
    if kind == FLOAT:
        return name, float(value)
    if kind == INSTANT:
        return name, datetime.fromisoformat(str(value))
    if kind == DURATION and isinstance(value, int):
        return name, timedelta(microseconds=value)
    raise TypeError(f"a value of kind {kind!r} is not known to this version")


def rule_from_map(values: Mapping[str, object]) -> RuleSettings:
    """As `rule_as_map` wrote it; raises `TypeError` for what it cannot have written."""
    texts: list[str] = []
    for name in ("name", "kind", "expression", "action"):
        text = values.get(name)
        if not isinstance(text, str):
            raise TypeError(f"a rule's {name} is a string, not {text!r}")
        texts.append(text)
    properties = pairs_from(values.get("properties"))
    parameters = pairs_from(values.get("parameters", []))  # an older version has none
    action_parameters = pairs_from(values.get("action_parameters", []))
    return RuleSettings(
        texts[0], texts[1], texts[2], properties, texts[3], parameters, action_parameters
    )
