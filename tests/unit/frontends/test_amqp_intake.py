"""What a transfer brings in: an id for what has none, limits of headers, envelopes."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.queue import Queue
from peeklock.errors import InvalidRequest, MessageTooLarge, ProtocolViolation
from peeklock.frontends.amqp_intake import read_batch, read_sent
from peeklock.limits import AMQP_MAP_BYTES_MAX, BATCH_MESSAGES_MAX, ID_CHARACTERS_MAX
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.amqp10.values import UByte, ULong
from tests.support.amqp_bytes import composite, data_section, map_, string, value_section
from tests.support.house import House

SHORT = st.text(max_size=20)
PROPERTIES = st.builds(
    Properties,
    user_id=st.none() | st.binary(max_size=20),
    to=st.none() | SHORT,
    subject=st.none() | SHORT | st.text(min_size=200, max_size=300),
    correlation_id=st.none() | SHORT | st.uuids(),
    creation_time=st.none() | st.integers(0, 1 << 40),
    group_id=st.none() | SHORT,
)
BODY = DataBody([b"body"])


class Desk:
    """Reads what comes for one queue."""

    def __init__(self, **settings: object) -> None:
        self.house = House()
        self.queue: Queue = self.house.queue(**settings)

    def sent(self, payload: bytes) -> bytes:
        return read_sent(payload, self.queue, self.house.ids, self.house.now).message.bare

    def batch(self, payload: bytes) -> list[bytes]:
        given = read_batch(payload, self.queue, self.house.ids, self.house.now)
        return [one.message.bare for one in given]


class TestMessageId:
    @given(PROPERTIES)
    def test_one_that_has_none_gets_one_and_keeps_all_else(self, given: Properties) -> None:
        bare = encode_bare(given, {"k": 1}, BODY)
        stamped = Desk().sent(bare)
        found = read_properties(stamped)
        assert found is not None
        assert isinstance(found.message_id, str)
        assert found.message_id
        assert replace(found, message_id=None) == given
        assert read_application_properties(stamped) == {"k": 1}
        assert read_body(stamped) == BODY

    @given(PROPERTIES, st.uuids() | st.text(max_size=128) | st.binary(max_size=128))
    def test_one_that_has_one_passes_byte_for_byte(
        self, given: Properties, message_id: UUID | str | bytes
    ) -> None:
        bare = encode_bare(replace(given, message_id=message_id), {}, BODY)
        assert Desk().sent(bare) == bare

    @pytest.mark.parametrize("message_id", [ULong(0), ULong(1 << 60), "", b""])
    def test_ids_of_any_type_are_ids(self, message_id: object) -> None:
        bare = encode_bare(Properties(message_id=message_id))  # type: ignore[arg-type]  # all of AMQP's
        assert Desk().sent(bare) == bare

    @pytest.mark.parametrize(
        "properties",
        [
            b"",
            b"\x00\x53\x73\x45",
            b"\x00\x53\x73\xc0\x01\x00",
            b"\x00\x53\x73\xd0\x00\x00\x00\x04\x00\x00\x00\x00",
            b"\x00\x53\x73\xd0\x00\x00\x00\x05\x00\x00\x00\x01\x40",
            b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x73\xc0\x02\x01\x40",
        ],
        ids=["none", "empty", "list8", "list32", "a null", "long descriptor"],
    )
    def test_properties_in_every_form(self, properties: bytes) -> None:
        body = data_section(b"body")
        stamped = Desk().sent(properties + body)
        assert stamped.endswith(body)
        found = read_properties(stamped)
        assert found is not None
        assert found.message_id

    def test_one_with_a_footer_is_left_alone(self) -> None:
        """§3.2.9: it may hold a checksum of the bare message."""
        bare = data_section(b"a") + b"\x00\x53\x78\xc1\x01\x00"
        assert Desk().sent(bare) == bare

    def test_two_messages_get_two_ids(self) -> None:
        desk = Desk()
        first, second = desk.sent(data_section(b"a")), desk.sent(data_section(b"a"))
        assert read_properties(first) != read_properties(second)

    @pytest.mark.parametrize("message_id", ["", b""])
    def test_an_empty_one_is_nobodys_duplicate(self, message_id: str | bytes) -> None:
        desk = Desk(duplicate_window_ms=20_000)
        payload = encode_bare(Properties(message_id=message_id), None, BODY)
        given = read_sent(payload, desk.queue, desk.house.ids, desk.house.now)
        assert given.message_id == b""

    def test_zero_is_an_id(self) -> None:
        desk = Desk(duplicate_window_ms=20_000)
        payload = encode_bare(Properties(message_id=ULong(0)), None, BODY)
        given = read_sent(payload, desk.queue, desk.house.ids, desk.house.now)
        assert given.message_id != b""

    def test_it_is_no_duplicate_of_anything(self) -> None:
        """Only what the sender says can say that two are the same."""
        desk = Desk(duplicate_window_ms=60_000)
        given = read_sent(data_section(b"a"), desk.queue, desk.house.ids, desk.house.now)
        assert given.message_id == b""

    @pytest.mark.parametrize(
        "properties",
        [b"\x00\x53\x73\xc0\x00", b"\x00\x53\x73\xc1\x01\x00", b"\x00\x53\x73\xd0\0\0\0\0"],
    )
    def test_what_are_no_properties_is_no_message(self, properties: bytes) -> None:
        with pytest.raises(ProtocolViolation):
            Desk().sent(properties)

    @given(st.binary(max_size=12))
    def test_nothing_in_the_list_does_harm(self, inside: bytes) -> None:
        """A list whose count is a lie is read by whoever wants it, not here."""
        payload = b"\x00\x53\x73\xc0" + bytes([len(inside)]) + inside
        try:
            assert Desk().sent(payload)
        except (ProtocolViolation, InvalidRequest):
            pass


class TestLimits:
    def test_an_id_has_a_longest(self) -> None:
        longest = "é" * ID_CHARACTERS_MAX  # in characters, not in bytes
        bare = encode_bare(Properties(message_id=longest))
        assert Desk().sent(bare) == bare
        with pytest.raises(InvalidRequest, match="129 characters; allowed are 128"):
            Desk().sent(encode_bare(Properties(message_id=longest + "e")))

    def test_a_session_id_has_one_where_it_decides(self) -> None:
        bare = encode_bare(Properties(message_id="m", group_id="g" * 129))
        assert Desk().sent(bare) == bare
        with pytest.raises(InvalidRequest, match="group-id of 129 characters"):
            Desk(requires_session=True).sent(bare)

    def test_a_partition_key_has_one_where_it_decides(self) -> None:
        annotated = b"\x00\x53\x72" + map_(
            [(b"\xa3\x13x-opt-partition-key", string("p" * 129))]
        )
        bare = encode_bare(Properties(message_id="m"))
        with pytest.raises(InvalidRequest, match="partition key of 129 characters"):
            Desk(duplicate_window_ms=60_000).sent(annotated + bare)

    def test_application_properties_have_a_largest(self) -> None:
        def bare(size: int) -> bytes:
            return encode_bare(Properties(message_id="m"), {"k": "v" * size}, BODY)

        overhead = 9 + 3 + 5  # map32 with its count, "k", the string's head
        assert Desk().sent(bare(AMQP_MAP_BYTES_MAX - overhead))
        with pytest.raises(InvalidRequest, match="application properties of 65537 bytes"):
            Desk().sent(bare(AMQP_MAP_BYTES_MAX - overhead + 1))


class TestEnvelopes:
    def test_each_data_section_is_a_message(self) -> None:
        inner = [encode_bare(Properties(message_id=f"m{n}"), None, BODY) for n in range(3)]
        envelope = composite("properties", message_id="m0") + b"".join(
            data_section(one) for one in inner
        )
        assert Desk().batch(envelope) == inner

    def test_each_gets_an_id_of_its_own(self) -> None:
        found = Desk().batch(data_section(data_section(b"a")) * 2)
        ids = {str(read_properties(one)) for one in found}
        assert len(ids) == 2

    def test_headers_and_annotations_inside_are_those_of_the_message(self) -> None:
        desk = Desk()
        inner = composite("header", priority=UByte(7), ttl=1000) + data_section(b"a")
        (one,) = read_batch(data_section(inner), desk.queue, desk.house.ids, desk.house.now)
        assert (one.message.priority, one.message.ttl_ms) == (7, 1000)

    @pytest.mark.parametrize(
        "envelope",
        [
            value_section("no message"),
            data_section(b"no message"),
            data_section(data_section(b"a")) + b"\x00\x53\x78\xc1\x01\x00",
        ],
        ids=["a value", "bytes", "a footer"],
    )
    def test_what_is_none(self, envelope: bytes) -> None:
        with pytest.raises(ProtocolViolation):
            Desk().batch(envelope)

    def test_an_empty_one_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="without messages"):
            Desk().batch(composite("properties", message_id="m"))

    def test_all_together_are_no_larger_than_one_may_be(self) -> None:
        desk = Desk(max_message_bytes=100)
        assert len(desk.batch(data_section(data_section(b"a" * 20)) * 2)) == 2
        with pytest.raises(MessageTooLarge):
            desk.batch(data_section(data_section(b"a" * 20)) * 5)

    def test_there_is_a_bound_on_how_many(self) -> None:
        one = data_section(data_section(b""))
        with pytest.raises(InvalidRequest, match=f"more than {BATCH_MESSAGES_MAX}"):
            Desk().batch(one * (BATCH_MESSAGES_MAX + 1))
