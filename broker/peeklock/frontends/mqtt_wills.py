"""Wills (5.0 §3.1.2.5): looked at when a client comes, published when it has gone.

That of a session that is kept is in the journal, too: after a restart it is due in its time,
unless the client comes back before (docs/adr/0028). There it is a byte with MQTT's version, and
the PUBLISH that it would have been.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, final

from peeklock.engine.effects import Effect
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import PublishWill, SignalDesk
from peeklock.entities.facts import Fact
from peeklock.entities.kept_links import KeptLink
from peeklock.entities.listeners import Listener
from peeklock.entities.submission import Submission
from peeklock.errors import BrokerError
from peeklock.frontends.mqtt_message import submission_of_publish
from peeklock.frontends.mqtt_topics import Finder, Place
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connect, Will
from peeklock.protocols.mqtt.packets import encode_packet
from peeklock.protocols.mqtt.properties import WILL_DELAY_INTERVAL
from peeklock.protocols.mqtt.publish import Publish, read_publish
from peeklock.protocols.mqtt.reason_codes import MqttViolation
from peeklock.protocols.mqtt.varint import read_varint
from peeklock.security.principal import Principal
from peeklock.types import Millis, UnixMs

ANY_PACKET_ID: Final = 1


@final
class Nobody:
    """Who has left a will hears nothing of it."""

    def on_effect(self, effect: Effect) -> None:
        """There is none: a will is sent settled."""


@final
class LastWill:
    """One client's will, with what it takes to publish it."""

    def __init__(
        self, engine: Engine, finder: Finder, publish: Publish, *, is_v5: bool
    ) -> None:
        self._engine: Final = engine
        self._finder: Final = finder
        self._publish: Final = publish
        self._is_v5: Final = is_v5
        self.publisher: Listener | None = None  # its client's session, once it is there

    def check(self, now: UnixMs) -> None:
        """Raises what a PUBLISH of it would be refused with: now there is somebody to tell."""
        self._submission(now)

    def publish(self, now: UnixMs, beside: Sequence[Fact] = ()) -> None:
        """`beside` is of the same append. What is refused by now, nobody hears of."""
        try:
            place, given = self._submission(now)
        except BrokerError:
            return
        self._engine.send_all(
            Nobody(), None, 0, place.entity, [given], now, settled=True, beside=beside
        )

    def _submission(self, now: UnixMs) -> tuple[Place, Submission]:
        publish = self._publish
        place = self._finder.target(publish.topic_name, now)
        given = submission_of_publish(
            *(publish, place.subject, place.entity, self._engine.ids, now, self.publisher),
            is_v5=self._is_v5,
        )
        return place, given

    def kept(self) -> bytes:
        """For the journal."""
        version = MQTT_5_0 if self._is_v5 else MQTT_3_1_1
        return bytes((version,)) + encode_packet(self._publish, is_v5=self._is_v5)


def last_will_of(connect: Connect, engine: Engine, finder: Finder) -> LastWill | None:
    """Of a client that comes; None: it leaves none."""
    if connect.will is None:
        return None
    publish = publish_of(connect.will)
    return LastWill(engine, finder, publish, is_v5=connect.version == MQTT_5_0)


def delay_of(will: Will | None) -> Millis:
    return Millis(0 if will is None else 1000 * will.properties.number(WILL_DELAY_INTERVAL, 0))


def publish_of(will: Will) -> Publish:
    """A will is published as its client would have [MQTT-3.1.2-14] [MQTT-3.1.2-15]."""
    properties = will.properties.without(WILL_DELAY_INTERVAL)
    packet_id = ANY_PACKET_ID if will.qos else 0
    return Publish(
        will.topic_name, will.payload, will.qos, will.retain, False, packet_id, properties
    )


def last_will_in(kept: bytes, engine: Engine, finder: Finder) -> LastWill:
    """What `LastWill.kept` gave; raises `MqttViolation` for what is not taken any more."""
    is_v5 = kept[0] == MQTT_5_0
    found = read_varint(kept, 2, len(kept))
    assert found is not None
    publish = read_publish(kept[1], kept, found[1], len(kept), is_v5=is_v5)
    return LastWill(engine, finder, publish, is_v5=is_v5)


def resume_wills(
    engine: Engine, desk: SignalDesk, now: UnixMs, *, creates_queues: bool
) -> None:
    """After a restart. That its client might publish it was looked at when it came: its rights
    of now are not known before it comes again.
    """
    desk.resume_wills(partial(publisher_of, engine, creates_queues), now)


def publisher_of(engine: Engine, creates_queues: bool, link: KeptLink) -> PublishWill:
    finder = Finder(engine, Principal(link.key.user), creates=creates_queues)
    try:
        last_will = last_will_in(link.will, engine, finder)
    except MqttViolation:
        return let_go  # an earlier version took it; no reason not to start
    last_will.publisher = engine.namespace.listeners.by_queue.get(link.entity_id)
    return last_will.publish


def let_go(now: UnixMs, beside: Sequence[Fact]) -> None:
    """Publishes nothing."""
