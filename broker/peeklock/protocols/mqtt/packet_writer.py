"""What is to be sent: whole packets, none larger than the peer takes."""

from typing import final

from peeklock.protocols.mqtt.acknowledgements import Acknowledgement
from peeklock.protocols.mqtt.packets import Auth, Packet, encode_packet, without_words
from peeklock.protocols.mqtt.properties import REASON_STRING, USER_PROPERTY
from peeklock.protocols.mqtt.settings import PACKET_BYTES_MAX
from peeklock.protocols.mqtt.subscribe import Suback, Unsuback


@final
class PacketWriter:
    """The packets that wait for the owner to take them, in order.

    Once it is closed nothing joins them: what the owner still says goes nowhere.
    """

    def __init__(self) -> None:
        self.is_v5 = True
        self.packet_bytes_max = PACKET_BYTES_MAX  # the peer's [MQTT-3.1.2-24] [MQTT-3.2.2-15]
        self.wants_problem_information = True
        self.is_closed = False  # nothing follows a DISCONNECT [MQTT-3.14.4-1]
        self.byte_count = 0  # that were taken
        self.packet_count = 0  # that were written
        self._parts: list[bytes] = []

    def write(self, packet: bytes) -> None:
        if not self.is_closed:
            self._parts.append(packet)
            self.packet_count += 1

    def send(self, given: Packet) -> bool:
        """Whether it could be sent: some packets are too large for the peer, even bare.

        Reason strings and user properties go where there is no room for them:
        [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2]
        [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
        [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3]
        [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3].
        """
        packet = self.fitted(given)
        if packet is None:
            return False
        self.write(packet)
        return True

    def fitted(self, given: Packet) -> bytes | None:
        """The packet, with as many words as the peer wants and takes."""
        if not self.wants_problem_information and isinstance(
            given, Acknowledgement | Suback | Unsuback | Auth
        ):
            given = without_words(given, REASON_STRING, USER_PROPERTY)  # [MQTT-3.1.2-29]
        packet = encode_packet(given, is_v5=self.is_v5)
        if len(packet) <= self.packet_bytes_max:
            return packet
        packet = encode_packet(without_words(given, USER_PROPERTY), is_v5=self.is_v5)
        if len(packet) > self.packet_bytes_max:
            bare = without_words(given, REASON_STRING, USER_PROPERTY)
            packet = encode_packet(bare, is_v5=self.is_v5)
        return packet if len(packet) <= self.packet_bytes_max else None

    def take(self) -> bytes:
        """All of it; nothing is left."""
        parts = self._parts
        if not parts:
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.byte_count += len(data)
        return data
