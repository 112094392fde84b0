"""`$SYS/broker/…`: what people expect a broker to tell of itself, by Mosquitto's names.

Nothing of it is a signal: no topic keeps it, no journal has it, and nobody can publish it. A
subscription is granted QoS 0. It is told what its filter matches at once, with RETAIN, and then
what has changed, every `MQTT_SYSTEM_INTERVAL`; while nobody asks, nothing is looked up. As
[MQTT-4.7.2-1] has it, a filter that begins with a wildcard does not match these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast, final

from peeklock.engine.effects import Overheard, Peer
from peeklock.engine.engine import Engine
from peeklock.entities.arrivals import Heard, NamedSignal
from peeklock.entities.listeners import Hearing, Listener, Wanted
from peeklock.entities.topic_filter import is_match
from peeklock.limits import MQTT_SYSTEM_INTERVAL
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, encode_bare
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.types import NEVER, UnixMs


@dataclass(frozen=True)
class Counters:
    """Of MQTT, but for last values: those of all topics, however they came."""

    version: str
    uptime_ms: int
    connected_count: int  # clients that are let in
    connected_most: int  # of them at one time, so far
    away_count: int  # sessions that are kept, and whose clients are not here
    subscription_count: int  # of clients that are here, and of those kept sessions
    last_value_count: int
    traffic: Traffic  # of clients that were let in


def system_topics(found: Counters) -> dict[str, str]:
    """Each topic name with its value."""
    traffic = found.traffic
    values: dict[str, object] = {
        "version": f"peeklock {found.version}",
        "uptime": f"{found.uptime_ms // 1000} seconds",
        "clients/connected": found.connected_count,
        "clients/disconnected": found.away_count,
        "clients/total": found.connected_count + found.away_count,
        "clients/maximum": found.connected_most,
        "subscriptions/count": found.subscription_count,
        "retained messages/count": found.last_value_count,
        "messages/received": traffic.packets_received,
        "messages/sent": traffic.packets_sent,
        "publish/messages/received": traffic.publishes_received,
        "publish/messages/sent": traffic.publishes_sent,
        "bytes/received": traffic.bytes_received,
        "bytes/sent": traffic.bytes_sent,
    }
    return {f"$SYS/broker/{name}": str(value) for name, value in values.items()}


class Counted(Protocol):
    """A client's connection."""

    @property
    def traffic(self) -> Traffic:
        """So far."""
        ...


@final
class SystemTopics:
    """Of one broker: who is here, and who wants to be told."""

    def __init__(self, engine: Engine, version: str, uptime_ms: Callable[[], int]) -> None:
        self._engine: Final = engine
        self._version: Final = version
        self._uptime_ms: Final = uptime_ms
        self._here: Final[dict[Counted, Listener]] = {}
        self._here_most = 0
        self._gone: Final = Traffic()  # of those that were here
        self._told: dict[str, str] = {}  # at the last look
        self._is_watching = False

    def enter(self, client: Counted, listener: Listener) -> None:
        self._here[client] = listener
        self._here_most = max(self._here_most, len(self._here))

    def leave(self, client: Counted) -> None:
        if self._here.pop(client, None) is not None:
            self._gone.add(client.traffic)

    def tell(self, topic_filter: str, wanted: Wanted, now: UnixMs) -> None:
        """All that a new subscription matches, as retained messages."""
        for name, text in system_topics(self._counters()).items():
            if is_match(topic_filter, name):
                hearing = Hearing(wanted.listener)
                hearing.retain = True
                hearing.identifiers = wanted.identifiers
                self._send(signal_of(name, text, now), hearing)
        self.watch(now)

    def watch(self, now: UnixMs) -> None:
        """Somebody is here who wants to be told of changes."""
        if not self._is_watching:
            self._is_watching = True
            self._engine.alarms.set(UnixMs(now + MQTT_SYSTEM_INTERVAL), self._look)

    def _look(self, now: UnixMs) -> None:
        self._is_watching = False
        listeners = self._engine.namespace.listeners
        values = system_topics(self._counters())
        told = self._told
        self._told = values
        for name, text in values.items():
            hearings = listeners.hearings(name, None)
            if not hearings:
                continue
            self.watch(now)
            if told.get(name) != text:
                signal = signal_of(name, text, now)
                for hearing in hearings:
                    self._send(signal, hearing)

    def _send(self, signal: NamedSignal, hearing: Hearing) -> None:
        ear = hearing.listener.next_ear()
        if ear is not None:
            told = Overheard(cast(Peer, ear.peer), Heard(signal, hearing))
            self._engine.outbox.release_now(told)

    def _counters(self) -> Counters:
        namespace = self._engine.namespace
        traffic = Traffic()
        traffic.add(self._gone)
        subscription_count = 0
        for client, listener in self._here.items():
            traffic.add(client.traffic)
            subscription_count += len(listener.wanted)
        away_count = 0
        for link in namespace.links.sessions.values():
            kept = namespace.listeners.by_queue.get(link.entity_id)
            if kept is not None and not kept.is_here:
                away_count += 1
                subscription_count += len(kept.wanted)
        kept_values = [len(topic.last_values.entries) for topic in namespace.topics()]
        return Counters(
            version=self._version,
            uptime_ms=self._uptime_ms(),
            connected_count=len(self._here),
            connected_most=self._here_most,
            away_count=away_count,
            subscription_count=subscription_count,
            last_value_count=sum(kept_values),
            traffic=traffic,
        )


def signal_of(name: str, text: str, now: UnixMs) -> NamedSignal:
    bare = encode_bare(None, None, DataBody([text.encode()]))
    return NamedSignal(name, Message(bare), now, NEVER)
