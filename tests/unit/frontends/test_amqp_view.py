"""What filters see of an AMQP message."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.amqp_binding import AmqpParts, write_amqp_structured
from peeklock.cloudevents.attribute import boolean, integer
from peeklock.cloudevents.structured import EventFormat
from peeklock.filters.filter import cesql_filter, sql_filter
from peeklock.filters.values import Value
from peeklock.filters.view import JmsHeader, SystemProperty
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.amqp_view import MessageView
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Byte,
    Char,
    Decimal128,
    Described,
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
from peeklock.types import SequenceNumber, UnixMs
from tests.support.events import event
from tests.support.fake_ids import FakeIds

NOW = UnixMs(1_767_268_800_000)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICE = Decimal128(bytes.fromhex("303c00000000000000000000000000fa"))


def view_of(
    user: dict[AmqpValue, AmqpValue] | None = None,
    properties: Properties | None = None,
    annotations: bytes = b"",
    ttl_ms: int = -1,
) -> MessageView:
    bare = encode_bare(properties, user, DataBody([b"body"]))
    return MessageView(Message(bare, annotations, ttl_ms=ttl_ms), FakeIds(), NOW)


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        *[(kind(7), 7) for kind in (UByte, UShort, UInt, ULong, Byte, Short, Int, int)],
        (ULong(2**64 - 1), 2**64 - 1),
        (1.5, 1.5),
        (Float(0.5), 0.5),
        (PRICE, Decimal("2.50")),
        (True, True),
        ("a", "a"),
        (Symbol("a"), "a"),
        (Char("a"), "a"),
        (b"a", b"a"),
        (UUID(int=1), UUID(int=1)),
        (Timestamp(NOW), NOON),
        (Timestamp(-(2**63)), datetime.min.replace(tzinfo=UTC)),
        (Timestamp(2**63 - 1), datetime.max.replace(tzinfo=UTC)),
        (None, None),
        ([1], None),  # nothing that could be compared
        ({"a": 1}, None),
        (Described(Symbol("x"), 1), None),
        (Described(Symbol("com.microsoft:uri"), "http://a"), "http://a"),
        (Described(Symbol("com.microsoft:timespan"), 50_000_000), timedelta(seconds=5)),
        (
            Described(Symbol("com.microsoft:timespan"), -(2**63)),
            timedelta(-10675200, 76_314, 522_419),
        ),
        (Described(Symbol("com.microsoft:datetime-offset"), 639_028_656_000_000_000), NOON),
        (Described(Symbol("com.microsoft:datetime-offset"), 2**63 - 1), None),
        (Described(Symbol("com.microsoft:datetime-offset"), "noon"), None),
    ],
)
def test_application_properties_keep_their_kind(sent: AmqpValue, seen: Value) -> None:
    view = view_of({"p": sent})
    found = view.user("p")
    assert found == seen
    assert isinstance(found, bool) is isinstance(seen, bool)
    assert isinstance(found, datetime) is isinstance(seen, datetime)
    assert view.has_user("p")
    assert not view.has_user("q")


def test_names_in_any_case() -> None:
    view = view_of({"Color": 1, "color": 2, "SIZE": 3, 7: "not a name"})
    assert view.user("COLOR") is None
    assert view.user_any_case("color") == 2  # the exact one first
    assert view.user_any_case("COLOR") == 1  # else the first that was sent
    assert view.user_any_case("size") == 3
    assert view.has_user("sIzE")


PROPERTIES = Properties(
    message_id=UUID(int=5), to="q", subject="label", reply_to="r", correlation_id=ULong(9),
    content_type="text/plain", group_id="s", reply_to_group_id="t",
)  # fmt: skip


@pytest.mark.parametrize(
    ("which", "seen"),
    [
        (SystemProperty.MESSAGE_ID, str(UUID(int=5))),
        (SystemProperty.CORRELATION_ID, "9"),
        (SystemProperty.TO, "q"),
        (SystemProperty.LABEL, "label"),
        (SystemProperty.REPLY_TO, "r"),
        (SystemProperty.CONTENT_TYPE, "text/plain"),
        (SystemProperty.SESSION_ID, "s"),
        (SystemProperty.REPLY_TO_SESSION_ID, "t"),
        (SystemProperty.ENQUEUED_TIME, NOON),
        (SystemProperty.TIME_TO_LIVE, timedelta(seconds=5)),
        (SystemProperty.EXPIRES_AT, NOON + timedelta(seconds=5)),
        (SystemProperty.PARTITION_KEY, "k"),
        (SystemProperty.SCHEDULED_TIME, NOON),
        (SystemProperty.DELIVERY_COUNT, 0),
        (SystemProperty.SEQUENCE_NUMBER, None),  # not yet
    ],
)
def test_system_properties(which: SystemProperty, seen: Value) -> None:
    annotations = {
        Symbol("x-opt-partition-key"): "k",
        Symbol("x-opt-scheduled-enqueue-time"): Timestamp(NOW),
    }
    view = view_of(None, PROPERTIES, encode_value(annotations), ttl_ms=5000)
    assert view.system(which) == seen


def test_every_system_property_has_an_answer_on_a_bare_body() -> None:
    view = view_of()
    there = {which for which in SystemProperty if view.system(which) is not None}
    assert there == {
        SystemProperty.ENQUEUED_TIME,
        SystemProperty.DELIVERY_COUNT,
        SystemProperty.SIZE,
    }


def test_what_the_broker_knows_comes_with_it() -> None:
    view = MessageView(Message(b""), FakeIds(), NOW, SequenceNumber(12), delivery_count=3)
    assert view.system(SystemProperty.SEQUENCE_NUMBER) == 12
    assert view.system(SystemProperty.DELIVERY_COUNT) == 3


def test_binary_ids_are_shown_in_hex() -> None:
    view = view_of(None, Properties(message_id=b"\x01\xff"))
    assert view.system(SystemProperty.MESSAGE_ID) == "01ff"


def test_new_ids_differ() -> None:
    view = view_of()
    one, other = view.new_id(), view.new_id()
    assert one != other
    assert one.version == 4


def test_each_section_is_read_when_it_is_asked_for_and_once() -> None:
    view = view_of({"color": "red"}, PROPERTIES)
    sql_filter("color = 'red'").matches(view)
    assert view._fields is None, "no filter has asked for the properties"
    user = view._user
    sql_filter("COLOR = 'blue' OR EXISTS(x) OR sys.To = 'q'").matches(view)
    fields = view._fields
    sql_filter("color = 'blue' OR sys.Label = 'l'").matches(view)
    assert view._user is user
    assert view._fields is fields


@given(st.binary(max_size=60))
def test_sections_that_cannot_be_read_have_no_properties(noise: bytes) -> None:
    for prefix in (b"\x00\x53\x73", b"\x00\x53\x74", b""):
        view = MessageView(Message(prefix + noise, noise), FakeIds(), NOW)
        for which in SystemProperty:
            view.system(which)
        for header in JmsHeader:
            view.jms_header(header)
        view.user_any_case("a")
        view.has_user("a")


class TestJms:
    """amqp-bindmap-jms §3.2.1."""

    @pytest.mark.parametrize(
        ("message_id", "seen"),
        [
            ("ID:x", "ID:x"),
            ("x", "ID:AMQP_NO_PREFIX:x"),
            ("ID:AMQP_UUID:x", "ID:AMQP_STRING:ID:AMQP_UUID:x"),
            (UUID(int=1), f"ID:AMQP_UUID:{UUID(int=1)}"),
            (ULong(7), "ID:AMQP_ULONG:7"),
            (b"\x01\xff", "ID:AMQP_BINARY:01FF"),
            (None, None),
        ],
    )
    def test_message_ids(self, message_id: AmqpValue, seen: str | None) -> None:
        view = view_of(None, Properties(message_id=message_id))
        assert view.jms_header(JmsHeader.MESSAGE_ID) == seen

    def test_correlation_ids_may_be_the_applications_own(self) -> None:
        for sent, seen in (("x", "x"), ("ID:x", "ID:x"), (ULong(7), "ID:AMQP_ULONG:7")):
            view = view_of(None, Properties(correlation_id=sent))
            assert view.jms_header(JmsHeader.CORRELATION_ID) == seen

    def test_the_others(self) -> None:
        properties = Properties(
            subject="type", creation_time=NOW, group_id="g", group_sequence=3, user_id=b"me"
        )
        message = Message(encode_bare(properties), durable=True, priority=7)
        view = MessageView(message, FakeIds(), NOW, delivery_count=2)
        assert {which: view.jms_header(which) for which in JmsHeader} == {
            JmsHeader.MESSAGE_ID: None,
            JmsHeader.CORRELATION_ID: None,
            JmsHeader.DELIVERY_MODE: "PERSISTENT",
            JmsHeader.PRIORITY: 7,
            JmsHeader.TIMESTAMP: NOW,
            JmsHeader.TYPE: "type",
            JmsHeader.DELIVERY_COUNT: 3,
            JmsHeader.GROUP_ID: "g",
            JmsHeader.GROUP_SEQUENCE: 3,
            JmsHeader.USER_ID: "me",
        }

    def test_what_is_not_there(self) -> None:
        view = view_of()
        seen = {which: view.jms_header(which) for which in JmsHeader}
        assert {which for which, value in seen.items() if value is not None} == {
            JmsHeader.DELIVERY_MODE, JmsHeader.PRIORITY, JmsHeader.DELIVERY_COUNT,
            JmsHeader.TIMESTAMP,
        }  # fmt: skip
        assert seen[JmsHeader.TIMESTAMP] == 0
        assert seen[JmsHeader.DELIVERY_MODE] == "NON_PERSISTENT"


class TestCloudEvents:
    """Attributes of an event in AMQP's binary mode (binding 1.0.3, §3.1)."""

    @pytest.mark.parametrize(
        ("sent", "seen"),
        [
            ("a", "a"),
            (True, True),
            (7, 7),
            (UInt(7), 7),
            (2**31, "2147483648"),
            (Timestamp(NOW), "2026-01-01T12:00:00Z"),
            (Timestamp(NOW + 5), "2026-01-01T12:00:00.005Z"),
            (b"\x01\xff", "Af8="),
            (UUID(int=1), str(UUID(int=1))),
            (None, None),
            ([1], None),
        ],
    )
    def test_values_are_canonical(self, sent: AmqpValue, seen: Value) -> None:
        for prefix in ("cloudEvents_", "cloudEvents:"):
            found = view_of({prefix + "x": sent}).attribute("x")
            assert found == seen
            assert isinstance(found, bool) is isinstance(seen, bool)

    def test_the_content_type_is_apart(self) -> None:
        view = view_of({"cloudEvents:id": "1"}, Properties(content_type="text/plain"))
        assert view.attribute("datacontenttype") == "text/plain"
        assert view.attribute("id") == "1"
        assert view.attribute("subject") is None

    @pytest.mark.parametrize("event_format", EventFormat)
    def test_structured_mode(self, event_format: EventFormat) -> None:
        """What the body says counts, whatever properties repeat of it (§3.2.3)."""
        sent = event(level=integer(7), fresh=boolean(True), region="5")
        parts = write_amqp_structured(sent, event_format, {"cloudEvents:id": "other"})
        view = MessageView(Message(bare_of(parts)), FakeIds(), NOW)
        names = ("id", "level", "fresh", "region", "subject", "datacontenttype")
        assert [view.attribute(name) for name in names] == [
            *("A234-1234", 7, True, "5", None, None)
        ]
        assert cesql_filter("type LIKE 'com.%' AND level > 5 AND fresh").matches(view)

    @pytest.mark.parametrize("body", [b"{}", b"\xff", b'{"id":"' + b"x" * 70_000 + b'"}'])
    def test_what_cannot_be_read_shows_its_properties(self, body: bytes) -> None:
        parts = AmqpParts("application/cloudevents+json", {"cloudEvents:id": "1"}, body)
        view = MessageView(Message(bare_of(parts)), FakeIds(), NOW)
        assert view.attribute("id") == "1"
        assert view.attribute("type") is None

    def test_a_filter(self) -> None:
        view = view_of({"cloudEvents_type": "fire", "cloudEvents_level": 7, "type": "other"})
        assert cesql_filter("type = 'fire' AND level > 5 AND NOT EXISTS time").matches(view)
