"""Messages on an open connection, both ways (§4.3): QoS exchanges, aliases, flow control.

`Connection.messages` is one. What comes is told by the connection's events.
"""

from collections.abc import Iterable
from typing import Final, final

from peeklock.protocols.mqtt.acknowledgements import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Acknowledgement,
    check_code,
)
from peeklock.protocols.mqtt.aliases import NO_ALIAS, IncomingAliases, OutgoingAliases
from peeklock.protocols.mqtt.events import (
    Event,
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
)
from peeklock.protocols.mqtt.inflight import (
    AGAIN,
    KEPT,
    NONE,
    PUBACK_AWAITED,
    PUBACK_DUE,
    PUBCOMP_AWAITED,
    PUBCOMP_DUE,
    PUBREC_AWAITED,
    PUBREC_DUE,
    RECORDED,
    RELEASE_DUE,
    Incoming,
    Outgoing,
)
from peeklock.protocols.mqtt.packet_writer import PacketWriter
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, TOPIC_ALIAS, Properties
from peeklock.protocols.mqtt.publish import (
    NO_PACKET_ID,
    EncodedPublish,
    Publish,
    write_publish,
)
from peeklock.protocols.mqtt.reason_codes import (
    FAILURE,
    PACKET_IDENTIFIER_NOT_FOUND,
    SUCCESS,
    protocol_error,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings, PeerLimits

# What `publish` says when nothing was sent.
TOO_LARGE: Final = -1  # for the peer; a server behaves as if it had been sent [MQTT-3.1.2-25]
NO_QUOTA: Final = -2  # the peer takes no more for now [MQTT-4.9.0-2]
NOT_OFFERED: Final = -3  # the server takes no such QoS, or nothing retained


@final
class MessageFlow:
    """Of one connection. Usable once it is open."""

    def __init__(self, settings: ConnectionSettings, writer: PacketWriter) -> None:
        self._settings: Final = settings
        self._writer: Final = writer
        self._limits = PeerLimits(NO_PROPERTIES)
        self._is_v5 = True
        self._is_open = False
        self.outgoing: Final = Outgoing(0, settings.packet_ids_reserved)
        self.incoming: Final = Incoming(settings.receive_maximum)
        self._aliases_in = IncomingAliases(0)
        self._aliases_out = OutgoingAliases(0)
        self.received_count = 0  # PUBLISH packets, those that came again included
        self.received_bytes = 0  # of their payloads
        self.sent_count = 0
        self.sent_bytes = 0

    def open(self, limits: PeerLimits, *, is_v5: bool) -> None:
        settings = self._settings
        self._limits = limits
        self._is_v5 = is_v5
        self._is_open = True
        # The initial send quota is not above the peer's receive maximum [MQTT-4.9.0-1].
        self.outgoing.maximum = min(limits.receive_maximum, settings.in_flight_max)
        if is_v5:
            self._aliases_in = IncomingAliases(settings.topic_alias_maximum)
            used = min(limits.topic_alias_maximum, settings.topic_aliases_sent)
            # [MQTT-3.1.2-26] [MQTT-3.2.2-17], and none without [MQTT-3.1.2-27] [MQTT-3.2.2-18].
            self._aliases_out = OutgoingAliases(used)
        else:
            self.incoming.maximum = 0xFFFF  # 3.1.1 has no receive maximum

    @property
    def quota(self) -> int:
        """How many QoS 1 and 2 messages `publish` takes now (§4.9)."""
        return self.outgoing.quota

    @property
    def alias_characters(self) -> int:
        """Of the peer's topic names that we remember."""
        return self._aliases_in.name_characters

    # ---- what we send

    def publish(
        self,
        topic_name: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> int:
        """Send a message. Its packet identifier, 0 with QoS 0; negative when it was not sent.

        `topic_name` has no wildcards and fits (topics.py, primitives.py). 3.1.1 drops the
        properties.
        """
        if qos > self._limits.maximum_qos or (retain and not self._limits.retain_available):
            return NOT_OFFERED  # [MQTT-3.2.2-11] [MQTT-3.2.2-14]
        packet_id = NO_PACKET_ID
        if qos:
            # Nothing else is held up [MQTT-3.3.4-8] [MQTT-3.3.4-10] [MQTT-4.9.0-3].
            if self.outgoing.quota == 0:
                return NO_QUOTA  # [MQTT-3.3.4-7] [MQTT-3.3.4-9]
            packet_id = self.outgoing.allot()
            if packet_id == NONE:
                return NO_QUOTA
        # DUP is 0 on a first delivery [MQTT-4.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2].
        return self._send(topic_name, payload, qos, retain, False, packet_id, properties)

    def publish_encoded(self, encoded: EncodedPublish) -> int:
        """Send a message that was encoded for many; as `publish`. Of a server only."""
        assert self._is_open, "a message before the CONNACK [MQTT-3.2.0-1]"
        assert encoded.is_v5 == self._is_v5
        if encoded.packet_bytes > self._writer.packet_bytes_max:
            return TOO_LARGE
        packet_id = NO_PACKET_ID
        if encoded.qos:
            if self.outgoing.quota == 0:
                return NO_QUOTA
            packet_id = self.outgoing.allot()
            if packet_id == NONE:
                return NO_QUOTA
            self.outgoing.send(packet_id, encoded.qos)
        self._writer.write(encoded.with_packet_id(packet_id))
        self.sent_count += 1
        self.sent_bytes += encoded.payload_bytes
        return packet_id

    def deliver(self, publish: Publish) -> int:
        """Send a message under the identifier that its owner has chosen for it; as `publish`.

        The same message has the same one on each connection [MQTT-4.4.0-1]. `publish.dup` says
        that it may have been sent before [MQTT-3.3.1-1], to this client [MQTT-3.3.1-3].
        """
        packet_id = publish.packet_id
        assert 0 < packet_id <= self._settings.packet_ids_reserved
        if self.outgoing.quota == 0 or self.outgoing.state(packet_id) != NONE:
            return NO_QUOTA
        return self._send(
            *(publish.topic_name, publish.payload, publish.qos, publish.retain),
            *(publish.dup, packet_id, publish.properties),
        )

    def redeliver(self, publish: Publish) -> int:
        """Send a message of an earlier connection again, with its identifier [MQTT-4.4.0-1].

        The owner does so in the order in which they were first sent [MQTT-4.6.0-1]. DUP is set
        [MQTT-3.3.1-1], whatever `publish` says.
        """
        packet_id = publish.packet_id
        assert publish.qos > 0
        assert self.outgoing.state(packet_id) == KEPT, "an identifier that was not kept"
        if self.outgoing.quota == 0:
            return NO_QUOTA
        sent = self._send(
            *(publish.topic_name, publish.payload, publish.qos, publish.retain),
            *(True, packet_id, publish.properties),
        )
        if sent == TOO_LARGE:
            self.outgoing.forget(packet_id)
        return sent

    def redeliver_release(self, packet_id: int) -> None:
        """Send the PUBREL of an earlier connection's message again [MQTT-4.4.0-1].

        Its PUBREC has come, so the message itself is not sent again [MQTT-4.3.3-6].
        """
        assert self.outgoing.state(packet_id) == KEPT, "an identifier that was not kept"
        self.outgoing.send_again(packet_id)
        self._writer.send(Acknowledgement(PUBREL, packet_id))

    def _send(
        self,
        topic_name: str,
        payload: bytes,
        qos: int,
        retain: bool,
        dup: bool,
        packet_id: int,
        properties: Properties,
    ) -> int:
        assert self._is_open, "a message before the CONNACK [MQTT-3.2.0-1]"
        aliases = self._aliases_out
        alias = NO_ALIAS
        is_new = False
        written = topic_name
        if aliases.maximum:
            alias = aliases.known(topic_name)
            if alias != NO_ALIAS:
                written = ""
            else:
                alias = aliases.free()
                is_new = alias != NO_ALIAS
            if alias != NO_ALIAS:
                properties = properties.with_number(TOPIC_ALIAS, alias)
        packet = write_publish(
            written, payload, qos, retain, dup, packet_id, properties, is_v5=self._is_v5
        )
        if len(packet) > self._writer.packet_bytes_max:
            return TOO_LARGE
        if is_new:
            aliases.tell(alias, topic_name)
        if qos:
            self.outgoing.send(packet_id, qos)
        self._writer.write(packet)
        self.sent_count += 1
        self.sent_bytes += len(payload)
        return packet_id

    def release(self, packet_id: int) -> None:
        """Answer a PUBREC: the message is not sent again, come what may [MQTT-4.3.3-4]."""
        assert self.outgoing.state(packet_id) == RELEASE_DUE, "PUBREL before PUBREC"
        self.outgoing.move(packet_id, PUBCOMP_AWAITED)
        self._writer.send(Acknowledgement(PUBREL, packet_id))

    # ---- what we answer

    def acknowledge(
        self, packet_id: int, reason_code: int = SUCCESS, properties: Properties = NO_PROPERTIES
    ) -> None:
        """Answer a QoS 1 or 2 message by PUBACK or PUBREC: the owner has it, or refuses it.

        [MQTT-4.3.2-4] [MQTT-4.3.3-8]; a client does so whatever it thinks of it [MQTT-4.5.0-2].

        In 3.1.1 there is no refusal: the code is not sent.
        """
        state = self.incoming.state(packet_id)
        assert state in (PUBACK_DUE, PUBREC_DUE), f"message {packet_id} waits for no answer"
        kind = PUBACK if state == PUBACK_DUE else PUBREC
        check_code(kind, reason_code)
        packet = self._writer.fitted(Acknowledgement(kind, packet_id, reason_code, properties))
        assert packet is not None
        ends = kind == PUBACK or (reason_code >= FAILURE and self._is_v5)  # [MQTT-4.3.3-9]
        for part in self.incoming.answer(packet_id, packet, ends=ends):
            self._writer.write(part)

    def complete(self, packet_id: int) -> None:
        """Answer a PUBREL: the identifier is forgotten [MQTT-4.3.3-11] [MQTT-4.3.3-12]."""
        assert self.incoming.state(packet_id) == PUBCOMP_DUE, "PUBCOMP before PUBREL"
        self.incoming.complete(packet_id)
        self._writer.send(Acknowledgement(PUBCOMP, packet_id))

    # ---- what comes

    def on_publish(self, publish: Publish) -> Event | None:
        self.received_count += 1
        self.received_bytes += len(publish.payload)
        found = publish.properties
        if self._is_v5 and found.has(TOPIC_ALIAS):
            publish = self._resolved(publish)
        qos = publish.qos
        if qos == 0:
            return publish
        taken = self.incoming.receive(publish.packet_id, qos, dup=publish.dup)
        if taken == RECORDED:
            self._writer.send(Acknowledgement(PUBREC, publish.packet_id))  # [MQTT-4.3.3-10]
            return None
        return None if taken == AGAIN else publish

    def _resolved(self, publish: Publish) -> Publish:
        found = publish.properties
        alias = found.number(TOPIC_ALIAS, NO_ALIAS)
        return Publish(
            self._aliases_in.resolve(alias, publish.topic_name),
            publish.payload,
            publish.qos,
            publish.retain,
            publish.dup,
            publish.packet_id,
            found.without(TOPIC_ALIAS),
        )

    def on_puback(self, packet_id: int, reason_code: int, found: Properties) -> Event | None:
        """Of identifiers that are not in use, none is missed: they are passed over."""
        state = self.outgoing.state(packet_id)
        if state == PUBACK_AWAITED:
            self.outgoing.end(packet_id)  # [MQTT-4.3.2-3] [MQTT-4.4.0-2]
            return PublishAcknowledged(packet_id, reason_code, found)
        if state in (NONE, KEPT):
            return None
        raise protocol_error("MQTT-3.3.4-1", f"PUBACK for {packet_id}, which waits for another")

    def on_acknowledgement(self, given: Acknowledgement) -> Event | None:
        """A PUBREC, PUBREL or PUBCOMP."""
        if given.packet_type == PUBREC:
            return self._on_pubrec(given)
        if given.packet_type == PUBREL:
            return self._on_pubrel(given)
        packet_id = given.packet_id
        state = self.outgoing.state(packet_id)
        if state == PUBCOMP_AWAITED:
            self.outgoing.end(packet_id)  # [MQTT-4.3.3-5]
            return PublishCompleted(packet_id, given.reason_code, given.properties)
        if state in (NONE, KEPT):
            return None
        raise protocol_error(
            "MQTT-3.3.4-1", f"PUBCOMP for {packet_id}, which waits for another"
        )

    def _on_pubrec(self, given: Acknowledgement) -> Event | None:
        packet_id = given.packet_id
        state = self.outgoing.state(packet_id)
        if state == PUBREC_AWAITED:
            if given.reason_code >= FAILURE:
                self.outgoing.end(packet_id)  # [MQTT-4.4.0-2]
                return PublishAcknowledged(packet_id, given.reason_code, given.properties)
            self.outgoing.move(packet_id, RELEASE_DUE)
            if self._settings.answers_by_itself:
                self.release(packet_id)  # in the order of the PUBRECs [MQTT-4.6.0-4]
            return PublishRecorded(packet_id, given.reason_code, given.properties)
        if state in (NONE, KEPT):
            if given.reason_code < FAILURE:
                self._answer_unknown(PUBREL, packet_id)
        elif state == PUBCOMP_AWAITED:
            self._writer.send(Acknowledgement(PUBREL, packet_id))
        elif state != RELEASE_DUE:
            raise protocol_error("MQTT-3.3.4-1", f"PUBREC for {packet_id}, which has QoS 1")
        return None

    def _on_pubrel(self, given: Acknowledgement) -> Event | None:
        packet_id = given.packet_id
        if self.incoming.release(packet_id):
            if self._settings.answers_by_itself:
                self.complete(packet_id)
            return PublishReleased(packet_id, given.reason_code, given.properties)
        state = self.incoming.state(packet_id)
        if state == NONE:
            self._answer_unknown(PUBCOMP, packet_id)
        elif state != PUBCOMP_DUE:
            raise protocol_error("MQTT-4.3.3-4", f"PUBREL for {packet_id} before our PUBREC")
        return None

    def _answer_unknown(self, kind: int, packet_id: int) -> None:
        """The peer remembers an exchange that we do not (§3.6.2.1, §3.7.2.1)."""
        self._writer.send(Acknowledgement(kind, packet_id, PACKET_IDENTIFIER_NOT_FOUND))

    # ---- sessions that outlive a connection

    def keep(self, sent: Iterable[int], received: Iterable[int]) -> None:
        """Identifiers that an earlier connection left: of our messages without PUBACK or
        PUBCOMP, and of the peer's QoS 2 messages that we took and that were not released.
        """
        self.outgoing.keep(sent)
        self.incoming.keep(received)

    def forget_kept(self) -> None:
        """The peer has lost the session, so there is nothing to go on with."""
        self.outgoing.forget_kept()
        self.incoming.forget_kept()
