"""Properties (§2.2.2): what 5.0 adds to packets, by a table.

The table says of each property what it is called, how it is encoded, where it may stand, and
which values it may have. All may be there once, but for user properties, and the subscription
identifiers of a PUBLISH. 3.1.1 has none of this.
"""

from typing import Final, TypeAlias, final

from peeklock.limits import MQTT_PROPERTIES_BYTES_MAX
from peeklock.protocols.mqtt.primitives import (
    U16_MAX,
    U32_MAX,
    read_binary,
    read_byte,
    read_text,
    read_u16,
    read_u32,
    truncated,
    write_binary,
    write_text,
    write_u16,
)
from peeklock.protocols.mqtt.reason_codes import (
    QUOTA_EXCEEDED,
    TOPIC_ALIAS_INVALID,
    MqttViolation,
    malformed,
    protocol_error,
)
from peeklock.protocols.mqtt.varint import VARINT_MAX, read_varint, write_varint

PropertyValue: TypeAlias = int | str | bytes
UserProperty: TypeAlias = tuple[str, str]

PAYLOAD_FORMAT_INDICATOR: Final = 0x01
MESSAGE_EXPIRY_INTERVAL: Final = 0x02  # seconds
CONTENT_TYPE: Final = 0x03
RESPONSE_TOPIC: Final = 0x08
CORRELATION_DATA: Final = 0x09
SUBSCRIPTION_IDENTIFIER: Final = 0x0B
SESSION_EXPIRY_INTERVAL: Final = 0x11  # seconds; 0xFFFFFFFF: for ever
ASSIGNED_CLIENT_IDENTIFIER: Final = 0x12
SERVER_KEEP_ALIVE: Final = 0x13  # seconds
AUTHENTICATION_METHOD: Final = 0x15
AUTHENTICATION_DATA: Final = 0x16
REQUEST_PROBLEM_INFORMATION: Final = 0x17
WILL_DELAY_INTERVAL: Final = 0x18  # seconds
REQUEST_RESPONSE_INFORMATION: Final = 0x19
RESPONSE_INFORMATION: Final = 0x1A
SERVER_REFERENCE: Final = 0x1C
REASON_STRING: Final = 0x1F
RECEIVE_MAXIMUM: Final = 0x21
TOPIC_ALIAS_MAXIMUM: Final = 0x22
TOPIC_ALIAS: Final = 0x23
MAXIMUM_QOS: Final = 0x24
RETAIN_AVAILABLE: Final = 0x25
USER_PROPERTY: Final = 0x26
MAXIMUM_PACKET_SIZE: Final = 0x27  # bytes
WILDCARD_SUBSCRIPTION_AVAILABLE: Final = 0x28
SUBSCRIPTION_IDENTIFIERS_AVAILABLE: Final = 0x29
SHARED_SUBSCRIPTION_AVAILABLE: Final = 0x2A

# Where a property may stand: a bit for each packet's type, and the lowest for a will.
WILL: Final = 1
CONNECT: Final = 1 << 1
CONNACK: Final = 1 << 2
PUBLISH: Final = 1 << 3
PUBACK: Final = 1 << 4
PUBREC: Final = 1 << 5
PUBREL: Final = 1 << 6
PUBCOMP: Final = 1 << 7
SUBSCRIBE: Final = 1 << 8
SUBACK: Final = 1 << 9
UNSUBSCRIBE: Final = 1 << 10
UNSUBACK: Final = 1 << 11
DISCONNECT: Final = 1 << 14
AUTH: Final = 1 << 15
ACKNOWLEDGEMENTS: Final = PUBACK | PUBREC | PUBREL | PUBCOMP | SUBACK | UNSUBACK
ANYWHERE: Final = (
    WILL | CONNECT | CONNACK | PUBLISH | ACKNOWLEDGEMENTS | SUBSCRIBE | UNSUBSCRIBE
    | DISCONNECT | AUTH
)  # fmt: skip

# How a property is encoded.
BYTE: Final = 0
U16: Final = 1
U32: Final = 2
VARINT: Final = 3
TEXT: Final = 4
BINARY: Final = 5
PAIR: Final = 6


@final
class PropertyKind:
    """A row of the table. `low` and `high` bound a number's value."""

    __slots__ = ("encoding", "high", "low", "name", "where")

    def __init__(self, name: str, encoding: int, where: int, low: int, high: int) -> None:
        self.name: Final = name
        self.encoding: Final = encoding
        self.where: Final = where
        self.low: Final = low
        self.high: Final = high


