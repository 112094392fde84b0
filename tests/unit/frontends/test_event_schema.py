"""Schemas for the data of a topic's messages: what they take, and what they may cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.amqp_binding import write_amqp_binary, write_amqp_structured
from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.structured import EventFormat
from peeklock.errors import InvalidEvent, InvalidRequest
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.amqp_message import read_message
from peeklock.frontends.event_schema import event_schema
from peeklock.limits import (
    EVENT_SCHEMA_BYTES_MAX,
    EVENT_SCHEMA_DEPTH_MAX,
    EVENT_SCHEMA_MESSAGE_BYTES_MAX,
)
from peeklock.message import Message
from tests.support.amqp_bytes import composite, data_section, value_section
from tests.support.events import event

READING = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["level"],
    "properties": {
        "level": {"type": "integer", "maximum": 10},
        "sensors": {"type": "array", "items": {"$ref": "#/$defs/sensor"}},
        "pattern": {"type": "string"},  # a name, and no word of the language
    },
    "$defs": {"sensor": {"enum": ["smoke", "heat", {"pattern": "data"}]}},
}


def message(content: bytes) -> Message:
    return read_message(data_section(content))


def check(schema: object, data: object) -> None:
    event_schema(json.dumps(schema)).check(message(json.dumps(data).encode()))


@pytest.mark.parametrize(
    "data",
    [
        {"level": 3},
        {"level": 10, "sensors": ["smoke", "heat"], "more": None},
        {"level": 0, "pattern": "x", "sensors": [{"pattern": "data"}]},
    ],
)
def test_what_conforms(data: object) -> None:
    check(READING, data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([], r"data: \$: \[\] is not of type 'object' \(#/type\)"),
        ({}, r"\$: 'level' is a required property \(#/required\)"),
        ({"level": "x"}, r"\$.level: 'x' is not of type 'integer' \(#/properties/level/type\)"),
        ({"level": 11}, r"\$.level: 11 is greater than .* \(#/properties/level/maximum\)"),
        ({"level": 1, "sensors": ["smoke", "x"]}, r"\$.sensors\[1\]: 'x' is not one of"),
        ({"level": "x" * 9_000}, r"\$.level: .{150,250}… \("),
    ],
)
def test_refusals_name_the_place_and_the_rule(data: object, told: str) -> None:
    with pytest.raises(InvalidEvent, match=told):
        check(READING, data)


def data(level: object) -> Any:
    return json_data(json.dumps({"level": level}).encode())


FORMS = {
    "binary": write_amqp_binary,
    "structured": lambda one: write_amqp_structured(one, EventFormat.JSON),
    "protobuf": lambda one: write_amqp_structured(one, EventFormat.PROTOBUF),
    "avro": lambda one: write_amqp_structured(one, EventFormat.AVRO),
}


@pytest.mark.parametrize("form", FORMS)
def test_events_in_each_mode(form: str) -> None:
    schema = event_schema(json.dumps(READING))
    for level, conforms in ((3, True), ("x", False)):
        parts = FORMS[form](event(data(level), datacontenttype="application/json"))
        given_message = read_message(bare_of(parts))
        if conforms:
            schema.check(given_message)
            continue
        with pytest.raises(InvalidEvent, match=r"\$.level"):
            schema.check(given_message)


def test_bodies_of_other_kinds() -> None:
    schema = event_schema(json.dumps(READING))
    schema.check(read_message(value_section('{"level": 3}')))
    for payload, told in (
        (value_section(3), "no data section"),
        (data_section(b""), "no JSON"),
        (data_section(b"\xff"), "no JSON"),
        (data_section(b'{"level": 3} x'), "no JSON"),
        (composite("properties", subject="s") + data_section(b"[" * 60_000), "no JSON"),
        (data_section(b"[" + b" " * EVENT_SCHEMA_MESSAGE_BYTES_MAX), "at most 65536"),
    ):
        with pytest.raises(InvalidEvent, match=told):
            schema.check(read_message(payload))


def nested(depth: int) -> object:
    one: object = {}
    for _ in range(depth - 1):
        one = {"not": one}
    return one


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (3, "#: a JSON object is wanted"),
        (True, "#: a JSON object is wanted"),
        ({"type": "no"}, "#/type: 'no' is not valid"),
        ({"properties": {"a": {"maximum": "3"}}}, "#/properties/a/maximum: '3' is not of type"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            "2020-12/schema is what is read",
        ),
        ({"$schema": 3}, "2020-12/schema is what is read"),
        ({"pattern": "(a+)+$"}, "#/pattern: not taken here: a regular expression"),
        ({"items": {"patternProperties": {}}}, "#/items/patternProperties: not taken"),
        ({"$dynamicRef": "#a"}, r"#/\$dynamicRef: not taken"),
        ({"$ref": "https://example.com/a.json"}, r"#/\$ref: it may lead to a place of this"),
        ({"$ref": "file:///etc/passwd"}, r"#/\$ref: it may lead"),
        ({"$ref": "#/$defs/none"}, r"#/\$ref: it leads to no schema"),
        ({"$ref": 3}, r"#/\$ref: it may lead"),
        (
            {"const": {"pattern": "(a+)+$"}, "$ref": "#/const"},
            r"#/\$ref: it leads to no schema",
        ),
        ({"enum": [{"pattern": "a"}], "$ref": "#/%65num/0"}, r"#/\$ref: it leads to no schema"),
        (
            {"allOf": [{"$id": "https://example.com/b"}]},
            r"#/allOf/0/\$id: a schema in a schema",
        ),
        (nested(EVENT_SCHEMA_DEPTH_MAX + 1), f"nested more than {EVENT_SCHEMA_DEPTH_MAX} deep"),
        ({"description": "x" * EVENT_SCHEMA_BYTES_MAX}, "a schema has at most"),
    ],
)
def test_schemas_that_are_none(schema: object, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        event_schema(json.dumps(schema))


def test_names_of_a_schemas_own_are_no_words() -> None:
    own = {"properties": {"const": {"type": "string"}}, "$defs": {"enum": {"type": "integer"}}}
    check(own | {"items": {"$ref": "#/properties/const"}}, ["a"])
    check(own | {"items": {"$ref": "#/$defs/enum"}}, [1])
    with pytest.raises(InvalidEvent, match="is not of type 'integer'"):
        check(own | {"items": {"$ref": "#/$defs/enum"}}, ["a"])


def test_a_reference_to_what_is_no_schema_refuses_what_comes() -> None:
    with pytest.raises(InvalidEvent, match="cannot be applied"):
        check({"$ref": "#/$defs", "$defs": {"type": {"type": "object"}}}, 1)


def test_texts_that_are_none() -> None:
    for text in ("", "{", "[" * 20_000, "\ud800", '{"a": NaN}'):
        with pytest.raises(InvalidRequest, match="no JSON"):
            event_schema(text)


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"$ref": "#"}, 1),  # round and round
        ({"items": {"type": "integer"}}, [1] * 9_000),
        ({"uniqueItems": True}, [[n] for n in range(5_000)]),
        (
            {
                "$ref": "#/$defs/a0",
                "$defs": {
                    **{
                        f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 3}
                        for n in range(15)
                    },
                    "a15": {"type": "string"},
                },
            },
            1,
        ),
    ],
    ids=["circle", "items", "pairs", "branches"],
)
def test_a_message_costs_no_more_than_its_steps(schema: object, data: object) -> None:
    with pytest.raises(InvalidEvent, match="more than 5000 steps"):
        check(schema, data)
    check({"type": ["integer", "array"]}, data)  # the next one has steps of its own


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)
words = st.sampled_from(
    ["type", "properties", "items", "enum", "const", "anyOf", "not", "$ref", "$defs", "if",
     "required", "pattern", "maximum", "uniqueItems", "then", "contains", "$schema",
     "unevaluatedProperties"]
)  # fmt: skip
schemas = st.recursive(
    values,
    lambda inner: st.dictionaries(words, inner | st.sampled_from(["#", "object", "#/$defs"])),
    max_leaves=8,
)


@given(schemas, values)
def test_anything_is_taken_or_refused(schema: object, data: object) -> None:
    try:
        check(schema, data)
    except (InvalidRequest, InvalidEvent):
        pass
