"""Facts come back from bytes as they were, and bytes that are none say so."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.facts import Enqueued, Fact, LastValueSet, Relocated, Rewritten
from peeklock.store.fact_codec import BadFact, FactReader, decode_message
from peeklock.store.record import HEADER_BYTES, Scanner, encode_record
from peeklock.types import NOWHERE, Lsn
from tests.support.facts import facts, positions, shown

WITH_MESSAGE = (Enqueued, LastValueSet, Relocated, Rewritten)


@given(st.lists(facts, min_size=1, max_size=8), positions)
def test_a_record_comes_back(given_facts: list[Fact], at: Lsn) -> None:
    header, payload, end = encode_record(given_facts, at)
    data = header + payload
    assert end == at + len(data)
    scanner = Scanner(data, at)
    found = scanner.next_record()
    assert found is not None
    got = scanner.facts(*found)
    assert [shown(fact) for fact in got] == [shown(fact) for fact in given_facts]
    assert scanner.next_record() is None
    assert scanner.rest_is_empty()
    for before, after in zip(given_facts, got, strict=True):
        if isinstance(before, WITH_MESSAGE) and before.message is not None:
            assert isinstance(after, WITH_MESSAGE)
            assert after.body_at == before.body_at != NOWHERE
            message = decode_message(data, after.body_at - at)
            wanted = before.message
            assert (message.bare, message.annotations) == (wanted.bare, wanted.annotations)
            assert (message.durable, message.priority) == (wanted.durable, wanted.priority)
            assert message.ttl_ms == wanted.ttl_ms


@given(st.lists(facts, min_size=1, max_size=3), st.data())
def test_one_changed_byte_is_noticed(given_facts: list[Fact], data: st.DataObject) -> None:
    header, payload, _end = encode_record(given_facts, Lsn(64))
    whole = bytearray(header + payload)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    assert Scanner(bytes(whole), Lsn(64)).next_record() is None


@given(st.binary(max_size=200))
def test_random_bytes_are_a_bad_fact_or_facts(data: bytes) -> None:
    try:
        FactReader(data, 0, len(data), Lsn(0)).read_all()
    except BadFact:
        pass


def test_an_unknown_code_is_named() -> None:
    data = struct.pack(">BI", 99, 1)
    with pytest.raises(BadFact, match="99"):
        FactReader(data, 0, len(data), Lsn(0)).read_all()


def test_the_header_has_the_size_that_the_format_says() -> None:
    assert HEADER_BYTES == 20