# Table 2-4, and the values that §3 allows.
KINDS: Final[dict[int, PropertyKind]] = {
    0x01: PropertyKind("Payload Format Indicator", BYTE, PUBLISH | WILL, 0, 1),
    0x02: PropertyKind("Message Expiry Interval", U32, PUBLISH | WILL, 0, U32_MAX),
    0x03: PropertyKind("Content Type", TEXT, PUBLISH | WILL, 0, 0),
    0x08: PropertyKind("Response Topic", TEXT, PUBLISH | WILL, 0, 0),
    0x09: PropertyKind("Correlation Data", BINARY, PUBLISH | WILL, 0, 0),
    0x0B: PropertyKind("Subscription Identifier", VARINT, PUBLISH | SUBSCRIBE, 1, VARINT_MAX),
    0x11: PropertyKind(
        "Session Expiry Interval", U32, CONNECT | CONNACK | DISCONNECT, 0, U32_MAX
    ),
    0x12: PropertyKind("Assigned Client Identifier", TEXT, CONNACK, 0, 0),
    0x13: PropertyKind("Server Keep Alive", U16, CONNACK, 0, U16_MAX),
    0x15: PropertyKind("Authentication Method", TEXT, CONNECT | CONNACK | AUTH, 0, 0),
    0x16: PropertyKind("Authentication Data", BINARY, CONNECT | CONNACK | AUTH, 0, 0),
    0x17: PropertyKind("Request Problem Information", BYTE, CONNECT, 0, 1),
    0x18: PropertyKind("Will Delay Interval", U32, WILL, 0, U32_MAX),
    0x19: PropertyKind("Request Response Information", BYTE, CONNECT, 0, 1),
    0x1A: PropertyKind("Response Information", TEXT, CONNACK, 0, 0),
    0x1C: PropertyKind("Server Reference", TEXT, CONNACK | DISCONNECT, 0, 0),
    0x1F: PropertyKind(
        "Reason String", TEXT, CONNACK | ACKNOWLEDGEMENTS | DISCONNECT | AUTH, 0, 0
    ),
    0x21: PropertyKind("Receive Maximum", U16, CONNECT | CONNACK, 1, U16_MAX),
    0x22: PropertyKind("Topic Alias Maximum", U16, CONNECT | CONNACK, 0, U16_MAX),
    0x23: PropertyKind("Topic Alias", U16, PUBLISH, 1, U16_MAX),
    0x24: PropertyKind("Maximum QoS", BYTE, CONNACK, 0, 1),
    0x25: PropertyKind("Retain Available", BYTE, CONNACK, 0, 1),
    0x26: PropertyKind("User Property", PAIR, ANYWHERE, 0, 0),
    0x27: PropertyKind("Maximum Packet Size", U32, CONNECT | CONNACK, 1, U32_MAX),
    0x28: PropertyKind("Wildcard Subscription Available", BYTE, CONNACK, 0, 1),
    0x29: PropertyKind("Subscription Identifiers Available", BYTE, CONNACK, 0, 1),
    0x2A: PropertyKind("Shared Subscription Available", BYTE, CONNACK, 0, 1),
}


@final
class Properties:
    """The properties of one packet or will. Not changed once made, so they may be shared.

    User properties keep their order and their duplicates [MQTT-3.3.2-18] [MQTT-3.1.3-10]. What
    was read keeps its bytes, and leaves as it came where a PUBLISH is passed on [MQTT-3.3.2-4]
    [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20].
    """

    __slots__ = ("_encoded", "_values", "subscription_identifiers", "user")

    def __init__(
        self,
        values: dict[int, PropertyValue] | None = None,
        user: tuple[UserProperty, ...] = (),
        subscription_identifiers: tuple[int, ...] = (),
        encoded: bytes | None = None,
    ) -> None:
        self._values: Final[dict[int, PropertyValue]] = {} if values is None else values
        self.user: Final = user
        self.subscription_identifiers: Final = subscription_identifiers
        self._encoded = encoded  # with the length in front

    @property
    def values(self) -> dict[int, PropertyValue]:
        """Those that are there once, by identifier; a copy."""
        return dict(self._values)

    def __bool__(self) -> bool:
        return bool(self._values or self.user or self.subscription_identifiers)

    def has(self, identifier: int) -> bool:
        return identifier in self._values

    def number(self, identifier: int, default: int) -> int:
        value = self._values.get(identifier)
        return value if isinstance(value, int) else default

    def text(self, identifier: int) -> str | None:
        value = self._values.get(identifier)
        return value if isinstance(value, str) else None

    def binary(self, identifier: int) -> bytes | None:
        value = self._values.get(identifier)
        return value if isinstance(value, bytes) else None

    def without(self, *identifiers: int) -> "Properties":
        """The same without these; of those that may be there often, all go."""
        kept = {key: value for key, value in self._values.items() if key not in identifiers}
        return Properties(
            kept,
            () if USER_PROPERTY in identifiers else self.user,
            () if SUBSCRIPTION_IDENTIFIER in identifiers else self.subscription_identifiers,
        )

    def with_number(self, identifier: int, value: int) -> "Properties":
        """The same, and this one with that value."""
        values = dict(self._values)
        values[identifier] = value
        return Properties(values, self.user, self.subscription_identifiers)

    def with_subscriptions(self, identifiers: tuple[int, ...]) -> "Properties":
        """The same for a subscriber: which of its subscriptions match [MQTT-3.3.4-3]."""
        return Properties(self._values, self.user, identifiers)

    def encoded(self) -> bytes:
        """With the length in front; one byte 0 when there are none [MQTT-2.2.2-1]."""
        encoded = self._encoded
        if encoded is None:
            encoded = write_properties(self._values, self.user, self.subscription_identifiers)
            self._encoded = encoded
        return encoded


