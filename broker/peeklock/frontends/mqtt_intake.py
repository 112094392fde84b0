"""What a client sends into the broker: its messages, and their QoS exchanges."""

from functools import partial
from typing import Final, final

from peeklock.engine.effects import Peer, Replied
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import Session, SignalDesk
from peeklock.errors import BrokerError
from peeklock.frontends.mqtt_errors import publish_code, reasoned
from peeklock.frontends.mqtt_message import submission_of_publish
from peeklock.frontends.mqtt_topics import Finder
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.publish import Publish
from peeklock.types import UnixMs


@final
class Intake:
    """Of one client, whose rights are known."""

    def __init__(
        self,
        engine: Engine,
        desk: SignalDesk,
        peer: Peer,
        connection: Connection,
        finder: Finder,
    ) -> None:
        self._engine: Final = engine
        self._desk: Final = desk
        self._peer: Final = peer
        self._connection: Final = connection
        self._finder: Final = finder

    # ---- messages

    def on_publish(self, publish: Publish, session: Session, now: UnixMs) -> None:
        """PUBACK or PUBREC leaves when the engine says so: when it is durable.

        With QoS 0 nobody hears of a refusal (§4.3.1).
        """
        engine = self._engine
        packet_id = publish.packet_id
        qos = publish.qos
        try:
            place = self._finder.target(publish.topic_name, now)
            given = submission_of_publish(
                *(publish, place.subject, place.entity, engine.ids, now, session.listener),
                is_v5=self._connection.is_v5,
            )
        except BrokerError as error:
            if qos:
                self.refuse(packet_id, error)
            return
        if qos == 2 and session.is_kept:  # once, whatever is cut off [MQTT-4.3.3-10]
            beside = self._desk.take(session, packet_id)
            engine.send_all(
                *(self._peer, None, packet_id, place.entity, [given], now),
                settled=False,
                beside=beside,
            )
        else:
            engine.send(self._peer, None, packet_id, place.entity, given, now, settled=qos == 0)

    def on_released(self, packet_id: int, session: Session) -> None:
        """PUBCOMP leaves when the identifier is forgotten for good: the client may use it for
        its next message then [MQTT-4.3.3-11] [MQTT-4.3.3-12]. Whether the message
        has expired meanwhile is no question [MQTT-4.3.3-13]."""
        complete = partial(self._connection.messages.complete, packet_id)
        if session.is_kept:
            lsn = self._desk.release(session, packet_id)
            self._engine.outbox.hold(lsn, Replied(self._peer, complete))
        else:
            complete()

    def refuse(self, packet_id: int, error: BrokerError) -> None:
        """3.1.1 has no refusal, and an acknowledgement would be a lie: it closes
        [MQTT-3.3.5-2 of 3.1.1].
        """
        connection = self._connection
        code = publish_code(error)
        if connection.is_v5:
            connection.messages.acknowledge(packet_id, code, reasoned(str(error)))
        else:
            connection.disconnect(code, str(error))
