"""Everything that a client is sent, and what becomes of it: leases, credit, settlement.

A job of a subscription with QoS 1 or 2 is held under a lock until PUBACK or PUBREC: that
completes it, or with a reason code from 0x80 on dead-letters it. PUBREL leaves when the
completion is durable, so what a client has heard to be released does not come again. With QoS 0
a job is gone when it is sent. What a client holds is free at once when it unsubscribes, or is
cut off.

Signals that wait for a kept session are held in the same way, in the session's own queue, so
that they come again on its next connection. What is stored nowhere is in mqtt_overhearing.py.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, final

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Overheard, Peer, Settled
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import RELEASED, Session, SignalDesk
from peeklock.entities.arrivals import Heard
from peeklock.entities.dispositions import ABANDON, COMPLETE, Disposition, Verdict
from peeklock.entities.listeners import Ear, Hearing, Listener, Wanted
from peeklock.entities.queue import Queue
from peeklock.errors import ProtocolViolation
from peeklock.frontends.amqp_outcomes import cut
from peeklock.frontends.mqtt_leases import Handed, Lease, Terms, UnderWay, packet_id_of
from peeklock.frontends.mqtt_message import payload_of
from peeklock.frontends.mqtt_overhearing import Overhearing
from peeklock.frontends.mqtt_retained import Retained
from peeklock.frontends.mqtt_topics import topic_name_of
from peeklock.limits import MQTT_QOS_0_CREDIT
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import PublishAcknowledged, PublishRecorded
from peeklock.protocols.mqtt.message_flow import NO_QUOTA, TOO_LARGE
from peeklock.protocols.mqtt.properties import REASON_STRING, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import (
    FAILURE,
    IMPLEMENTATION_SPECIFIC_ERROR,
    PACKET_TOO_LARGE,
    UNSPECIFIED_ERROR,
)
from peeklock.store.journal import MessageDamaged
from peeklock.types import NEVER, LockToken, UnixMs

OWN: Final = ""  # the session's own lease: no topic filter is empty


@final
class Deliveries:
    """Of one connection."""

    def __init__(
        self, engine: Engine, desk: SignalDesk, peer: Peer, connection: Connection
    ) -> None:
        self._engine: Final = engine
        self._desk: Final = desk
        self._peer: Final = peer
        self._connection: Final = connection
        self._overhearing: Final = Overhearing(connection)
        self._retained: Final = Retained(engine, desk, peer, self._overhearing)
        self._leases: Final[dict[str, Lease]] = {}  # by topic filter
        self._under_way: Final[dict[int, UnderWay]] = {}
        self._held_back: Final[deque[Handed]] = deque()
        self._session: Session | None = None  # if it is kept
        self._is_due = False  # `settle_up` has something to do
        self._dropped_count = 0

    @property
    def dropped_count(self) -> int:
        """Messages that the client was not sent, and that nobody else is."""
        return self._dropped_count + self._overhearing.dropped_count

    def hear_only(self, may_hear: Callable[[str], bool]) -> None:
        """Signals of these topic names."""
        self._overhearing.may_hear = may_hear

    # ---- what the client has a share of

    def resume(self, session: Session) -> None:
        """Go on with what is kept of a session: releases first, then what waits for it."""
        self._session = session
        self._retained.session = session
        for packet_id in session.packet_ids(RELEASED):
            self._connection.messages.redeliver_release(packet_id)  # [MQTT-4.4.0-1]
        lease = Lease(2, "", session)
        self._attach(OWN, lease, session.queue, ReceiveMode.PEEK_LOCK)

    def take_jobs(
        self,
        topic_filter: str,
        qos: int,
        queue: Queue,
        identifiers: tuple[int, ...],
        now: UnixMs,
    ) -> None:
        """A share of a queue, or another in the place of one [MQTT-3.8.4-3]; raises
        `BrokerError`."""
        queue.check_handing_out()
        self._take(topic_filter, Lease(qos, topic_name_of(queue)), queue, identifiers, now)

    def join(
        self,
        topic_filter: str,
        qos: int,
        group: Listener,
        identifiers: tuple[int, ...],
        now: UnixMs,
    ) -> None:
        """A share of the signals of a group; what of them is not stored, in turn."""
        assert group.queue is not None
        lease = Lease(qos, "", group=group, ear=Ear(self._peer))
        self._take(topic_filter, lease, group.queue, identifiers, now)

    def _take(
        self,
        topic_filter: str,
        lease: Lease,
        queue: Queue,
        identifiers: tuple[int, ...],
        now: UnixMs,
    ) -> None:
        before = self._leases.get(topic_filter)
        if before is not None and before.qos == lease.qos and before.is_live:
            before.identifiers = identifiers
            return
        lease.identifiers = identifiers
        if before is not None:
            self.give_up(topic_filter, now)
        mode = ReceiveMode.PEEK_LOCK if lease.qos else ReceiveMode.RECEIVE_AND_DELETE
        self._attach(topic_filter, lease, queue, mode)
        if lease.group is not None and lease.ear is not None:
            lease.group.hear_by(lease.ear)

    def _attach(self, name: str, lease: Lease, queue: Queue, mode: ReceiveMode) -> None:
        lease.receiver = self._engine.attach(self._peer, lease, queue, mode)
        lease.receiver.blocked = not self._overhearing.writable
        self._leases[name] = lease
        if mode is ReceiveMode.RECEIVE_AND_DELETE:
            self._engine.set_credit(lease.receiver, MQTT_QOS_0_CREDIT, draining=False)
        self._is_due = True

    def give_up(self, topic_filter: str, now: UnixMs) -> None:
        """What it holds is free at once. What was sent of a session counts as tried, and
        comes again with DUP."""
        lease = self._leases.pop(topic_filter, None)
        if lease is None:
            return
        self._complete(lease, now)
        if lease.group is not None and lease.ear is not None:
            lease.group.unhear(lease.ear)
        receiver = lease.receiver
        if receiver is not None:
            tried = [one.token for one in self._under_way.values() if one.lease is lease]
            if lease.session is not None and tried and lease.is_live:
                self._engine.settle(receiver, 0, tried, ABANDON, None, now, settled=True)
            self._engine.detach(receiver, now)
        self._is_due = True

    def end(self, now: UnixMs) -> None:
        """The connection is gone."""
        for topic_filter in list(self._leases):
            self.give_up(topic_filter, now)
        self._held_back.clear()
        self._under_way.clear()
        self._overhearing.end()
        self._retained.end()

    def set_writable(self, writable: bool) -> None:
        """A client that does not read is not handed more."""
        self._overhearing.writable = writable
        for lease in self._leases.values():
            if lease.receiver is not None and lease.is_live:
                self._engine.set_blocked(lease.receiver, not writable)
        self._is_due = self._is_due or writable

    # ---- out

    def on_heard(self, effect: Overheard, now: UnixMs) -> None:
        heard = effect.heard
        group = heard.hearing.listener.group
        if group:  # beside its own subscriptions, each with its identifier [MQTT-3.3.4-5]
            lease = self._leases.get(group)
            if lease is None:
                return  # it has left meanwhile
            hearing = Hearing(heard.hearing.listener)
            hearing.identifiers = lease.identifiers
            heard = Heard(heard.signal, hearing)
        self._overhearing.on_heard(heard, now)

    def send_retained(self, topic_filter: str, wanted: Wanted, now: UnixMs) -> None:
        """Of signals that are kept as last values, what this filter matches."""
        self._retained.look_for(topic_filter, wanted, now)

    def on_deliver(self, effect: Deliver, now: UnixMs) -> None:
        receiver = effect.receiver
        lease = receiver.link
        assert isinstance(lease, Lease)
        lease.granted -= len(effect.entries)
        if receiver.closed:
            return
        for entry in effect.entries:
            handed = Handed(lease, entry, effect.nonce)
            # One after the other, as they were published [MQTT-4.6.0-5] [MQTT-4.6.0-6].
            waits = self._held_back or not self._connection.messages.quota
            if lease.qos and (waits or not self._send(handed, now)):
                self._held_back.append(handed)
            elif lease.qos == 0:
                self._send(handed, now)
        if lease.qos == 0:
            credit = receiver.credit + len(effect.entries)
            self._engine.set_credit(receiver, credit, draining=False)

    def _send(self, handed: Handed, now: UnixMs) -> bool:
        """False: it has to wait."""
        connection = self._connection
        lease = handed.lease
        receiver = lease.receiver
        assert receiver is not None
        entry = handed.entry
        terms = lease.terms_of(entry)
        if lease.session is not None and not self._may_hear(terms.topic_name):
            lease.done.append(handed.token)
            self._is_due = True
            return True
        try:
            message = self._engine.message_of(entry)
            payload, found = payload_of(entry, message, now, is_v5=connection.is_v5)
        except MessageDamaged:
            self._engine.give_up(receiver.queue, entry, handed.nonce)
            self._is_due = True
            return True
        except OSError as error:
            connection.disconnect(UNSPECIFIED_ERROR, f"the journal cannot be read: {error}")
            return True
        except ProtocolViolation as violation:  # nobody has looked into it when it came
            self._undeliverable(handed, IMPLEMENTATION_SPECIFIC_ERROR, str(violation), now)
            return True
        if terms.identifiers:
            found = found.with_subscriptions(terms.identifiers)
        if lease.session is not None:
            packet_id = self._deliver(handed, terms, payload, found)
        else:
            packet_id = connection.messages.publish(
                terms.topic_name, payload, terms.qos, terms.retain, found
            )
        if packet_id == NO_QUOTA:
            return False
        if packet_id == TOO_LARGE:
            what = f"message {entry.number} is larger than the client's packets may be"
            self._undeliverable(handed, PACKET_TOO_LARGE, what, now)
        elif packet_id > 0:
            self._under_way[packet_id] = UnderWay(handed)
        return True

    def _may_hear(self, topic_name: str) -> bool:
        may_hear = self._overhearing.may_hear
        return may_hear is None or may_hear(topic_name)

    def _deliver(self, handed: Handed, terms: Terms, payload: bytes, found: Properties) -> int:
        """A signal of the session's own queue, under the identifier that it always has."""
        entry = handed.entry
        packet_id = packet_id_of(entry.number)
        before = self._under_way.get(packet_id)
        if before is not None and before.number == entry.number:
            return packet_id  # it is there still; only its lock has run out, after a day
        publish = Publish(
            *(terms.topic_name, payload, terms.qos, terms.retain),
            *(entry.delivery_count > 0, packet_id, found),
        )
        return self._connection.messages.deliver(publish)

    def _undeliverable(self, handed: Handed, code: int, what: str, now: UnixMs) -> None:
        """This client cannot be given it, and it would stand before all others for good.

        A job is a dead letter; a signal is dropped, as if it had been sent [MQTT-3.1.2-25].
        """
        lease = handed.lease
        self._is_due = True
        if lease.qos == 0 or lease.receiver is None:
            self._dropped_count += 1
        elif lease.is_of_jobs:
            self._settle(lease.receiver, handed.token, dead_letter(code, what), now)
        else:
            self._dropped_count += 1
            lease.done.append(handed.token)

    def _settle(
        self, receiver: Receiver, token: LockToken, disposition: Disposition, now: UnixMs
    ) -> None:
        self._engine.settle(receiver, 0, [token], disposition, None, now, settled=True)

    # ---- what becomes of them

    def on_acknowledged(self, event: PublishAcknowledged, now: UnixMs) -> None:
        """PUBACK, or a PUBREC that refuses: the exchange is over. A signal is not told to
        anybody else for it [MQTT-4.8.2-6]."""
        self._is_due = True
        found = self._under_way.pop(event.packet_id, None)
        if found is None:
            return
        lease = found.lease
        if event.reason_code < FAILURE or not lease.is_of_jobs:
            lease.done.append(found.token)
        elif lease.is_live and lease.receiver is not None:
            why = dead_letter(event.reason_code, event.properties.text(REASON_STRING) or "")
            self._settle(lease.receiver, found.token, why, now)

    def on_recorded(self, event: PublishRecorded, now: UnixMs) -> None:
        """PUBREC: the client has it. PUBREL waits until that is durable."""
        packet_id = event.packet_id
        found = self._under_way.pop(packet_id, None)
        lease = None if found is None else found.lease
        if found is None or lease is None or not lease.is_live:
            self.release(packet_id)
            return
        if lease.session is not None:
            lsn = self._desk.hand_over(lease.session, packet_id, found.number)
            self._engine.outbox.hold(lsn, Settled(self._peer, lease, packet_id, 1, None))
            return
        receiver = lease.receiver
        assert receiver is not None
        self._engine.settle(
            receiver, packet_id, [found.token], COMPLETE, None, now, settled=False
        )

    def release(self, packet_id: int) -> None:
        """Also where the lock was lost: MQTT has no word for that, and it has to end."""
        self._connection.messages.release(packet_id)

    def on_completed(self, packet_id: int) -> None:
        """PUBCOMP has come: the client takes one more."""
        self._is_due = True
        if self._session is not None:
            self._desk.confirm(self._session, packet_id)

    # ---- credit

    def settle_up(self, now: UnixMs) -> None:
        """After each batch of what the client said: complete, send what waits, take more."""
        if not self._is_due or self._connection.closed:
            return
        self._is_due = False
        for lease in self._leases.values():
            self._complete(lease, now)
        waiting = self._held_back
        while waiting and self._connection.messages.quota:
            handed = waiting.popleft()
            if handed.is_held and not self._send(handed, now):
                waiting.appendleft(handed)
                break
        self._overhearing.go_on(now)
        self._retained.go_on(now)
        self._share_credit()

    def _complete(self, lease: Lease, now: UnixMs) -> None:
        done = lease.done
        if done and lease.is_live and lease.receiver is not None:
            receiver = lease.receiver
            self._engine.settle(receiver, 0, done, COMPLETE, None, now, settled=True)
        if done:
            lease.done = []

    def _share_credit(self) -> None:
        """The client's receive maximum, evenly; each has one at least, while there is any.

        So a queue with jobs never waits for one without; what then comes too much is held back.
        """
        sharing = [
            (one, one.receiver)
            for one in self._leases.values()
            if one.qos and one.receiver is not None and one.is_live
        ]
        if not sharing:
            return
        untold = sum(one.granted - receiver.credit for one, receiver in sharing)
        idle = self._connection.messages.quota - untold - len(self._held_back)
        share = max(1, idle // len(sharing)) if idle > 0 else 0
        for one, receiver in sharing:
            if receiver.credit != share:
                one.granted += share - receiver.credit
                self._engine.set_credit(receiver, share, draining=False)


def dead_letter(code: int, what: str) -> Disposition:
    """The reason code is the reason, its text the description: as an AMQP error's two."""
    return Disposition(Verdict.DEAD_LETTER, NEVER, f"mqtt:0x{code:02x}", cut(what))