NO_PROPERTIES: Final = Properties(encoded=b"\0")


def properties(
    *,
    user: tuple[UserProperty, ...] = (),
    numbers: dict[int, int | None] | None = None,
    texts: dict[int, str | None] | None = None,
    binaries: dict[int, bytes | None] | None = None,
) -> Properties:
    """Properties of what is there; `None` stands for one that is not."""
    values: dict[int, PropertyValue] = {}
    if numbers is not None:
        values.update({key: number for key, number in numbers.items() if number is not None})
    if texts is not None:
        values.update({key: text for key, text in texts.items() if text is not None})
    if binaries is not None:
        values.update({key: value for key, value in binaries.items() if value is not None})
    return Properties(values, user) if values or user else NO_PROPERTIES


def read_properties(data: bytes, at: int, end: int, where: int) -> tuple[Properties, int]:
    """The properties at `data[at:end]`, as the packet `where` may have them."""
    if at < end and data[at] == 0:
        return NO_PROPERTIES, at + 1
    found = read_varint(data, at, end)
    if found is None:
        raise truncated("the length of its properties")
    length, first = found
    after = first + length
    if after > end:
        raise truncated("its properties")
    if length > MQTT_PROPERTIES_BYTES_MAX:
        what = f"properties of {length} bytes; {MQTT_PROPERTIES_BYTES_MAX} are taken"
        raise MqttViolation("MQTT-4.13.1-1", what, QUOTA_EXCEEDED)
    values: dict[int, PropertyValue] = {}
    user: list[UserProperty] = []
    subscriptions: list[int] = []
    place = first
    while place < after:
        identifier = data[place]
        place += 1
        if identifier == USER_PROPERTY:  # may stand anywhere, and often
            name, place = read_text(data, place, after, "a user property's name")
            value, place = read_text(data, place, after, "a user property's value")
            user.append((name, value))  # both are UTF-8 Encoded Strings [MQTT-1.5.7-1]
            continue
        kind = KINDS.get(identifier)
        if kind is None:  # this one may be the first byte of a longer number, which none is
            raise malformed("MQTT-4.13.1-1", f"0x{identifier:02x} is no property")
        if kind.where & where == 0:
            raise protocol_error("MQTT-4.13.1-1", f"{kind.name} may not be in this packet")
        taken: PropertyValue
        if kind.encoding <= VARINT:
            number, place = read_number(data, place, after, kind)
            if identifier == SUBSCRIPTION_IDENTIFIER:
                if subscriptions and where != PUBLISH:
                    raise twice(kind)
                subscriptions.append(number)
                continue
            taken = number
        elif kind.encoding == TEXT:
            # UTF-8 Encoded Strings all [MQTT-3.3.2-13] [MQTT-3.3.2-19].
            taken, place = read_text(data, place, after, kind.name)
        else:
            taken, place = read_binary(data, place, after, kind.name)
        if identifier in values:
            raise twice(kind)
        values[identifier] = taken
    return Properties(values, tuple(user), tuple(subscriptions), data[at:after]), after


def twice(kind: PropertyKind) -> MqttViolation:
    return protocol_error("MQTT-4.13.1-1", f"{kind.name} is there more than once")


def read_number(data: bytes, at: int, end: int, kind: PropertyKind) -> tuple[int, int]:
    """A number of the kind's encoding, within its bounds."""
    if kind.encoding == BYTE:
        value, at = read_byte(data, at, end, kind.name)
    elif kind.encoding == U16:
        value, at = read_u16(data, at, end, kind.name)
    elif kind.encoding == U32:
        value, at = read_u32(data, at, end, kind.name)
    else:
        found = read_varint(data, at, end)
        if found is None:
            raise truncated(kind.name)
        value, at = found
    if value < kind.low or value > kind.high:
        if kind is KINDS[TOPIC_ALIAS]:
            raise MqttViolation("MQTT-3.3.2-8", "a topic alias of 0", TOPIC_ALIAS_INVALID)
        raise protocol_error("MQTT-4.13.1-1", f"{kind.name} may not be {value}")
    return value, at


def write_properties(
    values: dict[int, PropertyValue],
    user: tuple[UserProperty, ...],
    subscription_identifiers: tuple[int, ...],
) -> bytes:
    """All of them, the length in front."""
    parts: list[bytes] = []
    for identifier, value in values.items():
        encoding = KINDS[identifier].encoding
        parts.append(bytes((identifier,)))
        if isinstance(value, int):
            if encoding == BYTE:
                parts.append(bytes((value,)))
            elif encoding == U16:
                parts.append(write_u16(value))
            else:
                parts.append(value.to_bytes(4))
        elif isinstance(value, str):
            parts.append(write_text(value))
        else:
            parts.append(write_binary(value))
    for number in subscription_identifiers:
        parts.append(b"\x0b" + write_varint(number))
    for name, text in user:
        parts.append(b"\x26" + write_text(name) + write_text(text))
    body = b"".join(parts)
    return write_varint(len(body)) + body
