"""PUBACK, PUBREC, PUBREL, PUBCOMP (§3.4–§3.7): alike but for their type and reason codes."""

from typing import Final, final

from peeklock.protocols.mqtt.primitives import truncated
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, Properties, read_properties
from peeklock.protocols.mqtt.reason_codes import (
    PUBLISH_CODES,
    RELEASE_CODES,
    SUCCESS,
    malformed,
    protocol_error,
)
from peeklock.protocols.mqtt.varint import write_varint

PUBACK: Final = 4  # the packet's type, from here on
PUBREC: Final = 5
PUBREL: Final = 6
PUBCOMP: Final = 7

NAMES: Final = {PUBACK: "PUBACK", PUBREC: "PUBREC", PUBREL: "PUBREL", PUBCOMP: "PUBCOMP"}
FIRST_BYTES: Final = {PUBACK: 0x40, PUBREC: 0x50, PUBREL: 0x62, PUBCOMP: 0x70}


@final
class Acknowledgement:
    """One of the four; `packet_type` says which."""

    __slots__ = ("packet_id", "packet_type", "properties", "reason_code")
    __match_args__ = ("packet_type", "packet_id", "reason_code", "properties")

    def __init__(
        self,
        packet_type: int,
        packet_id: int,
        reason_code: int = SUCCESS,
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        self.packet_type: Final = packet_type
        self.packet_id: Final = packet_id
        self.reason_code: Final = reason_code
        self.properties: Final = properties


def read_acknowledgement(
    packet_type: int, data: bytes, at: int, end: int, *, is_v5: bool
) -> Acknowledgement:
    """The packet whose rest is `data[at:end]`. Its flags have been looked at."""
    if at + 2 > end:
        raise truncated("the packet identifier")
    packet_id = data[at] << 8 | data[at + 1]
    at += 2
    if packet_id == 0:
        raise protocol_error("MQTT-2.2.1-5", f"a {NAMES[packet_type]} for packet identifier 0")
    if at == end:
        return Acknowledgement(packet_type, packet_id)
    if not is_v5:
        raise malformed("MQTT-4.13.1-1", f"bytes behind a {NAMES[packet_type]}")
    reason_code = data[at]
    at += 1
    check_code(packet_type, reason_code)
    found = NO_PROPERTIES
    if at < end:  # §3.4.2.2.1: without a property length there are none
        found, at = read_properties(data, at, end, 1 << packet_type)
        if at < end:
            raise malformed("MQTT-4.13.1-1", f"bytes behind a {NAMES[packet_type]}")
    return Acknowledgement(packet_type, packet_id, reason_code, found)


def check_code(packet_type: int, reason_code: int) -> None:
    """[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]: one of the packet's own."""
    known = PUBLISH_CODES if packet_type <= PUBREC else RELEASE_CODES
    if reason_code not in known:
        section = f"MQTT-3.{packet_type}.2-1"
        what = f"a {NAMES[packet_type]} with reason code 0x{reason_code:02x}"
        raise protocol_error(section, what)


def write_acknowledgement(given: Acknowledgement, *, is_v5: bool) -> bytes:
    """As short as it can be: success without properties is left out (§3.4.2.1)."""
    first = FIRST_BYTES[given.packet_type]
    packet_id = given.packet_id
    if not is_v5 or (given.reason_code == SUCCESS and not given.properties):
        return bytes((first, 2, packet_id >> 8, packet_id & 0xFF))
    if not given.properties:
        return bytes((first, 3, packet_id >> 8, packet_id & 0xFF, given.reason_code))
    body = bytes((packet_id >> 8, packet_id & 0xFF, given.reason_code))
    body += given.properties.encoded()
    return bytes((first,)) + write_varint(len(body)) + body
