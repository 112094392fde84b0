"""A derived job before it is a message: what its template says, and what its cause is."""

from collections.abc import Mapping
from typing import Final, final

import orjson

from peeklock.entities.derivation import COUNT, DERIVATION, KEY, TOLD, TOPIC, Derivation
from peeklock.entities.signal_reader import digest
from peeklock.types import EntityPath

ID_CHARACTERS: Final = 32  # of a digest, in hexadecimal
Property = str | bool | int | float


@final
class Cause:
    """The signal that made a job, or the last that counted towards it: source and id."""

    __slots__ = ("id", "source")

    def __init__(self, source: str, id_: str) -> None:
        self.source: Final = source
        self.id: Final = id_


@final
class DueJob:
    """What is to become a job of a key."""

    __slots__ = ("cause", "count", "first", "key", "values")

    def __init__(
        self,
        key: str,
        cause: Cause,
        first: Cause,
        values: Mapping[str, object],
        count: int = 1,
    ) -> None:
        self.key: Final = key
        self.cause: Final = cause  # the last signal that counts towards it
        # The one that it began with: the job's message-id is made of it, so that it is the
        # same when its signals are sent again.
        self.first: Final = first
        self.values: Final = values  # of the placeholders that are in a signal, by their texts
        self.count: Final = count  # of the signals


@final
class JobDraft:
    """What a lens makes a message of."""

    __slots__ = ("body", "correlation_id", "message_id", "properties", "subject")

    def __init__(
        self,
        message_id: str,
        correlation_id: str,
        subject: str,
        body: bytes,
        properties: Mapping[str, Property],
    ) -> None:
        self.message_id: Final = message_id
        self.correlation_id: Final = correlation_id
        self.subject: Final = subject
        self.body: Final = body  # JSON, in UTF-8
        self.properties: Final = properties


def drafted(topic: EntityPath, derivation: Derivation, due: DueJob) -> JobDraft:
    """The job that `derivation` makes of what is due."""
    settings = derivation.settings
    key, cause, first = due.key, due.cause, due.first
    known: dict[str, object] = {
        **due.values,
        KEY: key,
        COUNT: due.count,
        TOPIC: str(topic),
        DERIVATION: settings.name,
    }
    properties: dict[str, Property] = {
        name: as_property(template.value(known)) for name, template in derivation.properties
    }
    properties["derived_by"] = settings.name
    properties["derived_from"] = str(topic)
    if key:
        properties["derived_key"] = key
    properties["cause_source"] = cause.source
    properties["cause_id"] = cause.id
    for name in TOLD:
        told = due.values.get(f"event.{name}")
        if isinstance(told, (str, bool, int, float)):
            properties[name if name == "traceparent" else f"cause_{name}"] = told
    unique = digest(topic.casefold(), settings.name.casefold(), key, first.source, first.id)
    return JobDraft(
        f"{settings.name}-{unique.hex()[:ID_CHARACTERS]}",
        cause.id,
        derivation.subject.render(known),
        derivation.body.render(known),
        properties,
    )


def as_property(value: object) -> Property:
    """A JSON value as an application property: nothing is "", and what is no scalar JSON."""
    if isinstance(value, (str, bool, int, float)):
        return value
    return "" if value is None else orjson.dumps(value).decode()
