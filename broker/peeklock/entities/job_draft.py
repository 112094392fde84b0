"""A derived job before it is a message: what its template says, and what its cause is."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, final

from peeklock.entities.derivation import (
    COUNT,
    DERIVATION,
    FIRST_AT,
    KEY,
    LAST_AT,
    TOLD,
    TOPIC,
    Derivation,
)
from peeklock.entities.signal_reader import Cause, digest
from peeklock.filters.template import as_text
from peeklock.limits import DERIVED_TEXT_CHARACTERS_MAX, ID_CHARACTERS_MAX
from peeklock.types import EntityPath, UnixMs

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_MAX_SHOWN: Final = 253_402_300_799_999  # of the year 9999, the last that has a text
ID_CHARACTERS: Final = 32  # of a digest, in hexadecimal
Property = str | bool | int | float


NOBODY: Final = Cause("", "")  # of a threshold's account, whose jobs have causes of their own


@final
class DueJob:
    """What is to become a job of a key."""

    __slots__ = ("cause", "count", "first", "first_at", "key", "last_at", "values")

    def __init__(
        self,
        key: str,
        cause: Cause,
        first: Cause,
        values: Mapping[str, object],
        count: int,
        first_at: UnixMs,
        last_at: UnixMs,
    ) -> None:
        self.key: Final = key
        self.cause: Final = cause  # the last signal that counts towards it
        # The one that it began with: the job's message-id is made of it, so that it is the
        # same when its signals are sent again.
        self.first: Final = first
        self.values: Final = values  # of the placeholders that are in a signal, by their texts
        self.count: Final = count  # of the signals
        self.first_at: Final = first_at  # when the first of them came
        self.last_at: Final = last_at


@final
class JobDraft:
    """What a lens makes a message of."""

    __slots__ = (
        "body",
        "correlation_id",
        "message_id",
        "properties",
        "session_id",
        "subject",
    )

    def __init__(
        self,
        message_id: str,
        correlation_id: str,
        subject: str,
        session_id: str,
        body: bytes,
        properties: Mapping[str, Property],
    ) -> None:
        self.message_id: Final = message_id
        self.correlation_id: Final = correlation_id
        self.subject: Final = subject
        self.session_id: Final = session_id  # "": none
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
        FIRST_AT: instant_text(due.first_at),
        LAST_AT: instant_text(due.last_at),
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
    properties["cause_source"] = as_property(cause.source)
    properties["cause_id"] = as_property(cause.id)
    for name in TOLD:
        told = due.values.get(f"event.{name}")
        if isinstance(told, (str, bool, int, float)):
            own_name = name if name == "traceparent" else f"cause_{name}"
            properties[own_name] = as_property(told)
    unique = digest(topic.casefold(), settings.name.casefold(), key, first.source, first.id)
    return JobDraft(
        f"{settings.name}-{unique.hex()[:ID_CHARACTERS]}",
        cause.id[:ID_CHARACTERS_MAX],
        derivation.subject.render(known)[:DERIVED_TEXT_CHARACTERS_MAX],
        derivation.session.render(known)[:DERIVED_TEXT_CHARACTERS_MAX],
        derivation.body.render(known),
        properties,
    )


def instant_text(at: UnixMs) -> str:
    """As RFC 3339 has it, in UTC, to the millisecond."""
    instant = EPOCH + timedelta(milliseconds=min(at, INSTANT_MAX_SHOWN))
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_property(value: object) -> Property:
    """A JSON value as an application property: nothing is "", and what is no scalar JSON."""
    if isinstance(value, (bool, int, float)):
        return value
    return as_text(value)[:DERIVED_TEXT_CHARACTERS_MAX]
