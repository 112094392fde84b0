"""`$SYS/broker/…`: what people expect a broker to tell of itself, by Mosquitto's names.

Nothing of it is a signal: no topic keeps it, no journal has it, and nobody can publish it. A
subscription is granted QoS 0. It is told what its filter matches at once, with RETAIN, and then
what has changed, every `MQTT_SYSTEM_INTERVAL`; while nobody asks, nothing is looked up. As
[MQTT-4.7.2-1] has it, a filter that begins with a wildcard does not match these.
"""

from collections.abc import Callable
from typing import Final, Protocol, cast, final

from peeklock.engine.effects import Overheard, Peer
from peeklock.engine.engine import Engine
from peeklock.entities.arrivals import Heard, NamedSignal
from peeklock.entities.listeners import Hearing, Listener, Wanted
from peeklock.entities.topic_filter import is_match
from peeklock.frontends.mqtt_load import LoadAverages
from peeklock.frontends.mqtt_system_topics import Counters, loads_of, system_topics
from peeklock.limits import MQTT_SYSTEM_INTERVAL
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, encode_bare
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.types import NEVER, UnixMs


class Counted(Protocol):
    """A client that is let in."""

    @property
    def traffic(self) -> Traffic:
        """So far."""
        ...

    @property
    def in_flight_count(self) -> int:
        """QoS 1 and 2 messages that it has not acknowledged."""
        ...


@final
class SystemTopics:
    """Of one broker: who is here, and who wants to be told."""

    def __init__(
        self,
        engine: Engine,
        version: str,
        uptime_ms: Callable[[], int],
        memory: Callable[[], tuple[int, int]],
    ) -> None:
        """`memory`: how many bytes the process has, and had at most; 0: nobody knows."""
        self._engine: Final = engine
        self._version: Final = version
        self._uptime_ms: Final = uptime_ms
        self._memory: Final = memory
        self.connect_count = 0  # CONNECT packets so far
        self.socket_count = 0  # connections so far
        self._here: Final[dict[Counted, Listener]] = {}
        self._here_most = 0
        self._gone: Final = Traffic()  # of those that were here
        self._loads: LoadAverages | None = None  # nobody has asked yet
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
        for name, text in self._topics().items():
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
        values = self._topics()
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

    def _topics(self) -> dict[str, str]:
        found = self.counters()
        counts = list(loads_of(found).values())
        if self._loads is None:
            self._loads = LoadAverages(len(counts))
        return system_topics(found, self._loads.look(counts, found.uptime_ms))

    def counters(self) -> Counters:
        """As of now; a look at all clients and queues."""
        namespace = self._engine.namespace
        traffic = Traffic()
        traffic.add(self._gone)
        traffic.publishes_dropped += namespace.listeners.lost_count
        subscription_count = 0
        in_flight_count = 0
        for client, listener in self._here.items():
            traffic.add(client.traffic)
            in_flight_count += client.in_flight_count
            subscription_count += len(listener.wanted)
        away_count = 0
        for link in namespace.links.sessions.values():
            away = namespace.listeners.by_queue.get(link.entity_id)
            if away is not None and not away.is_here:
                away_count += 1
                subscription_count += len(away.wanted)
        kept = [topic.last_values for topic in namespace.topics()]
        last_value_count = sum([len(one.entries) for one in kept])
        queues = namespace.by_id.values()
        memory_bytes, memory_bytes_most = self._memory()
        return Counters(
            version=self._version,
            uptime_ms=self._uptime_ms(),
            connected_count=len(self._here),
            connected_most=self._here_most,
            away_count=away_count,
            subscription_count=subscription_count,
            lapsed_count=self._engine.sessions_lapsed,
            connect_count=self.connect_count,
            socket_count=self.socket_count,
            shared_count=namespace.listeners.shared_count,
            last_value_count=last_value_count,
            in_flight_count=in_flight_count,
            stored_count=last_value_count + sum([len(queue.entries) for queue in queues]),
            stored_bytes=sum([one.size_bytes for one in kept])
            + sum([queue.size_bytes for queue in queues]),
            memory_bytes=memory_bytes,
            memory_bytes_most=memory_bytes_most,
            traffic=traffic,
        )


def signal_of(name: str, text: str, now: UnixMs) -> NamedSignal:
    bare = encode_bare(None, None, DataBody([text.encode()]))
    return NamedSignal(name, Message(bare), now, NEVER)
