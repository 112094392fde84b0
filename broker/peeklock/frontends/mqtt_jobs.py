"""Jobs that a client takes by subscriptions to `$queue/<name>`: receivers, credit, settlement.

A job of a subscription with QoS 1 or 2 is held under a lock until PUBACK or PUBREC: that
completes it, or with a reason code from 0x80 on dead-letters it. PUBREL leaves when the
completion is durable, so what a client has heard to be released does not come again. With QoS 0
a job is gone when it is sent. What a client holds is free at once when it unsubscribes, or is
cut off.
"""

from collections import deque
from typing import Final, final

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Peer
from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import COMPLETE, Disposition, Verdict
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.errors import ProtocolViolation, QuotaExceeded
from peeklock.frontends.amqp_outcomes import cut
from peeklock.frontends.mqtt_message import payload_of
from peeklock.frontends.mqtt_topics import topic_name_of
from peeklock.limits import MQTT_QOS_0_CREDIT, MQTT_SUBSCRIPTIONS_MAX
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import PublishAcknowledged, PublishRecorded
from peeklock.protocols.mqtt.message_flow import TOO_LARGE
from peeklock.protocols.mqtt.properties import REASON_STRING
from peeklock.protocols.mqtt.reason_codes import (
    FAILURE,
    IMPLEMENTATION_SPECIFIC_ERROR,
    PACKET_TOO_LARGE,
    UNSPECIFIED_ERROR,
)
from peeklock.store.journal import MessageDamaged
from peeklock.types import NEVER, LockToken, UnixMs


@final
class JobSubscription:
    """A topic filter by which a client takes from a queue. It is its receiver's `link`."""

    def __init__(self, qos: int, topic_name: str) -> None:
        self.qos: Final = qos
        self.topic_name: Final = topic_name
        self.identifiers: tuple[int, ...] = ()  # that the client gave it (§3.8.2.1.2)
        self.receiver: Receiver | None = None
        self.granted = 0  # credit that it was given, and that no message has come for yet
        self.done: list[LockToken] = []  # acknowledged, and to be completed in one go

    @property
    def is_live(self) -> bool:
        return self.receiver is not None and not self.receiver.closed


@final
class HeldBack:
    """A job that came when the client took no more: it is the next."""

    __slots__ = ("entry", "nonce", "subscription")

    def __init__(self, subscription: JobSubscription, entry: Entry, nonce: bytes) -> None:
        self.subscription: Final = subscription
        self.entry: Final = entry
        self.nonce: Final = nonce

    @property
    def is_held(self) -> bool:
        lock = self.entry.lock
        return self.subscription.is_live and lock is not None and lock.nonce == self.nonce


