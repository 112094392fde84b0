"""SUBSCRIBE and UNSUBSCRIBE with their answers (§3.8–§3.11), on an open connection.

`Connection.requests` is one. A client asks, a server answers.
"""

from typing import Final, final

from peeklock.protocols.mqtt.events import (
    Event,
    SubackReceived,
    SubscribeReceived,
    UnsubackReceived,
    UnsubscribeReceived,
)
from peeklock.protocols.mqtt.inflight import Outgoing
from peeklock.protocols.mqtt.offers import check_subscribe
from peeklock.protocols.mqtt.packet_writer import PacketWriter
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, Properties
from peeklock.protocols.mqtt.reason_codes import protocol_error
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import (
    FilterRequest,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

TOO_LARGE: Final = -1  # nothing was sent: the server takes no packet of that size


@final
class Requests:
    """Of one connection: those that wait for their answer, by packet identifier."""

    def __init__(
        self, settings: ConnectionSettings, writer: PacketWriter, outgoing: Outgoing
    ) -> None:
        self._settings: Final = settings
        self._writer: Final = writer
        self._outgoing: Final = outgoing  # a client's identifiers are shared with its messages
        self._filters: Final[dict[int, int]] = {}  # how many filters; negative: unsubscribe
        self.is_v5 = True
        self.is_open = False

    # ---- client

    def subscribe(
        self, filters: tuple[FilterRequest, ...], properties: Properties = NO_PROPERTIES
    ) -> int:
        """Its packet identifier, which the answer has [MQTT-3.8.4-2]; or TOO_LARGE."""
        packet_id = self._allot()
        if not self._writer.send(Subscribe(packet_id, filters, properties)):
            return TOO_LARGE
        self._outgoing.request(packet_id)
        self._filters[packet_id] = len(filters)
        return packet_id

    def unsubscribe(
        self, topic_filters: tuple[str, ...], properties: Properties = NO_PROPERTIES
    ) -> int:
        """Its packet identifier, which the answer has [MQTT-3.10.4-5]; or TOO_LARGE."""
        packet_id = self._allot()
        if not self._writer.send(Unsubscribe(packet_id, topic_filters, properties)):
            return TOO_LARGE
        self._outgoing.request(packet_id)
        self._filters[packet_id] = -len(topic_filters)
        return packet_id

    def _allot(self) -> int:
        assert self.is_open, "a request before the CONNACK [MQTT-3.1.2-30]"
        packet_id = self._outgoing.allot()
        assert packet_id, "all packet identifiers are in use"
        return packet_id

    def on_suback(self, suback: Suback) -> Event:
        count = self._filters.get(suback.packet_id, 0)
        if count <= 0:
            raise protocol_error("MQTT-2.2.1-6", f"a SUBACK for {suback.packet_id}")
        if len(suback.reason_codes) != count:
            what = f"a SUBACK with {len(suback.reason_codes)} codes for {count} filters"
            raise protocol_error("MQTT-3.8.4-6", what)
        self._end(suback.packet_id)
        return SubackReceived(suback)

    def on_unsuback(self, unsuback: Unsuback) -> Event:
        count = -self._filters.get(unsuback.packet_id, 0)
        if count <= 0:
            raise protocol_error("MQTT-2.2.1-6", f"an UNSUBACK for {unsuback.packet_id}")
        if self.is_v5 and len(unsuback.reason_codes) != count:
            what = f"an UNSUBACK with {len(unsuback.reason_codes)} codes for {count} filters"
            raise protocol_error("MQTT-3.11.3-2", what)
        self._end(unsuback.packet_id)
        return UnsubackReceived(unsuback)

    def _end(self, packet_id: int) -> None:
        del self._filters[packet_id]
        self._outgoing.end(packet_id)

    # ---- server

    def on_subscribe(self, subscribe: Subscribe) -> Event:
        check_subscribe(subscribe, self._settings)
        self._begin(subscribe.packet_id, len(subscribe.filters))
        return SubscribeReceived(subscribe)

    def on_unsubscribe(self, unsubscribe: Unsubscribe) -> Event:
        self._begin(unsubscribe.packet_id, -len(unsubscribe.topic_filters))
        return UnsubscribeReceived(unsubscribe)

    def _begin(self, packet_id: int, count: int) -> None:
        if packet_id in self._filters:
            raise protocol_error("MQTT-2.2.1-3", f"packet identifier {packet_id} is in use")
        self._filters[packet_id] = count

    def suback(
        self,
        packet_id: int,
        reason_codes: tuple[int, ...],
        properties: Properties = NO_PROPERTIES,
    ) -> bool:
        """Answer [MQTT-3.8.4-1], with a code for each filter [MQTT-3.8.4-6].

        `False`: the client takes no packet of that size.
        """
        count = self._filters.pop(packet_id)
        assert count == len(reason_codes), "a code for each filter"
        return self._writer.send(Suback(packet_id, reason_codes, properties))

    def unsuback(
        self,
        packet_id: int,
        reason_codes: tuple[int, ...],
        properties: Properties = NO_PROPERTIES,
    ) -> bool:
        """Answer [MQTT-3.10.4-4], with a code for each filter [MQTT-3.11.3-2].

        `False`: the client takes no packet of that size.
        """
        count = -self._filters.pop(packet_id)
        assert count == len(reason_codes), "a code for each filter"
        return self._writer.send(Unsuback(packet_id, reason_codes, properties))
