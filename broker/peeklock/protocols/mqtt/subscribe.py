"""SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (§3.8–§3.11)."""

from dataclasses import dataclass
from typing import Final

from peeklock.limits import MQTT_FILTERS_MAX
from peeklock.protocols.mqtt.primitives import (
    read_byte,
    read_text,
    read_u16,
    write_text,
    write_u16,
)
from peeklock.protocols.mqtt.properties import (
    NO_PROPERTIES,
    Properties,
    read_properties,
)
from peeklock.protocols.mqtt.properties import SUBACK as SUBACK_PROPERTIES
from peeklock.protocols.mqtt.properties import SUBSCRIBE as SUBSCRIBE_PROPERTIES
from peeklock.protocols.mqtt.properties import UNSUBACK as UNSUBACK_PROPERTIES
from peeklock.protocols.mqtt.properties import UNSUBSCRIBE as UNSUBSCRIBE_PROPERTIES
from peeklock.protocols.mqtt.reason_codes import (
    FAILURE,
    QUOTA_EXCEEDED,
    SUBACK_CODES,
    UNSPECIFIED_ERROR,
    UNSUBACK_CODES,
    MqttViolation,
    malformed,
    protocol_error,
)
from peeklock.protocols.mqtt.topics import SHARE_PREFIX, check_shared, check_topic_filter
from peeklock.protocols.mqtt.varint import write_varint

# Subscription options (§3.8.3.1); 3.1.1 has the QoS alone.
NO_LOCAL: Final = 0x04
RETAIN_AS_PUBLISHED: Final = 0x08
RESERVED_V5: Final = 0xC0
RESERVED_V3: Final = 0xFC

SEND_RETAINED: Final = 0  # retain handling: at each subscribe
SEND_RETAINED_IF_NEW: Final = 1
SEND_NO_RETAINED: Final = 2

V3_RETURN_CODES: Final = frozenset([0, 1, 2, 0x80])  # 3.1.1 §3.9.3


