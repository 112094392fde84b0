"""PUBLISH (§3.3): on the path of every message, so it is read and written by hand."""

from typing import Final, final

from peeklock.protocols.mqtt.primitives import decode_text, truncated, write_text
from peeklock.protocols.mqtt.properties import (
    NO_PROPERTIES,
    RESPONSE_TOPIC,
    TOPIC_ALIAS,
    Properties,
    read_properties,
)
from peeklock.protocols.mqtt.properties import PUBLISH as PUBLISH_PROPERTIES
from peeklock.protocols.mqtt.reason_codes import malformed, protocol_error
from peeklock.protocols.mqtt.topics import check_topic_name
from peeklock.protocols.mqtt.varint import ONE_BYTE, write_varint

PUBLISH_TYPE: Final = 0x30  # the first byte's upper half; the lower: DUP, QoS twice, RETAIN
DUP: Final = 0x08
RETAIN: Final = 0x01
NO_PACKET_ID: Final = 0


@final
class Publish:
    """A message on its way. `packet_id` is 0 when `qos` is.

    It is the event, too, that says that one has come: `topic_name` is then the full name, also
    where the peer sent an alias for it, and `properties` have no alias.
    """

    __slots__ = ("dup", "packet_id", "payload", "properties", "qos", "retain", "topic_name")
    __match_args__ = (
        "topic_name", "payload", "qos", "retain", "dup", "packet_id", "properties",
    )  # fmt: skip

    def __init__(
        self,
        topic_name: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        dup: bool = False,
        packet_id: int = NO_PACKET_ID,
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        self.topic_name: Final = topic_name
        self.payload: Final = payload
        self.qos: Final = qos
        self.retain: Final = retain
        self.dup: Final = dup
        self.packet_id: Final = packet_id
        self.properties: Final = properties


def read_publish(first: int, data: bytes, at: int, end: int, *, is_v5: bool) -> Publish:
    """The PUBLISH whose first byte is `first` and whose rest is `data[at:end]`."""
    qos = first >> 1 & 3
    if qos == 3:
        raise malformed("MQTT-3.3.1-4", "a QoS of 3")
    dup = first & DUP != 0
    if dup and qos == 0:
        raise malformed("MQTT-3.3.1-2", "DUP with QoS 0")
    start = at + 2
    if start > end:
        raise truncated("the topic name")
    at = start + (data[at] << 8 | data[at + 1])
    if at > end:
        raise truncated("the topic name")
    topic_name = decode_text(data[start:at], "the topic name")  # [MQTT-3.3.2-1]
    if "+" in topic_name or "#" in topic_name:
        check_topic_name(topic_name)  # [MQTT-3.3.2-2]
    packet_id = NO_PACKET_ID  # none with QoS 0 [MQTT-2.2.1-2]
    if qos != 0:
        if at + 2 > end:
            raise truncated("the packet identifier")
        packet_id = data[at] << 8 | data[at + 1]
        at += 2
        if packet_id == NO_PACKET_ID:
            raise protocol_error("MQTT-2.2.1-3", "a packet identifier of 0")
    found = NO_PROPERTIES
    if is_v5:
        if at < end and data[at] == 0:
            at += 1
        else:
            found, at = read_properties(data, at, end, PUBLISH_PROPERTIES)
            check_response_topic(found)
    if not topic_name and not found.has(TOPIC_ALIAS):
        raise protocol_error("MQTT-4.7.3-1", "neither a topic name nor an alias for one")
    return Publish(topic_name, data[at:end], qos, first & RETAIN != 0, dup, packet_id, found)


def check_response_topic(found: Properties) -> None:
    topic = found.text(RESPONSE_TOPIC)
    if topic is not None:
        if not topic:
            raise protocol_error("MQTT-4.7.3-1", "an empty response topic")
        if "+" in topic or "#" in topic:
            raise protocol_error(
                "MQTT-3.3.2-14", f"a wildcard in the response topic {topic!r:.80}"
            )


def write_publish(
    topic_name: str,
    payload: bytes,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    properties: Properties,
    *,
    is_v5: bool,
) -> bytes:
    """The whole packet. `topic_name` is empty where `properties` have an alias for it."""
    first = PUBLISH_TYPE | qos << 1
    if retain:
        first |= RETAIN
    if dup:
        first |= DUP
    topic = topic_name.encode("utf-8")
    topic_bytes = len(topic)
    assert topic_bytes <= 0xFFFF, "a topic name of more than 65,535 bytes [MQTT-4.7.3-3]"
    written = properties.encoded() if is_v5 else b""
    size = 2 + topic_bytes + len(written) + len(payload)
    if qos == 0:
        head = bytes((topic_bytes >> 8, topic_bytes & 0xFF))
        length = ONE_BYTE[size] if size < 0x80 else write_varint(size)
        return b"".join((ONE_BYTE[first], length, head, topic, written, payload))
    assert 0 < packet_id <= 0xFFFF
    size += 2
    head = bytes((topic_bytes >> 8, topic_bytes & 0xFF))
    length = ONE_BYTE[size] if size < 0x80 else write_varint(size)
    number = bytes((packet_id >> 8, packet_id & 0xFF))
    return b"".join((ONE_BYTE[first], length, head, topic, number, written, payload))


@final
class EncodedPublish:
    """A PUBLISH but for its packet identifier: encoded once, sent to many subscribers.

    For one version, QoS and set of properties. Without aliases, which are a connection's own.
    """

    __slots__ = ("head", "is_v5", "packet_bytes", "payload_bytes", "qos", "tail")

    def __init__(
        self,
        topic_name: str,
        payload: bytes,
        qos: int,
        retain: bool,
        properties: Properties,
        *,
        is_v5: bool,
    ) -> None:
        topic = write_text(topic_name)
        written = properties.encoded() if is_v5 else b""
        size = len(topic) + (2 if qos else 0) + len(written) + len(payload)
        first = PUBLISH_TYPE | qos << 1 | (RETAIN if retain else 0)
        self.head: Final = ONE_BYTE[first] + write_varint(size) + topic
        self.tail: Final = written + payload
        self.qos: Final = qos
        self.is_v5: Final = is_v5
        self.payload_bytes: Final = len(payload)
        self.packet_bytes: Final = len(self.head) + len(self.tail) + (2 if qos else 0)

    def with_packet_id(self, packet_id: int) -> bytes:
        if self.qos == 0:
            return self.head + self.tail
        return b"".join((self.head, bytes((packet_id >> 8, packet_id & 0xFF)), self.tail))
