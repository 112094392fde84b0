"""Every packet (§3) by its type: which flags it must have, who reads and who writes it.

PINGREQ, PINGRESP, DISCONNECT and AUTH are here in full (§3.12–§3.15).
"""

from typing import Final, TypeAlias, final

from peeklock.protocols.mqtt.acknowledgements import (
    PUBACK,
    PUBCOMP,
    PUBREL,
    Acknowledgement,
    read_acknowledgement,
    write_acknowledgement,
)
from peeklock.protocols.mqtt.connect import (
    Connack,
    Connect,
    read_connack,
    read_connect,
    write_connack,
    write_connect,
)
from peeklock.protocols.mqtt.properties import AUTH as AUTH_PROPERTIES
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_METHOD,
    NO_PROPERTIES,
    Properties,
    read_properties,
)
from peeklock.protocols.mqtt.properties import DISCONNECT as DISCONNECT_PROPERTIES
from peeklock.protocols.mqtt.publish import Publish, read_publish, write_publish
from peeklock.protocols.mqtt.reason_codes import (
    AUTH_CODES,
    DISCONNECT_CODES,
    SUCCESS,
    malformed,
    protocol_error,
)
from peeklock.protocols.mqtt.subscribe import (
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    packet,
    read_suback,
    read_subscribe,
    read_unsuback,
    read_unsubscribe,
    write_suback,
    write_subscribe,
    write_unsuback,
    write_unsubscribe,
)

CONNECT: Final = 1  # §2.1.2 packet types; the four acknowledgements have theirs beside them
CONNACK: Final = 2
PUBLISH: Final = 3
SUBSCRIBE: Final = 8
SUBACK: Final = 9
UNSUBSCRIBE: Final = 10
UNSUBACK: Final = 11
PINGREQ: Final = 12
PINGRESP: Final = 13
DISCONNECT: Final = 14
AUTH: Final = 15

PINGREQ_BYTES: Final = b"\xc0\x00"
PINGRESP_BYTES: Final = b"\xd0\x00"

# §2.1.3: the lower half of the first byte where it is reserved.
FLAGS: Final = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
# Where a packet has its own statement of that.
FLAGS_CLAUSES: Final = {
    PUBREL: "MQTT-3.6.1-1",
    SUBSCRIBE: "MQTT-3.8.1-1",
    UNSUBSCRIBE: "MQTT-3.10.1-1",
    DISCONNECT: "MQTT-3.14.1-1",
    AUTH: "MQTT-3.15.1-1",
}


@final
class Pingreq:
    """§3.12."""

    __slots__ = ()
    __match_args__ = ()


@final
class Pingresp:
    """§3.13."""

    __slots__ = ()
    __match_args__ = ()


@final
class Disconnect:
    """§3.14. 3.1.1 has no reason codes: a client that sends it leaves in order."""

    __slots__ = ("properties", "reason_code")
    __match_args__ = ("reason_code", "properties")

    def __init__(
        self, reason_code: int = SUCCESS, properties: Properties = NO_PROPERTIES
    ) -> None:
        self.reason_code: Final = reason_code
        self.properties: Final = properties


@final
class Auth:
    """§3.15, 5.0 only. The method is in the properties."""

    __slots__ = ("properties", "reason_code")
    __match_args__ = ("reason_code", "properties")

    def __init__(self, reason_code: int, properties: Properties) -> None:
        self.reason_code: Final = reason_code
        self.properties: Final = properties


Packet: TypeAlias = (
    Connect
    | Connack
    | Publish
    | Acknowledgement
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)


def without_words(given: Packet, *identifiers: int) -> Packet:
    """The same packet without those properties, as far as it may do without them.

    For reason strings and user properties, which say more than has to be said. A message's user
    properties are part of it and stay [MQTT-3.3.2-17].
    """
    if isinstance(given, Acknowledgement):
        less = given.properties.without(*identifiers)
        return Acknowledgement(given.packet_type, given.packet_id, given.reason_code, less)
    if isinstance(given, Connack):
        less = given.properties.without(*identifiers)
        return Connack(given.reason_code, given.session_present, less)
    if isinstance(given, Suback):
        return Suback(
            given.packet_id, given.reason_codes, given.properties.without(*identifiers)
        )
    if isinstance(given, Unsuback):
        less = given.properties.without(*identifiers)
        return Unsuback(given.packet_id, given.reason_codes, less)
    if isinstance(given, Disconnect):
        return Disconnect(given.reason_code, given.properties.without(*identifiers))
    if isinstance(given, Auth):
        return Auth(given.reason_code, given.properties.without(*identifiers))
    return given


def check_fixed_header(first: int, *, is_v5: bool) -> None:
    """Raises unless `first` begins a packet of this version (§2.1.2, §2.1.3)."""
    packet_type = first >> 4
    if packet_type == PUBLISH:
        return
    if packet_type == 0 or (packet_type == AUTH and not is_v5):
        raise malformed("MQTT-4.13.1-1", f"a packet of the reserved type {packet_type}")
    flags = first & 0x0F
    if flags != FLAGS.get(packet_type, 0):
        section = FLAGS_CLAUSES.get(packet_type, "MQTT-2.1.3-1")
        raise malformed(section, f"a packet of type {packet_type} with the flags {flags}")


