"""The table of properties (table 2-4), and a set of them."""

import pytest

from peeklock.limits import MQTT_PROPERTIES_BYTES_MAX
from peeklock.protocols.mqtt import properties as module
from peeklock.protocols.mqtt.properties import (
    BINARY,
    CONNACK,
    CONNECT,
    CONTENT_TYPE,
    CORRELATION_DATA,
    KINDS,
    MESSAGE_EXPIRY_INTERVAL,
    NO_PROPERTIES,
    PUBLISH,
    RECEIVE_MAXIMUM,
    SUBSCRIPTION_IDENTIFIER,
    TEXT,
    TOPIC_ALIAS,
    USER_PROPERTY,
    Properties,
    read_properties,
)
from peeklock.protocols.mqtt.reason_codes import QUOTA_EXCEEDED, MqttViolation
from peeklock.protocols.mqtt.varint import write_varint

FULL = Properties(
    {CONTENT_TYPE: "text/plain", CORRELATION_DATA: b"\1", TOPIC_ALIAS: 3},
    (("k", "1"), ("k", "1"), ("a", "")),
    (7, 300),
)


def test_there_are_27_of_them_and_each_has_its_name() -> None:
    assert len(KINDS) == 27
    for identifier, kind in KINDS.items():
        assert getattr(module, kind.name.upper().replace(" ", "_")) == identifier


def test_bounds_are_those_of_numbers() -> None:
    for kind in KINDS.values():
        assert kind.low <= kind.high
        assert (kind.high > 0) == (kind.encoding < TEXT)


def test_there_and_back() -> None:
    data = FULL.encoded()
    back, after = read_properties(data, 0, len(data), PUBLISH)
    assert after == len(data)
    assert back.values == FULL.values
    assert back.user == FULL.user
    assert back.subscription_identifiers == FULL.subscription_identifiers


def test_what_was_read_leaves_as_it_came() -> None:
    """Also where the order is another than we would write."""
    data = (
        bytes.fromhex("0c") + b"\x26\x00\x01k\x00\x01v" + b"\x23\x00\x05" + b"\x01\x01" + b"!"
    )
    back, after = read_properties(data, 0, len(data), PUBLISH)
    assert after == len(data) - 1
    assert back.encoded() == data[:-1]


def test_a_set_does_not_change() -> None:
    FULL.values.clear()
    assert FULL.has(CONTENT_TYPE)
    less = FULL.without(TOPIC_ALIAS, SUBSCRIPTION_IDENTIFIER)
    assert not less.has(TOPIC_ALIAS)
    assert less.subscription_identifiers == ()
    assert less.user == FULL.user
    assert FULL.without(USER_PROPERTY).user == ()
    assert FULL.number(TOPIC_ALIAS, 0) == 3
    assert FULL.with_number(MESSAGE_EXPIRY_INTERVAL, 9).number(MESSAGE_EXPIRY_INTERVAL, 0) == 9
    assert FULL.with_subscriptions((1,)).subscription_identifiers == (1,)
    assert FULL.subscription_identifiers == (7, 300)


def test_values_are_asked_for_by_their_type() -> None:
    assert FULL.text(CONTENT_TYPE) == "text/plain"
    assert FULL.binary(CORRELATION_DATA) == b"\1"
    assert FULL.number(RECEIVE_MAXIMUM, 65_535) == 65_535
    assert FULL.text(TOPIC_ALIAS) is None
    assert FULL.binary(TOPIC_ALIAS) is None
    assert FULL
    assert not NO_PROPERTIES
    assert NO_PROPERTIES.encoded() == b"\0"


@pytest.mark.parametrize("identifier", [one for one in KINDS if one != USER_PROPERTY])
def test_each_is_refused_where_it_may_not_stand_and_when_it_is_there_twice(
    identifier: int,
) -> None:
    kind = KINDS[identifier]
    value: int | str | bytes = kind.high
    if kind.encoding == TEXT:
        value = "t"
    elif kind.encoding == BINARY:
        value = b"b"
    single = (
        Properties(subscription_identifiers=(1,))
        if identifier == SUBSCRIPTION_IDENTIFIER
        else Properties({identifier: value})
    )
    data = single.encoded()
    for packet_type in range(16):
        where = 1 << packet_type
        if kind.where & where:
            assert read_properties(data, 0, len(data), where)[0]
            twice = bytes((2 * (len(data) - 1),)) + 2 * data[1:]
            if (identifier, where) != (SUBSCRIPTION_IDENTIFIER, PUBLISH):
                with pytest.raises(MqttViolation, match="more than once"):
                    read_properties(twice, 0, len(twice), where)
        else:
            with pytest.raises(MqttViolation, match="may not be in this packet"):
                read_properties(data, 0, len(data), where)


def test_too_many_are_refused_before_they_are_read() -> None:
    pair = b"\x26\x00\x00\x00\x00"
    body = pair * (MQTT_PROPERTIES_BYTES_MAX // len(pair) + 1)
    data = write_varint(len(body)) + body
    with pytest.raises(MqttViolation) as caught:
        read_properties(data, 0, len(data), CONNECT | CONNACK)
    assert caught.value.reason_code == QUOTA_EXCEEDED