@final
class Jobs:
    """Of one connection."""

    def __init__(self, engine: Engine, peer: Peer, connection: Connection) -> None:
        self._engine: Final = engine
        self._peer: Final = peer
        self._connection: Final = connection
        self._subscriptions: Final[dict[str, JobSubscription]] = {}  # by topic filter
        self._under_way: Final[dict[int, tuple[JobSubscription, LockToken]]] = {}
        self._held_back: Final[deque[HeldBack]] = deque()
        self._is_due = False  # `settle_up` has something to do
        self._writable = True

    # ---- subscribing

    def subscribe(
        self,
        topic_filter: str,
        qos: int,
        queue: Queue,
        identifiers: tuple[int, ...],
        now: UnixMs,
    ) -> None:
        """One more, or one in the place of another [MQTT-3.8.4-3]; raises `BrokerError`."""
        before = self._subscriptions.get(topic_filter)
        if before is None and len(self._subscriptions) >= MQTT_SUBSCRIPTIONS_MAX:
            raise QuotaExceeded(
                f"more than {MQTT_SUBSCRIPTIONS_MAX} subscriptions of one connection"
            )
        if before is not None and before.qos == qos and before.is_live:
            before.identifiers = identifiers
            return
        mode = ReceiveMode.PEEK_LOCK if qos else ReceiveMode.RECEIVE_AND_DELETE
        subscription = JobSubscription(qos, topic_name_of(queue))
        subscription.identifiers = identifiers
        subscription.receiver = self._engine.attach(self._peer, subscription, queue, mode)
        subscription.receiver.blocked = not self._writable
        if before is not None:
            self.unsubscribe(topic_filter, now)
        self._subscriptions[topic_filter] = subscription
        if qos == 0:
            self._engine.set_credit(subscription.receiver, MQTT_QOS_0_CREDIT, draining=False)
        self._is_due = True

    def unsubscribe(self, topic_filter: str, now: UnixMs) -> bool:
        """What it holds is free at once. `False`: there was none."""
        subscription = self._subscriptions.pop(topic_filter, None)
        if subscription is None:
            return False
        self._complete(subscription, now)
        if subscription.receiver is not None:
            self._engine.detach(subscription.receiver, now)
        self._is_due = True
        return True

    def end(self, now: UnixMs) -> None:
        """The connection is gone."""
        for topic_filter in list(self._subscriptions):
            self.unsubscribe(topic_filter, now)
        self._held_back.clear()
        self._under_way.clear()

    def set_writable(self, writable: bool) -> None:
        """A client that does not read is not handed more."""
        self._writable = writable
        for subscription in self._subscriptions.values():
            if subscription.receiver is not None and subscription.is_live:
                self._engine.set_blocked(subscription.receiver, not writable)

    # ---- jobs out

    def on_deliver(self, effect: Deliver, now: UnixMs) -> None:
        receiver = effect.receiver
        subscription = receiver.link
        assert isinstance(subscription, JobSubscription)
        subscription.granted -= len(effect.entries)
        if receiver.closed:
            return
        for entry in effect.entries:
            job = HeldBack(subscription, entry, effect.nonce)
            if subscription.qos and (self._held_back or not self._connection.messages.quota):
                self._held_back.append(job)
            else:
                self._send(job, now)
        if subscription.qos == 0:
            credit = receiver.credit + len(effect.entries)
            self._engine.set_credit(receiver, credit, draining=False)

    def _send(self, job: HeldBack, now: UnixMs) -> None:
        connection = self._connection
        subscription = job.subscription
        receiver = subscription.receiver
        assert receiver is not None
        entry = job.entry
        try:
            message = self._engine.message_of(entry)
            payload, found = payload_of(entry, message, now)
        except MessageDamaged:
            self._engine.give_up(receiver.queue, entry, job.nonce)
            self._is_due = True
            return
        except OSError as error:
            connection.disconnect(UNSPECIFIED_ERROR, f"the journal cannot be read: {error}")
            return
        except ProtocolViolation as violation:  # nobody has looked into it when it came
            self._dead_letter(job, IMPLEMENTATION_SPECIFIC_ERROR, str(violation), now)
            return
        if subscription.identifiers:
            found = found.with_subscriptions(subscription.identifiers)
        packet_id = connection.messages.publish(
            subscription.topic_name, payload, subscription.qos, False, found
        )
        if packet_id == TOO_LARGE:  # a signal may be dropped for it [MQTT-3.1.2-25]; no job
            what = f"message {entry.number} is larger than the client's packets may be"
            self._dead_letter(job, PACKET_TOO_LARGE, what, now)
        elif packet_id > 0:
            self._under_way[packet_id] = (subscription, token_of(job))

    def _dead_letter(self, job: HeldBack, code: int, what: str, now: UnixMs) -> None:
        """A job that this client cannot be given would stand before all others for good."""
        receiver = job.subscription.receiver
        self._is_due = True
        if job.subscription.qos and receiver is not None:
            disposition = dead_letter(code, what)
            self._engine.settle(
                receiver, 0, [token_of(job)], disposition, None, now, settled=True
            )

    # ---- what becomes of them

    def on_acknowledged(self, event: PublishAcknowledged, now: UnixMs) -> None:
        """PUBACK, or a PUBREC that refuses: the exchange is over."""
        self._is_due = True
        found = self._under_way.pop(event.packet_id, None)
        if found is None:
            return
        subscription, token = found
        if event.reason_code < FAILURE:
            subscription.done.append(token)
        elif subscription.is_live and subscription.receiver is not None:
            why = dead_letter(event.reason_code, event.properties.text(REASON_STRING) or "")
            receiver = subscription.receiver
            self._engine.settle(receiver, 0, [token], why, None, now, settled=True)

    def on_recorded(self, event: PublishRecorded, now: UnixMs) -> None:
        """PUBREC: the client has the job. PUBREL waits until that is durable."""
        found = self._under_way.pop(event.packet_id, None)
        subscription = None if found is None else found[0]
        if found is None or subscription is None or not subscription.is_live:
            self.release(event.packet_id)
            return
        receiver = subscription.receiver
        assert receiver is not None
        self._engine.settle(
            receiver, event.packet_id, [found[1]], COMPLETE, None, now, settled=False
        )

    def release(self, packet_id: int) -> None:
        """Also where the lock was lost: MQTT has no word for that, and it has to end."""
        self._connection.messages.release(packet_id)

    def free_quota(self) -> None:
        """PUBCOMP has come: the client takes one more."""
        self._is_due = True

    # ---- credit

    def settle_up(self, now: UnixMs) -> None:
        """After each batch of what the client said: complete, send what waits, take more."""
        if not self._is_due or self._connection.closed:
            return
        self._is_due = False
        for subscription in self._subscriptions.values():
            self._complete(subscription, now)
        waiting = self._held_back
        while waiting and self._connection.messages.quota:
            job = waiting.popleft()
            if job.is_held:
                self._send(job, now)
        self._share_credit()

    def _complete(self, subscription: JobSubscription, now: UnixMs) -> None:
        done = subscription.done
        if done and subscription.is_live and subscription.receiver is not None:
            receiver = subscription.receiver
            self._engine.settle(receiver, 0, done, COMPLETE, None, now, settled=True)
        if done:
            subscription.done = []

    def _share_credit(self) -> None:
        """The client's receive maximum, evenly; each has one at least, while there is any.

        So a queue with jobs never waits for one without; what then comes too much is held back.
        """
        sharing = [
            (one, one.receiver)
            for one in self._subscriptions.values()
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


def token_of(job: HeldBack) -> LockToken:
    return LockToken(job.nonce + job.entry.number.to_bytes(8, "big"))


def dead_letter(code: int, what: str) -> Disposition:
    """The reason code is the reason, its text the description: as an AMQP error's two."""
    return Disposition(Verdict.DEAD_LETTER, NEVER, f"mqtt:0x{code:02x}", cut(what))