def decode_packet(first: int, data: bytes, at: int, end: int, *, is_v5: bool) -> Packet:
    """The packet whose first byte is `first` and whose rest is `data[at:end]`.

    Raises `MqttViolation`. What a CONNECT's version is, it says itself.
    """
    check_fixed_header(first, is_v5=is_v5)
    packet_type = first >> 4
    if packet_type == PUBLISH:
        return read_publish(first, data, at, end, is_v5=is_v5)
    if PUBACK <= packet_type <= PUBCOMP:
        return read_acknowledgement(packet_type, data, at, end, is_v5=is_v5)
    if packet_type == CONNECT:
        return read_connect(data, at, end)
    if packet_type == CONNACK:
        return read_connack(data, at, end, is_v5=is_v5)
    if packet_type == SUBSCRIBE:
        return read_subscribe(data, at, end, is_v5=is_v5)
    if packet_type == SUBACK:
        return read_suback(data, at, end, is_v5=is_v5)
    if packet_type == UNSUBSCRIBE:
        return read_unsubscribe(data, at, end, is_v5=is_v5)
    if packet_type == UNSUBACK:
        return read_unsuback(data, at, end, is_v5=is_v5)
    if packet_type == DISCONNECT:
        return read_disconnect(data, at, end, is_v5=is_v5)
    if packet_type == AUTH:
        return read_auth(data, at, end)
    if at < end:
        raise malformed("MQTT-4.13.1-1", "a ping with bytes behind it")
    return Pingreq() if packet_type == PINGREQ else Pingresp()


def encode_packet(given: Packet, *, is_v5: bool) -> bytes:
    """The whole packet. Its values are the caller's to keep within the type's bounds."""
    if isinstance(given, Publish):
        return write_publish(
            given.topic_name,
            given.payload,
            given.qos,
            given.retain,
            given.dup,
            given.packet_id,
            given.properties,
            is_v5=is_v5,
        )
    if isinstance(given, Acknowledgement):
        return write_acknowledgement(given, is_v5=is_v5)
    if isinstance(given, Connect):
        return write_connect(given)
    if isinstance(given, Connack):
        return write_connack(given, is_v5=is_v5)
    if isinstance(given, Subscribe):
        return write_subscribe(given, is_v5=is_v5)
    if isinstance(given, Suback):
        return write_suback(given, is_v5=is_v5)
    if isinstance(given, Unsubscribe):
        return write_unsubscribe(given, is_v5=is_v5)
    if isinstance(given, Unsuback):
        return write_unsuback(given, is_v5=is_v5)
    if isinstance(given, Disconnect):
        return write_disconnect(given, is_v5=is_v5)
    if isinstance(given, Auth):
        return write_auth(given)
    return PINGREQ_BYTES if isinstance(given, Pingreq) else PINGRESP_BYTES


def read_disconnect(data: bytes, at: int, end: int, *, is_v5: bool) -> Disconnect:
    if at == end:
        return Disconnect()
    if not is_v5:
        raise malformed("MQTT-4.13.1-1", "bytes behind a DISCONNECT")
    reason_code = data[at]
    at += 1
    if reason_code not in DISCONNECT_CODES:
        what = f"a DISCONNECT with reason code 0x{reason_code:02x}"
        raise protocol_error("MQTT-3.14.2-1", what)
    found = NO_PROPERTIES
    if at < end:  # §3.14.2.2.1: without a property length there are none
        found, at = read_properties(data, at, end, DISCONNECT_PROPERTIES)
        if at < end:
            raise malformed("MQTT-4.13.1-1", "bytes behind a DISCONNECT")
    return Disconnect(reason_code, found)


def write_disconnect(given: Disconnect, *, is_v5: bool) -> bytes:
    if not is_v5 or (given.reason_code == SUCCESS and not given.properties):
        return b"\xe0\x00"
    if not given.properties:
        return bytes((0xE0, 1, given.reason_code))
    return packet(0xE0, [bytes((given.reason_code,)), given.properties.encoded()])


def read_auth(data: bytes, at: int, end: int) -> Auth:
    reason_code = SUCCESS
    found = NO_PROPERTIES
    if at < end:  # §3.15.2.1: success without properties may be left out
        reason_code = data[at]
        if reason_code not in AUTH_CODES:
            what = f"an AUTH with reason code 0x{reason_code:02x}"
            raise protocol_error("MQTT-3.15.2-1", what)
        at += 1
        if at < end:
            found, at = read_properties(data, at, end, AUTH_PROPERTIES)
        if at < end:
            raise malformed("MQTT-4.13.1-1", "bytes behind an AUTH")
        if not found.has(AUTHENTICATION_METHOD):
            raise protocol_error("MQTT 5.0 §3.15.2.2.2", "an AUTH without its method")
    return Auth(reason_code, found)


def write_auth(given: Auth) -> bytes:
    if given.reason_code == SUCCESS and not given.properties:
        return b"\xf0\x00"
    return packet(0xF0, [bytes((given.reason_code,)), given.properties.encoded()])