@dataclass(frozen=True)
class FilterRequest:
    """A topic filter and how it is to be served (§3.8.3.1)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = SEND_RETAINED


@dataclass(frozen=True)
class Subscribe:
    """§3.8. A subscription identifier, if any, is in the properties and for all filters."""

    packet_id: int
    filters: tuple[FilterRequest, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Suback:
    """§3.9: a reason code for each filter, in their order [MQTT-3.9.3-1]."""

    packet_id: int
    reason_codes: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Unsubscribe:
    """§3.10."""

    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Unsuback:
    """§3.11. In 3.1.1 it has no codes: each filter is gone."""

    packet_id: int
    reason_codes: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


def read_packet_id(data: bytes, at: int, end: int) -> tuple[int, int]:
    packet_id, at = read_u16(data, at, end, "the packet identifier")
    if packet_id == 0:
        raise protocol_error("MQTT-2.2.1-3", "a packet identifier of 0")
    return packet_id, at


def read_subscribe(data: bytes, at: int, end: int, *, is_v5: bool) -> Subscribe:
    packet_id, at = read_packet_id(data, at, end)
    found = NO_PROPERTIES
    if is_v5:
        found, at = read_properties(data, at, end, SUBSCRIBE_PROPERTIES)
    filters: list[FilterRequest] = []
    while at < end:
        check_filter_count(len(filters))
        topic_filter, at = read_text(data, at, end, "a topic filter")  # [MQTT-3.8.3-1]
        check_topic_filter(topic_filter)
        options, at = read_byte(data, at, end, "the subscription options")
        filters.append(read_options(topic_filter, options, is_v5=is_v5))
    if not filters:
        raise protocol_error("MQTT-3.8.3-2", "a SUBSCRIBE without a topic filter")
    return Subscribe(packet_id, tuple(filters), found)


def check_filter_count(count: int) -> None:
    if count == MQTT_FILTERS_MAX:
        what = f"more than {MQTT_FILTERS_MAX} topic filters in one packet"
        raise MqttViolation("MQTT-4.13.1-1", what, QUOTA_EXCEEDED)


def read_options(topic_filter: str, options: int, *, is_v5: bool) -> FilterRequest:
    qos = options & 3
    if options & (RESERVED_V5 if is_v5 else RESERVED_V3):
        raise malformed("MQTT-3.8.3-5", f"reserved subscription options in 0x{options:02x}")
    if qos == 3:
        raise malformed("MQTT-3.8.3-5", "a subscription with QoS 3")
    handling = options >> 4 & 3
    if handling == 3:
        raise protocol_error("MQTT 5.0 §3.8.3.1", "a retain handling of 3")
    no_local = options & NO_LOCAL != 0
    if is_v5:
        check_shared(topic_filter)
        if no_local and topic_filter.startswith(SHARE_PREFIX):
            raise protocol_error("MQTT-3.8.3-4", "no local on a shared subscription")
    return FilterRequest(
        topic_filter, qos, no_local, options & RETAIN_AS_PUBLISHED != 0, handling
    )


def write_subscribe(given: Subscribe, *, is_v5: bool) -> bytes:
    parts = [write_u16(given.packet_id)]
    if is_v5:
        parts.append(given.properties.encoded())
    for one in given.filters:
        options = one.qos
        if is_v5:
            options |= NO_LOCAL if one.no_local else 0
            options |= RETAIN_AS_PUBLISHED if one.retain_as_published else 0
            options |= one.retain_handling << 4
        parts += [write_text(one.topic_filter), bytes((options,))]
    return packet(0x82, parts)


def read_suback(data: bytes, at: int, end: int, *, is_v5: bool) -> Suback:
    packet_id, at = read_packet_id(data, at, end)
    found = NO_PROPERTIES
    if is_v5:
        found, at = read_properties(data, at, end, SUBACK_PROPERTIES)
    codes = tuple(data[at:end])
    if not codes:
        raise protocol_error("MQTT-3.9.3-1", "a SUBACK without a reason code")
    if not (SUBACK_CODES if is_v5 else V3_RETURN_CODES).issuperset(codes):
        raise protocol_error("MQTT-3.9.3-2", "a SUBACK with a reason code that is not its own")
    return Suback(packet_id, codes, found)


def write_suback(given: Suback, *, is_v5: bool) -> bytes:
    if is_v5:
        codes = bytes(given.reason_codes)
        return packet(0x90, [write_u16(given.packet_id), given.properties.encoded(), codes])
    plain = bytes(UNSPECIFIED_ERROR if one >= FAILURE else one for one in given.reason_codes)
    return packet(0x90, [write_u16(given.packet_id), plain])


def read_unsubscribe(data: bytes, at: int, end: int, *, is_v5: bool) -> Unsubscribe:
    packet_id, at = read_packet_id(data, at, end)
    found = NO_PROPERTIES
    if is_v5:
        found, at = read_properties(data, at, end, UNSUBSCRIBE_PROPERTIES)
    filters: list[str] = []
    while at < end:
        check_filter_count(len(filters))
        topic_filter, at = read_text(data, at, end, "a topic filter")  # [MQTT-3.10.3-1]
        check_topic_filter(topic_filter)
        if is_v5:
            check_shared(topic_filter)
        filters.append(topic_filter)
    if not filters:
        raise protocol_error("MQTT-3.10.3-2", "an UNSUBSCRIBE without a topic filter")
    return Unsubscribe(packet_id, tuple(filters), found)


def write_unsubscribe(given: Unsubscribe, *, is_v5: bool) -> bytes:
    parts = [write_u16(given.packet_id)]
    if is_v5:
        parts.append(given.properties.encoded())
    parts += [write_text(one) for one in given.topic_filters]
    return packet(0xA2, parts)


def read_unsuback(data: bytes, at: int, end: int, *, is_v5: bool) -> Unsuback:
    packet_id, at = read_packet_id(data, at, end)
    if not is_v5:
        if at < end:
            raise malformed("MQTT-4.13.1-1", "bytes behind an UNSUBACK")
        return Unsuback(packet_id, ())
    found, at = read_properties(data, at, end, UNSUBACK_PROPERTIES)
    codes = tuple(data[at:end])
    if not codes:
        raise protocol_error("MQTT-3.11.3-1", "an UNSUBACK without a reason code")
    if not UNSUBACK_CODES.issuperset(codes):
        raise protocol_error("MQTT-3.11.3-2", "an UNSUBACK with a reason code not its own")
    return Unsuback(packet_id, codes, found)


def write_unsuback(given: Unsuback, *, is_v5: bool) -> bytes:
    if not is_v5:
        return packet(0xB0, [write_u16(given.packet_id)])
    codes = bytes(given.reason_codes)
    return packet(0xB0, [write_u16(given.packet_id), given.properties.encoded(), codes])


def packet(first: int, parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + write_varint(len(body)) + body
