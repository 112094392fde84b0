"""Where JSON values begin and end; against Python's own reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.json_scan import BadJson, check_json, elements, members
from peeklock.limits import EVENT_JSON_DEPTH_MAX

LETTERS = st.text(
    st.sampled_from('{}[]",:\\ \t\n0123456789-+.eEtrufalsn/bé\x00\x1f'), max_size=14
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def is_json(text: bytes) -> bool:
    try:
        check_json(text)
    except BadJson:
        return False
    return True


def python_reads(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return not (text[:1].isspace() or text[-1:].isspace())


@given(LETTERS)
def test_the_grammar_is_jsons(text: str) -> None:
    assert is_json(text.encode()) == python_reads(text)


@given(VALUES, st.sampled_from([None, 1]))
def test_what_is_written_is_read(value: object, indent: int | None) -> None:
    check_json(json.dumps(value, indent=indent).encode())


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_values_are_cut_out(object_: dict[str, object], array: list[object]) -> None:
    text = json.dumps(object_, indent=1).encode()
    found = {name: json.loads(raw) for name, raw in members(text, 100)}
    assert json.dumps(found) == json.dumps(object_)
    raws = elements(b" " + json.dumps(array).encode() + b"\n", 100)
    assert json.dumps([json.loads(raw) for raw in raws]) == json.dumps(array)


@pytest.mark.parametrize("text", [b"1e400", b"-0", b"1.10", b'"\\ud800"', b'{"a":1,"a":2}'])
def test_what_readers_change_or_refuse_is_json(text: bytes) -> None:
    check_json(text)


@pytest.mark.parametrize(
    "text",
    [b'"\\ud800"', b'["\\udc00\\ud800"]', b'{"a":1,"\\u0061":2}', b'{"x":{"a":1,"b":2,"a":3}}'],
)
def test_what_readers_disagree_about_is_not_strict(text: bytes) -> None:
    check_json(text)
    with pytest.raises(BadJson):
        check_json(text, strict=True)


def test_the_same_name_in_different_objects_is_strict() -> None:
    check_json(b'[{"a":{"a":1}},{"a":[{"a":"\\ud83d\\ude00"}]}]', strict=True)


def test_nesting_has_a_limit_and_takes_no_stack() -> None:
    deep = EVENT_JSON_DEPTH_MAX
    check_json(b"[" * deep + b"]" * deep)
    with pytest.raises(BadJson, match="nesting of more than 512"):
        check_json(b"[" * (deep + 1) + b"]" * (deep + 1))


def test_errors_say_where() -> None:
    with pytest.raises(BadJson, match="not UTF-8 at byte 1"):
        check_json(b'"\xff"')
    with pytest.raises(BadJson, match="no colon at byte 5"):
        members(b'{"a" 1}', 9)
    with pytest.raises(BadJson, match="more than one value"):
        members(b"{} {}", 9)
    with pytest.raises(BadJson, match="more than 1 members"):
        members(b'{"a":1,"b":2}', 1)
    with pytest.raises(BadJson, match="more than 1 elements"):
        elements(b"[1,2]", 1)
    for wrong in (b"[1,]", b"[,1]", b"[1", b"[1}", b"[] 1"):
        with pytest.raises(BadJson):
            elements(wrong, 9)
