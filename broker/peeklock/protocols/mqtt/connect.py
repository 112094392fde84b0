"""CONNECT and CONNACK (§3.1, §3.2): the first packet of each end, once a connection."""

from dataclasses import dataclass
from typing import Final

from peeklock.protocols.mqtt.primitives import (
    read_binary,
    read_byte,
    read_text,
    read_u16,
    write_binary,
    write_text,
    write_u16,
)
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    NO_PROPERTIES,
    Properties,
    read_properties,
)
from peeklock.protocols.mqtt.properties import CONNACK as CONNACK_PROPERTIES
from peeklock.protocols.mqtt.properties import CONNECT as CONNECT_PROPERTIES
from peeklock.protocols.mqtt.properties import WILL as WILL_PROPERTIES
from peeklock.protocols.mqtt.publish import check_response_topic
from peeklock.protocols.mqtt.reason_codes import (
    CLIENT_IDENTIFIER_NOT_VALID,
    CONNACK_CODES,
    FROM_RETURN_CODE,
    RETURN_CODES,
    SUCCESS,
    UNSUPPORTED_PROTOCOL_VERSION,
    MqttViolation,
    malformed,
    protocol_error,
)
from peeklock.protocols.mqtt.topics import check_topic_name
from peeklock.protocols.mqtt.varint import write_varint

MQTT_3_1_1: Final = 4  # §3.1.2.2: the protocol's version, or level
MQTT_5_0: Final = 5
PROTOCOL_NAME: Final = b"\x00\x04MQTT"
OLD_PROTOCOL_NAME: Final = b"\x00\x06MQIsdp"  # 3.1, which is no standard and not spoken here

# Connect flags (§3.1.2.3).
RESERVED: Final = 0x01
CLEAN_START: Final = 0x02  # 3.1.1: Clean Session
WILL_FLAG: Final = 0x04
WILL_RETAIN: Final = 0x20
PASSWORD: Final = 0x40
USER_NAME: Final = 0x80

CONNECT_FIRST: Final = b"\x10"
CONNACK_FIRST: Final = b"\x20"


@dataclass(frozen=True)
class Will:
    """§3.1.2.5: what the server publishes when the client goes without a word."""

    topic_name: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Connect:
    """§3.1. `keep_alive` in seconds, 0 for none. In 3.1.1 `clean_start` is Clean Session."""

    client_id: str
    version: int = MQTT_5_0
    clean_start: bool = True
    keep_alive: int = 0
    will: Will | None = None
    user_name: str | None = None
    password: bytes | None = None
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Connack:
    """§3.2. The reason code is 5.0's in both versions."""

    reason_code: int = SUCCESS
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


