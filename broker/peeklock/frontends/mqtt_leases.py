"""What a client has a share of: a queue's jobs, or the signals that wait for its session.

A lease is a receiver of the engine with what MQTT has to know of it.
"""

from typing import Final, final

from peeklock.engine.dispatch import Receiver
from peeklock.engine.signal_desk import Session
from peeklock.entities.listeners import QOS, RETAIN, Ear, Listener, named_under
from peeklock.entities.queue_index import Entry
from peeklock.limits import MQTT_PACKET_IDS_OF_SESSIONS
from peeklock.types import LockToken, SequenceNumber


@final
class Terms:
    """How one message of a lease is delivered."""

    __slots__ = ("identifiers", "qos", "retain", "topic_name")

    def __init__(
        self, topic_name: str, qos: int, retain: bool, identifiers: tuple[int, ...]
    ) -> None:
        self.topic_name: Final = topic_name
        self.qos: Final = qos
        self.retain: Final = retain
        self.identifiers: Final = identifiers


@final
class Lease:
    """One receiver; the engine has it as its receiver's `link`."""

    def __init__(
        self,
        qos: int,
        topic_name: str,
        session: Session | None = None,
        group: Listener | None = None,
        ear: Ear | None = None,
    ) -> None:
        self.qos: Final = qos  # 0: what is sent is gone
        self.topic_name: Final = topic_name  # of jobs; "": each message has its own
        self.session: Final = session  # whose own queue it is; None: others take from it, too
        self.group: Final = group  # of sessions that share a filter of signals
        self.ear: Final = ear  # what the group tells this member by
        self.identifiers: tuple[int, ...] = ()  # that the client gave it (§3.8.2.1.2)
        self.receiver: Receiver | None = None
        self.granted = 0  # credit that it was given, and that no message has come for yet
        self.done: list[LockToken] = []  # acknowledged, and to be completed in one go

    @property
    def is_live(self) -> bool:
        return self.receiver is not None and not self.receiver.closed

    @property
    def is_of_jobs(self) -> bool:
        return self.topic_name != ""

    def terms_of(self, entry: Entry) -> Terms:
        if self.is_of_jobs:
            return Terms(self.topic_name, self.qos, False, self.identifiers)
        topic_name, identifiers = named_under(entry.session_id or "")
        how = entry.priority
        if self.session is None:  # each member's own [MQTT-4.8.2-3]
            return Terms(topic_name, min(self.qos, how & QOS), False, self.identifiers)
        return Terms(topic_name, how & QOS, how & RETAIN != 0, identifiers)


@final
class Handed:
    """A message of a lease, which the client is to have now or when it takes more."""

    __slots__ = ("entry", "lease", "nonce")

    def __init__(self, lease: Lease, entry: Entry, nonce: bytes) -> None:
        self.lease: Final = lease
        self.entry: Final = entry
        self.nonce: Final = nonce

    @property
    def is_held(self) -> bool:
        lock = self.entry.lock
        return self.lease.is_live and lock is not None and lock.nonce == self.nonce

    @property
    def token(self) -> LockToken:
        return LockToken(self.nonce + self.entry.number.to_bytes(8, "big"))


@final
class UnderWay:
    """A message that the client has not acknowledged."""

    __slots__ = ("lease", "number", "token")

    def __init__(self, handed: Handed) -> None:
        self.lease: Final = handed.lease
        self.number: Final = handed.entry.number
        self.token: Final = handed.token


def packet_id_of(number: SequenceNumber) -> int:
    """Of a signal in a session's queue: the same on each connection, so nobody keeps it.

    Another one has it after so many signals as there are; it waits until this one is over.
    """
    return (number - 1) % MQTT_PACKET_IDS_OF_SESSIONS + 1
