"""Packets no larger than the peer takes, and no wordier than it wants."""

from peeklock.protocols.mqtt.acknowledgements import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Acknowledgement,
)
from peeklock.protocols.mqtt.connect import Connack
from peeklock.protocols.mqtt.packet_writer import PacketWriter
from peeklock.protocols.mqtt.packets import Auth, Disconnect, Packet
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_METHOD,
    REASON_STRING,
    SERVER_REFERENCE,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import NOT_AUTHORIZED, PACKET_IDENTIFIER_NOT_FOUND
from peeklock.protocols.mqtt.subscribe import Suback, Unsuback

WORDS = Properties({REASON_STRING: "because"}, (("k", "value"),))
WORDY: list[Packet] = [
    Acknowledgement(PUBACK, 1, NOT_AUTHORIZED, WORDS),
    Acknowledgement(PUBREC, 1, NOT_AUTHORIZED, WORDS),
    Acknowledgement(PUBREL, 1, PACKET_IDENTIFIER_NOT_FOUND, WORDS),
    Acknowledgement(PUBCOMP, 1, PACKET_IDENTIFIER_NOT_FOUND, WORDS),
    Suback(1, (NOT_AUTHORIZED,), WORDS),
    Unsuback(1, (NOT_AUTHORIZED,), WORDS),
    Connack(NOT_AUTHORIZED, False, WORDS),
    Disconnect(NOT_AUTHORIZED, WORDS),
    Auth(0x18, Properties({AUTHENTICATION_METHOD: "m", REASON_STRING: "because"}, WORDS.user)),
]


def sent(given: Packet, *, size: int = 1000, wanted: bool = True) -> bytes:
    writer = PacketWriter()
    writer.packet_bytes_max = size
    writer.wants_problem_information = wanted
    writer.send(given)
    return writer.take()


def test_first_the_user_properties_go_and_then_the_reason() -> None:
    """[MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2]
    [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1]
    [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    [MQTT-3.15.2-2] [MQTT-3.15.2-3]
    """
    for given in WORDY:
        full = sent(given)
        assert b"because" in full
        assert b"value" in full
        some = sent(given, size=len(full) - 1)
        assert b"because" in some
        assert b"value" not in some
        bare = sent(given, size=len(some) - 1)
        assert bare
        assert b"because" not in bare
        assert sent(given, size=len(bare) - 1) == b""


def test_a_client_that_wants_no_reasons_gets_few() -> None:
    """[MQTT-3.1.2-29]: on CONNACK, DISCONNECT and PUBLISH they may be."""
    for given in WORDY:
        data = sent(given, wanted=False)
        assert data
        assert (b"because" in data) == isinstance(given, Connack | Disconnect)
    message = Publish("t", b"", properties=Properties(user=WORDS.user))
    assert b"value" in sent(message, wanted=False)


def test_other_properties_stay() -> None:
    """What they say is needed: it is all or nothing."""
    moved = Disconnect(0x9D, Properties({SERVER_REFERENCE: "elsewhere"}))
    assert sent(moved, size=10) == b""


def test_nothing_joins_a_closed_one() -> None:
    """[MQTT-3.14.4-1]"""
    writer = PacketWriter()
    writer.send(Disconnect())
    writer.is_closed = True
    assert writer.send(Disconnect())
    writer.write(b"x")
    assert writer.take() == b"\xe0\x00"
    assert writer.take() == b""