def read_version(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The protocol's version, and the offset after it (§3.1.2.1, §3.1.2.2).

    Whoever speaks another version is told so in 5.0's form, or 3.1's client in 3.1.1's: the
    violation's reason code is UNSUPPORTED_PROTOCOL_VERSION then.
    """
    for name in (PROTOCOL_NAME, OLD_PROTOCOL_NAME):
        after = at + len(name)
        if data[at : min(after, end)] == name:
            version, after = read_byte(data, after, end, "the protocol version")
            if name == PROTOCOL_NAME and version in (MQTT_3_1_1, MQTT_5_0):
                return version, after
            what = f"protocol version {version}; 4 (3.1.1) and 5 (5.0) are spoken"
            raise MqttViolation("MQTT-3.1.2-2", what, UNSUPPORTED_PROTOCOL_VERSION)
    raise malformed("MQTT-3.1.2-1", "the protocol name is not MQTT")


def version_of(data: bytes, at: int, end: int) -> int:
    """Which version's form of answer the sender of this CONNECT can read; 0 for none."""
    if data[at:end].startswith(OLD_PROTOCOL_NAME):
        return MQTT_3_1_1
    place = at + len(PROTOCOL_NAME)
    if not data[at:end].startswith(PROTOCOL_NAME) or place >= end:
        return 0
    return MQTT_5_0 if data[place] >= MQTT_5_0 else MQTT_3_1_1


def read_connect(data: bytes, at: int, end: int) -> Connect:
    """The CONNECT whose rest is `data[at:end]`."""
    version, at = read_version(data, at, end)
    is_v5 = version == MQTT_5_0
    flags, at = read_byte(data, at, end, "the connect flags")
    check_flags(flags, is_v5=is_v5)
    keep_alive, at = read_u16(data, at, end, "the keep alive")
    found = NO_PROPERTIES
    if is_v5:
        found, at = read_properties(data, at, end, CONNECT_PROPERTIES)
        if found.has(AUTHENTICATION_DATA) and not found.has(AUTHENTICATION_METHOD):
            raise protocol_error(
                "MQTT 5.0 §3.1.2.11.10", "authentication data without a method"
            )
    # In this order [MQTT-3.1.3-1], and there if their flags say so: [MQTT-3.1.2-9],
    # [MQTT-3.1.2-16], [MQTT-3.1.2-17], [MQTT-3.1.2-18], [MQTT-3.1.2-19].
    client_id, at = read_text(
        data, at, end, "the client identifier"
    )  # [MQTT-3.1.3-3] [MQTT-3.1.3-4]
    clean_start = flags & CLEAN_START != 0
    if not client_id and not clean_start and not is_v5:
        what = "no client identifier, and no clean session"
        raise MqttViolation("MQTT-3.1.3-8 of 3.1.1", what, CLIENT_IDENTIFIER_NOT_VALID)
    will: Will | None = None
    if flags & WILL_FLAG:
        will, at = read_will(flags, data, at, end, is_v5=is_v5)
    user_name: str | None = None
    if flags & USER_NAME:
        user_name, at = read_text(data, at, end, "the user name")  # [MQTT-3.1.3-12]
    password: bytes | None = None
    if flags & PASSWORD:
        password, at = read_binary(data, at, end, "the password")
    if at < end:
        raise malformed("MQTT-3.1.4-1", "bytes behind the CONNECT's payload")
    return Connect(
        client_id, version, clean_start, keep_alive, will, user_name, password, found
    )


def check_flags(flags: int, *, is_v5: bool) -> None:
    if flags & RESERVED:
        raise malformed("MQTT-3.1.2-3", "the reserved connect flag is set")
    qos = flags >> 3 & 3
    if qos == 3:
        raise malformed("MQTT-3.1.2-12", "a will QoS of 3")
    if flags & WILL_FLAG == 0:
        if qos:
            raise malformed("MQTT-3.1.2-11", "a will QoS without a will")
        if flags & WILL_RETAIN:
            raise malformed("MQTT-3.1.2-13", "will retain without a will")
    if not is_v5 and flags & PASSWORD and not flags & USER_NAME:
        # 5.0 lets a token do without a name.
        raise malformed("MQTT-3.1.2-22 of 3.1.1", "a password without a user name")


def read_will(flags: int, data: bytes, at: int, end: int, *, is_v5: bool) -> tuple[Will, int]:
    found = NO_PROPERTIES
    if is_v5:
        found, at = read_properties(data, at, end, WILL_PROPERTIES)
        check_response_topic(found)
    topic_name, at = read_text(data, at, end, "the will topic")  # [MQTT-3.1.3-11]
    check_topic_name(topic_name, "the will topic")
    payload, at = read_binary(data, at, end, "the will payload")
    retain = flags & WILL_RETAIN != 0
    return Will(topic_name, payload, flags >> 3 & 3, retain, found), at


def write_connect(given: Connect) -> bytes:
    is_v5 = given.version == MQTT_5_0
    flags = CLEAN_START if given.clean_start else 0
    parts = [write_u16(given.keep_alive)]
    if is_v5:
        parts.append(given.properties.encoded())
    parts.append(write_text(given.client_id))
    will = given.will
    if will is not None:
        flags |= WILL_FLAG | will.qos << 3 | (WILL_RETAIN if will.retain else 0)
        if is_v5:
            parts.append(will.properties.encoded())
        parts += [write_text(will.topic_name), write_binary(will.payload)]
    if given.user_name is not None:
        flags |= USER_NAME
        parts.append(write_text(given.user_name))
    if given.password is not None:
        flags |= PASSWORD
        parts.append(write_binary(given.password))
    body = PROTOCOL_NAME + bytes((given.version, flags)) + b"".join(parts)
    return CONNECT_FIRST + write_varint(len(body)) + body


def read_connack(data: bytes, at: int, end: int, *, is_v5: bool) -> Connack:
    """The CONNACK whose rest is `data[at:end]`."""
    flags, at = read_byte(data, at, end, "the acknowledge flags")
    if flags > 1:
        raise malformed("MQTT-3.2.2-1", "reserved acknowledge flags are set")
    code, at = read_byte(data, at, end, "the reason code")
    found = NO_PROPERTIES
    if is_v5:
        if code not in CONNACK_CODES:
            raise protocol_error("MQTT-3.2.2-8", f"a CONNACK with reason code 0x{code:02x}")
        found, at = read_properties(data, at, end, CONNACK_PROPERTIES)
    else:
        known = FROM_RETURN_CODE.get(code)
        if known is None:
            raise protocol_error("MQTT-3.2.2-8", f"a CONNACK with return code {code}")
        code = known
    if at < end:
        raise malformed("MQTT-4.13.1-1", "bytes behind a CONNACK")
    if flags and code != SUCCESS:
        raise protocol_error("MQTT-3.2.2-6", "a refusal that says a session is present")
    return Connack(code, flags == 1, found)


def write_connack(given: Connack, *, is_v5: bool) -> bytes:
    """In 3.1.1 only the reason codes of `RETURN_CODES` have words."""
    flags = 1 if given.session_present else 0
    if not is_v5:
        return CONNACK_FIRST + bytes((2, flags, RETURN_CODES[given.reason_code]))
    body = bytes((flags, given.reason_code)) + given.properties.encoded()
    return CONNACK_FIRST + write_varint(len(body)) + body
