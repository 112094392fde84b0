"""AMQP values and performatives: there and back, and hostile bytes (§1.6, §2.7)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import ProtocolViolation
from peeklock.limits import AMQP_NESTING_MAX
from peeklock.protocols.amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Transfer,
    decode_performative,
    encode_performative,
)
from peeklock.protocols.amqp10.primitives import encode_value, read_value, skip_value
from peeklock.protocols.amqp10.sections import split_message
from peeklock.protocols.amqp10.values import (
    AmqpArray,
    AmqpValue,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from tests.support.facts import attributes


def integers(kind: type, bits: int, *, signed: bool) -> st.SearchStrategy[AmqpValue]:
    least = -(1 << bits - 1) if signed else 0
    most = (1 << bits - (1 if signed else 0)) - 1
    return st.integers(least, most).map(kind)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers(UByte, 8, signed=False),
    integers(UShort, 16, signed=False),
    integers(UInt, 32, signed=False),
    integers(ULong, 64, signed=False),
    integers(Byte, 8, signed=True),
    integers(Short, 16, signed=True),
    integers(Int, 32, signed=True),
    integers(int, 64, signed=True),
    integers(Timestamp, 64, signed=True),
    st.floats(allow_nan=False),
    st.floats(width=32, allow_nan=False).map(Float),
    st.binary(min_size=4, max_size=4).map(Decimal32),
    st.binary(min_size=8, max_size=8).map(Decimal64),
    st.binary(min_size=16, max_size=16).map(Decimal128),
    st.characters(exclude_categories=["Cs"]).map(Char),
    st.uuids(),
    st.binary(max_size=300),
    text,
    st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol),
)
keys = text | st.text(st.characters(max_codepoint=127)).map(Symbol)
values: st.SearchStrategy[AmqpValue] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(keys, inner, max_size=5)
    ),
    max_leaves=20,
)


def same(one: AmqpValue, other: AmqpValue) -> bool:
    """Equal, and of the same AMQP types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    return one == other


@given(values)
def test_a_value_comes_back_with_its_type(value: AmqpValue) -> None:
    data = encode_value(value)
    got, end = read_value(data, 0)
    assert end == len(data) == skip_value(data, 0)
    assert same(got, value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (UInt(0), "43"),
        (UInt(255), "52ff"),
        (UInt(256), "7000000100"),
        (ULong(0), "44"),
        (ULong(255), "53ff"),
        (ULong(256), "800000000000000100"),
        (Int(-1), "54ff"),
        (Int(128), "7100000080"),
        (-1, "55ff"),
        (128, "810000000000000080"),
        (UByte(7), "5007"),
        (UShort(7), "600007"),
        (Byte(-1), "51ff"),
        (Short(-1), "61ffff"),
        (Timestamp(1), "830000000000000001"),
        (True, "41"),
        (False, "42"),
        (None, "40"),
        ([], "45"),
        ({}, "c10100"),
        (Float(1.0), "723f800000"),
        (1.0, "823ff0000000000000"),
        (Char("x"), "7300000078"),
        (Symbol("ab"), "a3026162"),
        ("ab", "a1026162"),
        (b"ab", "a0026162"),
        (UUID(int=1), "98" + "00" * 15 + "01"),
        (AmqpArray(0x70, [UInt(3)]), "e006017000000003"),
        (AmqpArray(0xA3, [Symbol("a")]), "e00701b30000000161"),
    ],
)
def test_the_shortest_encoding_of_the_type_is_written(value: AmqpValue, data: str) -> None:
    """§1.6. Compiled code must not take a UInt for any int: its type is on the wire."""
    assert encode_value(value).hex() == data


@given(st.binary(max_size=300))
def test_hostile_bytes_are_a_violation_or_a_value(data: bytes) -> None:
    try:
        _value, end = read_value(data, 0)
    except ProtocolViolation:
        return
    assert 0 < end <= len(data)


@given(values, st.data())
def test_a_value_cut_short_is_a_violation(value: AmqpValue, data: st.DataObject) -> None:
    encoded = encode_value(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ProtocolViolation):
        read_value(encoded[:cut], 0)


@pytest.mark.parametrize("depth", [AMQP_NESTING_MAX - 1, AMQP_NESTING_MAX + 1])
def test_nesting_is_bounded(depth: int) -> None:
    value: AmqpValue = "x"
    for _ in range(depth):
        value = [value]
    data = encode_value(value)
    if depth < AMQP_NESTING_MAX:
        read_value(data, 0)
        return
    with pytest.raises(ProtocolViolation, match="nest"):
        read_value(data, 0)


u32 = st.integers(0, 2**32 - 1)
performatives = st.one_of(
    st.builds(Open, container_id=text, hostname=st.none() | text, max_frame_size=u32),
    st.builds(
        Begin,
        remote_channel=st.none() | st.integers(0, 65535),
        next_outgoing_id=u32,
        incoming_window=u32,
        outgoing_window=u32,
    ),
    st.builds(Attach, name=text, handle=u32, role=st.booleans()),
    st.builds(Flow, u32, u32, u32, u32, st.none() | u32, u32, u32),
    st.builds(Detach, u32, st.booleans(), st.none()),
    st.builds(Disposition, st.booleans(), u32, u32, st.booleans(), st.none()),
    st.builds(End, st.none()),
    st.builds(Close, st.none()),
)


@given(performatives, st.binary(max_size=20))
def test_a_performative_comes_back(performative: object, payload: bytes) -> None:
    data = encode_performative(performative)  # type: ignore[arg-type]
    got, at = decode_performative(data + payload, 0, len(data) + len(payload))
    assert at == len(data)
    assert type(got) is type(performative)
    for name in attributes(performative):
        before, after = getattr(performative, name), getattr(got, name)
        assert after == before or (before in (None, [], {}) and after in (None, [], {})), name


@given(
    u32, u32, st.binary(max_size=32), st.booleans(), st.booleans(), st.booleans(), st.binary()
)
def test_a_transfer_comes_back(
    handle: int,
    delivery_id: int,
    tag: bytes,
    settled: bool,
    more: bool,
    aborted: bool,
    payload: bytes,
) -> None:
    transfer = Transfer(
        handle, delivery_id, tag, 0, settled=settled, more=more, aborted=aborted
    )
    data = encode_performative(transfer) + payload
    got, at = decode_performative(data, 0, len(data))
    assert isinstance(got, Transfer)
    assert data[at:] == payload
    assert (got.handle, got.delivery_id, got.delivery_tag) == (handle, delivery_id, tag)
    assert (got.settled, got.more, got.aborted) == (settled, more, aborted)


@given(st.binary(max_size=200))
def test_hostile_frames_and_messages_are_violations(data: bytes) -> None:
    for decode in (
        lambda: decode_performative(data, 0, len(data)),
        lambda: split_message(data),
    ):
        try:
            decode()
        except ProtocolViolation:
            pass
