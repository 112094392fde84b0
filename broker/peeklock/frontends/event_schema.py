"""JSON Schema (2020-12) for the data of a topic's messages, over jsonschema (ADR 0033).

The library is loaded with the first schema. What a schema may say is bounded where it is given,
and what a message may cost where it is looked at: somebody's schema is everybody's broker.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, final
from urllib.parse import unquote

import orjson

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.structured import ContentMode
from peeklock.errors import InvalidEvent, InvalidRequest, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.limits import (
    EVENT_SCHEMA_BYTES_MAX,
    EVENT_SCHEMA_DEPTH_MAX,
    EVENT_SCHEMA_MESSAGE_BYTES_MAX,
    EVENT_SCHEMA_STEPS_MAX,
    EVENT_SCHEMAS_CACHED_MAX,
)
from peeklock.message import Message

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
# Expressions that may take for ever on the right text, and what leads out of the document.
REFUSED: Final = {
    "pattern": "a regular expression may take for ever on the right text",
    "patternProperties": "a regular expression may take for ever on the right text",
    "$dynamicRef": "what it leads to changes while it is followed",
    "$recursiveRef": "it is of an older draft",
    "$vocabulary": "it is for schemas of schemas",
}
MAPS: Final = frozenset(
    {"properties", "$defs", "definitions", "dependentSchemas"}
)  # of schemas
DATA: Final = frozenset({"const", "enum", "default", "examples"})  # and no schemas
TOLD_CHARACTERS_MAX: Final = 200  # of what is told about a value
# A comparison of each item with each other one is this much of a step.
PAIRS_A_STEP: Final = 100


class TooMuch(Exception):
    """The message has used up its steps."""


@final
class Meter:
    """Counts the steps of the message in hand."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuch


@final
class EventSchema:
    """See `entities.conformity.Conformity`."""

    __slots__ = ("_meter", "_validator")

    def __init__(self, schema: object) -> None:
        self._meter: Final = Meter()
        self._validator: Final[Any] = make_validator(schema, self._meter)

    def check(self, message: Message) -> None:
        size = len(message.bare)
        if size > EVENT_SCHEMA_MESSAGE_BYTES_MAX:  # before it is read: that takes its time, too
            most = EVENT_SCHEMA_MESSAGE_BYTES_MAX
            raise refused(
                f"in a message of {size} bytes; where there is a schema, at most {most}"
            )
        try:
            data = orjson.loads(data_to_check(message))
        except orjson.JSONDecodeError as error:
            raise refused(f"no JSON, which the topic's schema is for: {error}") from None
        self._meter.left = EVENT_SCHEMA_STEPS_MAX
        try:
            found = next(self._validator.iter_errors(data), None)
        except (TooMuch, RecursionError):
            what = f"more than {EVENT_SCHEMA_STEPS_MAX} steps to see whether it conforms"
            raise refused(what) from None
        except Exception as mistake:  # noqa: BLE001 (of a schema that the library took, all the same)
            raise refused(f"the topic's schema cannot be applied: {mistake}"[:300]) from None
        if found is not None:
            raise refused(told(found))


def told(error: Any) -> str:
    """Where in the data, what is wrong there, and by which rule of the schema."""
    rule = "/".join(str(step).replace("/", "~1") for step in error.absolute_schema_path)
    what = str(error.message)
    if len(what) > TOLD_CHARACTERS_MAX:
        what = what[:TOLD_CHARACTERS_MAX] + "…"
    return f"{error.json_path}: {what} (#/{rule})"


def refused(what: str) -> InvalidEvent:
    return InvalidEvent("data", what)


def data_to_check(message: Message) -> bytes:
    """An event's data, in whatever mode; of what is no event, its body."""
    try:
        parts: AmqpParts = parts_of(message.bare)
        if amqp_mode(parts) in (ContentMode.BINARY, ContentMode.STRUCTURED):
            data = read_amqp(parts).data
            if data is None:
                raise refused("none, and the topic has a schema for it")
            return data.content
    except ProtocolViolation as error:
        raise refused(f"it cannot be read: {error}") from None
    if parts.body is None:
        raise refused("no data section and no string: the topic's schema is for JSON")
    return parts.body


