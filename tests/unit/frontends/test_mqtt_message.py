"""PUBLISH ⇄ Message: nothing of MQTT is lost through a queue, and AMQP sees sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.errors import InvalidRequest
from peeklock.frontends.mqtt_message import payload_of, submission_of_publish
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.sections import (
    DataBody,
    SequenceBody,
    ValueBody,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.amqp10.sections import Properties as AmqpProperties
from peeklock.protocols.amqp10.values import Symbol, Timestamp
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    MESSAGE_EXPIRY_INTERVAL,
    PAYLOAD_FORMAT_INDICATOR,
    RESPONSE_TOPIC,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from tests.support.house import House

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TOPIC = TEXT.filter(lambda text: text and "+" not in text and "#" not in text)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        CONTENT_TYPE: st.sampled_from(["text/plain", "application/json", "x"]),
        CORRELATION_DATA: st.binary(max_size=9),
        RESPONSE_TOPIC: TOPIC | TOPIC.map(lambda text: "$queue/" + text),
        MESSAGE_EXPIRY_INTERVAL: st.integers(1, 0xFFFFFFFF),
        PAYLOAD_FORMAT_INDICATOR: st.sampled_from([0, 1]),
    },
)


def through(house: House, queue: Queue, publish: Publish) -> tuple[Message, Entry]:
    submission = submission_of_publish(publish, None, queue, house.ids, house.now, is_v5=True)
    house.engine.enqueue(queue, [submission], house.now)
    entry = queue.first_ready(1)[0]
    return submission.message, entry


@given(TEXT, VALUES, st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_there_and_back(
    text: str, values: dict[int, int | str | bytes], user: list[tuple[str, str]]
) -> None:
    house = House()
    queue = house.queue()
    found = Properties(dict(values), tuple(user))
    message, entry = through(
        house, queue, Publish("$queue/orders", text.encode(), 1, properties=found)
    )
    payload, back = payload_of(entry, message, house.now, is_v5=True)
    assert payload == text.encode()
    assert back.user == tuple(user)
    assert back.values == {
        key: value
        for key, value in values.items()
        if (key, value) != (PAYLOAD_FORMAT_INDICATOR, 0)
    }


def test_what_amqp_sees() -> None:
    house = House()
    found = Properties(
        {
            CONTENT_TYPE: "application/json",
            CORRELATION_DATA: b"\x01\x02",
            RESPONSE_TOPIC: "$queue/replies",
            MESSAGE_EXPIRY_INTERVAL: 60,
        },
        (("b", "1"), ("a", "2"), ("b", "3")),
    )
    message, entry = through(house, house.queue(), Publish("t", b"{}", 1, properties=found))
    properties = read_properties(message.bare)
    assert properties is not None
    assert properties.content_type == "application/json"
    assert properties.correlation_id == b"\x01\x02"
    assert properties.reply_to == "replies"
    assert properties.message_id is not None
    assert list(read_application_properties(message.bare).items()) == [("b", "1"), ("a", "2")]
    assert read_body(message.bare) == DataBody([b"{}"])
    assert message.ttl_ms == 60_000
    assert entry.expires_at == house.now + 60_000


def test_text_is_text() -> None:
    house = House()
    found = Properties({PAYLOAD_FORMAT_INDICATOR: 1})
    message, _entry = through(
        house, house.queue(), Publish("t", "grün".encode(), 1, properties=found)
    )
    assert read_body(message.bare) == ValueBody("grün")


def test_an_expiry_that_is_longer_than_amqps() -> None:
    house = House()
    found = Properties({MESSAGE_EXPIRY_INTERVAL: 0xFFFF_FFFF})
    message, entry = through(house, house.queue(), Publish("t", b"", 1, properties=found))
    assert message.ttl_ms == NO_TTL
    assert entry.expires_at == house.now + 0xFFFF_FFFF * 1000


def test_what_is_left_of_an_expiry() -> None:
    """[MQTT-3.3.2-6]"""
    house = House()
    found = Properties({MESSAGE_EXPIRY_INTERVAL: 60})
    message, entry = through(house, house.queue(), Publish("t", b"", 1, properties=found))
    house.clock.advance(20_500)
    assert payload_of(entry, message, house.now, is_v5=True)[1].values == {
        MESSAGE_EXPIRY_INTERVAL: 40
    }


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (Properties({PAYLOAD_FORMAT_INDICATOR: 1}), "UTF-8"),
        (Properties({CONTENT_TYPE: "tèxt"}), "ASCII"),
        (Properties(None, (("a", "x" * 60_000), ("b", "x" * 9_000))), "65536"),
        (Properties(None, (("a", "x"), ("a", "x" * 60_000), ("a", "x" * 9_000))), "65536"),
    ],
)
def test_refused(found: Properties, what: str) -> None:
    house = House()
    with pytest.raises(InvalidRequest, match=what):
        through(house, house.queue(), Publish("t", b"\xff", 1, properties=found))


@pytest.mark.parametrize(
    ("bare", "payload", "values"),
    [
        (encode_bare(None, None, DataBody([b"a", b"b"])), b"ab", {}),
        (encode_bare(None, None, ValueBody("é")), "é".encode(), {PAYLOAD_FORMAT_INDICATOR: 1}),
        (encode_bare(None, None, ValueBody(b"x")), b"x", {}),
        (encode_bare(None, None, ValueBody(None)), b"", {}),
        (encode_bare(None, None, None), b"", {}),
        (
            encode_bare(None, None, ValueBody(7)),
            encode_bare(None, None, ValueBody(7)),
            {CONTENT_TYPE: "application/amqp"},
        ),
        (
            encode_bare(None, None, SequenceBody([[1]])),
            encode_bare(None, None, SequenceBody([[1]])),
            {CONTENT_TYPE: "application/amqp"},
        ),
        (
            encode_bare(AmqpProperties(correlation_id="x", reply_to="a/#"), None, None),
            b"",
            {CORRELATION_DATA: b"x"},
        ),
    ],
)
def test_of_amqp_messages(bare: bytes, payload: bytes, values: dict[int, object]) -> None:
    house = House()
    queue = house.queue()
    house.send(queue, bare)
    entry = queue.first_ready(1)[0]
    sent, found = payload_of(entry, Message(bare), house.now, is_v5=True)
    assert (sent, found.values) == (payload, values)


def test_application_properties_as_texts() -> None:
    house = House()
    queue = house.queue()
    properties = {
        "a": True, "b": 1, "c": 1.5, "d": None, "e": b"\xff", "f": Symbol("s"), "g": "x\0y",
        "h": Timestamp(5), "i": "",
    }  # fmt: skip
    bare = encode_bare(None, properties, None)
    house.send(queue, bare)
    _payload, found = payload_of(queue.first_ready(1)[0], Message(bare), house.now, is_v5=True)
    assert found.user == (
        ("a", "true"), ("b", "1"), ("c", "1.5"), ("e", "ff"), ("f", "s"), ("h", "5"), ("i", ""),
    )  # fmt: skip