# ---- the schema


@lru_cache(maxsize=EVENT_SCHEMAS_CACHED_MAX)
def event_schema(text: str) -> EventSchema:
    """A topic's schema; raises `InvalidRequest` for what is none, or may not be one here."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > EVENT_SCHEMA_BYTES_MAX:
        raise bad("", f"{size} bytes; a schema has at most {EVENT_SCHEMA_BYTES_MAX}")
    try:
        schema = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise bad("", f"no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise bad("", "a JSON object is wanted")
    if schema.get("$schema", DRAFT) not in (DRAFT, DRAFT + "#"):
        raise bad("/$schema", f"{DRAFT} is what is read here")
    check_words(schema)
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as mistake:
        place = "/".join(str(step) for step in mistake.absolute_path)
        raise bad(f"/{place}", str(mistake.message)[:TOLD_CHARACTERS_MAX]) from None
    return EventSchema(schema)


def bad(place: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"event_schema: #{place}: {what}")


def check_words(schema: object) -> None:
    """Refuses, by place, what the library is not to see. Not recursive."""
    # A value, where it is, how deep, and whether its names are somebody's own.
    open_values: list[tuple[object, str, int, bool]] = [(schema, "", 1, False)]
    while open_values:
        value, place, depth, is_map = open_values.pop()
        if depth > EVENT_SCHEMA_DEPTH_MAX:
            raise bad(place, f"nested more than {EVENT_SCHEMA_DEPTH_MAX} deep")
        if isinstance(value, list):
            for number, item in enumerate(value):
                open_values.append((item, f"{place}/{number}", depth + 1, False))
        elif isinstance(value, dict):
            for key, item in value.items():
                name = str(key)
                below = f"{place}/{name[:TOLD_CHARACTERS_MAX]}"
                if not is_map:
                    check_word(name, item, below, schema)
                if is_map or name not in DATA:
                    open_values.append((item, below, depth + 1, not is_map and name in MAPS))


def check_word(name: str, value: object, place: str, schema: object) -> None:
    if name in REFUSED:
        raise bad(place, f"not taken here: {REFUSED[name]}")
    if name == "$id" and place != "/$id":
        raise bad(place, "a schema in a schema is not taken here")
    if name != "$ref":
        return
    if not isinstance(value, str) or not (value == "#" or value.startswith("#/")):
        raise bad(place, "it may lead to a place of this schema alone, as #/$defs/name")
    if not isinstance(found_at(schema, value[1:]), (dict, bool)):
        raise bad(place, f"it leads to no schema: {value[:TOLD_CHARACTERS_MAX]}")


def found_at(schema: object, pointer: str) -> object:
    """What a JSON pointer (RFC 6901) leads to; None: nothing, or data, which nobody checked."""
    value = schema
    above = ""
    for step in pointer.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if name in DATA and above not in MAPS:
            return None
        above = name
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def make_validator(schema: object, meter: Meter) -> Any:
    """The library's, each of whose rules takes a step of `meter`."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    counted = {
        word: counting(rule, meter, is_pairwise=word == "uniqueItems")
        for word, rule in Draft202012Validator.VALIDATORS.items()
        if word not in REFUSED
    }
    counted |= dict.fromkeys(REFUSED, never)  # none is there: `check_words` has looked
    kind = validators.extend(Draft202012Validator, counted)
    return kind(schema, registry=Registry())  # an empty one: nothing is looked up elsewhere


def never(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
    raise TooMuch


Rule = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


def counting(rule: Rule, meter: Meter, *, is_pairwise: bool) -> Rule:
    def take_a_step(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        steps = 1
        if is_pairwise and isinstance(instance, list):
            steps += len(instance) ** 2 // PAIRS_A_STEP
        meter.take(steps)
        return rule(validator, value, instance, schema) or ()

    return take_a_step
