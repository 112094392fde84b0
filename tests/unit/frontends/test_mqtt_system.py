"""`$SYS/`: which topics there are, and who is told of them when."""

import pytest

from peeklock.engine.effects import Overheard
from peeklock.engine.signal_desk import Session, SignalDesk
from peeklock.entities.listeners import Wanted
from peeklock.entities.submission import KEEP
from peeklock.frontends.mqtt_load import LoadAverages
from peeklock.frontends.mqtt_message import contents_of
from peeklock.frontends.mqtt_system import SystemTopics
from peeklock.frontends.mqtt_system_topics import (
    TOPICS,
    Counters,
    loads_of,
    system_topics,
)
from peeklock.limits import MQTT_SYSTEM_INTERVAL
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.types import NEVER, Millis
from tests.support.house import House, Recorder

WHAT = ("bytes", "packets", "publishes", "payload_bytes")


class Client:
    """A connection that has taken and sent so much."""

    def __init__(self, packets: int = 0) -> None:
        self.traffic = Traffic()
        self.traffic.packets_received = packets
        self.in_flight_count = 0


class Desk:
    """A house with clients."""

    def __init__(self) -> None:
        self.house = House()
        self.signals = SignalDesk(self.house.engine)
        self.uptime_ms = 0
        self.system = SystemTopics(
            self.house.engine, "1.2", lambda: self.uptime_ms, lambda: (1000, 2000)
        )

    def enter(self, client: Client, name: str, lifetime: int = 0) -> tuple[Session, Recorder]:
        peer = Recorder()
        session = self.signals.enter(
            peer, "user", name, Millis(lifetime), self.house.now, is_clean=False
        )
        self.system.enter(client, session.listener)
        return session, peer

    def subscribe(self, session: Session, topic_filter: str) -> None:
        wanted = Wanted(session.listener, 0, identifier=7)
        self.signals.listen(session, topic_filter, wanted, self.house.now)
        self.system.tell(topic_filter, wanted, self.house.now)

    def heard(self) -> dict[str, tuple[bytes, bool]]:
        """What everybody is told now: by topic name, the payload and RETAIN."""
        found = {}
        for effect in self.house.sync():
            if isinstance(effect, Overheard):
                signal, hearing = effect.heard.signal, effect.heard.hearing
                payload, _ = contents_of(signal.message.bare, signal.message, is_v5=True)
                assert (hearing.qos, hearing.identifiers) == (0, (7,))
                found[signal.topic_name] = (payload, hearing.retain)
        return found

    def wait(self) -> None:
        self.house.advance(MQTT_SYSTEM_INTERVAL)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_mosquitto_calls_them() -> None:
    traffic = Traffic()
    traffic.bytes_received, traffic.bytes_sent = 1, 2
    traffic.packets_received, traffic.packets_sent = 3, 4
    traffic.publishes_received, traffic.publishes_sent = 5, 6
    traffic.publishes_dropped = 12
    traffic.payload_bytes_received, traffic.payload_bytes_sent = 13, 14
    found = Counters(
        version="1.2", uptime_ms=61_999, connected_count=7, connected_most=9, away_count=2,
        lapsed_count=15, connect_count=16, socket_count=17, subscription_count=10,
        shared_count=18, last_value_count=11, in_flight_count=19, stored_count=20,
        stored_bytes=21, memory_bytes=22, memory_bytes_most=23, traffic=traffic,
    )  # fmt: skip
    loads = [[place + 0.125, place + 0.5, 0.0] for place in range(9)]
    values = system_topics(found, loads)
    assert {name: one for name, one in values.items() if "/load/" not in name} == {
        "$SYS/broker/version": "peeklock 1.2",
        "$SYS/broker/uptime": "61 seconds",
        "$SYS/broker/clients/connected": "7",
        "$SYS/broker/clients/disconnected": "2",
        "$SYS/broker/clients/total": "9",
        "$SYS/broker/clients/maximum": "9",
        "$SYS/broker/clients/expired": "15",
        "$SYS/broker/subscriptions/count": "10",
        "$SYS/broker/shared_subscriptions/count": "18",
        "$SYS/broker/retained messages/count": "11",
        "$SYS/broker/store/messages/count": "20",
        "$SYS/broker/store/messages/bytes": "21",
        "$SYS/broker/heap/current": "22",
        "$SYS/broker/heap/maximum": "23",
        "$SYS/broker/messages/received": "3",
        "$SYS/broker/messages/sent": "4",
        "$SYS/broker/messages/inflight": "19",
        "$SYS/broker/messages/stored": "20",
        "$SYS/broker/publish/messages/received": "5",
        "$SYS/broker/publish/messages/sent": "6",
        "$SYS/broker/publish/messages/dropped": "12",
        "$SYS/broker/publish/bytes/received": "13",
        "$SYS/broker/publish/bytes/sent": "14",
        "$SYS/broker/bytes/received": "1",
        "$SYS/broker/bytes/sent": "2",
    }
    assert values["$SYS/broker/load/messages/received/1min"] == "0.12"
    assert values["$SYS/broker/load/sockets/5min"] == "8.50"
    assert values["$SYS/broker/load/sockets/15min"] == "0.00"
    assert loads_of(found) == {
        "messages/received": 3, "messages/sent": 4, "publish/received": 5, "publish/sent": 6,
        "publish/dropped": 12, "bytes/received": 1, "bytes/sent": 2, "connections": 16,
        "sockets": 17,
    }  # fmt: skip
    described = [
        f"$SYS/broker/{name.replace('{1min,5min,15min}', ending)}"
        for name in (topic.name for topic in TOPICS)
        for ending in (("1min", "5min", "15min") if name.startswith("load/") else ("",))
    ]
    assert sorted(described) == sorted(values)


def test_traffic_adds_up() -> None:
    one, other = Traffic(), Traffic()
    names = [f"{what}_{way}" for what in WHAT for way in ("received", "sent")]
    names.append("publishes_dropped")
    assert set(names) == {name for name in dir(one) if name[0] != "_"} - {"add"}
    for number, name in enumerate(names):
        setattr(one, name, number)
        setattr(other, name, 10 * number)
    one.add(other)
    assert [getattr(one, name) for name in names] == [11 * place for place in range(len(names))]


class TestLoads:
    def test_nothing_yet(self) -> None:
        assert LoadAverages(1).look([0], 0) == [[0.0, 0.0, 0.0]]

    def test_a_steady_load_becomes_its_own_average(self) -> None:
        loads = LoadAverages(2)
        for seconds in range(10, 3610, 10):  # five a second, and nothing
            found = loads.look([5 * seconds, 0], 1000 * seconds)
        assert [round(one) for one in found[0]] == [300, 300, 295]  # 15 min remember the start
        assert found[1] == [0.0, 0.0, 0.0]

    def test_how_often_is_looked_makes_no_difference_to_an_even_load(self) -> None:
        often, once = LoadAverages(1), LoadAverages(1)
        for seconds in range(1, 121):
            found = often.look([7 * seconds], 1000 * seconds)
        assert found[0] == pytest.approx(once.look([7 * 120], 120_000)[0])

    def test_it_decays(self) -> None:
        loads = LoadAverages(1)
        first = list(loads.look([600], 10_000)[0])
        assert first == pytest.approx([552.6, 118.0, 39.8], abs=0.1)  # of 3600 a minute
        after = loads.look([600], 70_000)[0]
        assert after[0] == pytest.approx(first[0] / 2.71828, abs=0.01)
        assert after[1] == pytest.approx(first[1] / 2.71828 ** (1 / 5), abs=0.01)

    def test_two_looks_at_once(self) -> None:
        loads = LoadAverages(1)
        first = list(loads.look([600], 10_000)[0])
        assert loads.look([600], 10_000)[0] == first
        assert loads.look([900], 10_000)[0] == first  # it is told at the next look
        assert loads.look([900], 10_001)[0][0] > first[0]


def test_a_new_subscription_is_told_at_once_and_then_of_changes(desk: Desk) -> None:
    session, _peer = desk.enter(Client(), "a")
    desk.subscribe(session, "$SYS/broker/clients/+")
    assert desk.heard() == {
        "$SYS/broker/clients/connected": (b"1", True),
        "$SYS/broker/clients/disconnected": (b"0", True),
        "$SYS/broker/clients/total": (b"1", True),
        "$SYS/broker/clients/maximum": (b"1", True),
        "$SYS/broker/clients/expired": (b"0", True),
    }
    desk.wait()
    desk.heard()  # the first look has nothing to compare with
    desk.enter(Client(), "b")
    assert desk.heard() == {}
    desk.wait()
    assert desk.heard() == {
        "$SYS/broker/clients/connected": (b"2", False),
        "$SYS/broker/clients/total": (b"2", False),
        "$SYS/broker/clients/maximum": (b"2", False),
    }
    desk.wait()
    assert desk.heard() == {}


@pytest.mark.parametrize("topic_filter", ["#", "+/broker/version", "$SYS/broker/none"])
def test_filters_that_match_none_of_it(desk: Desk, topic_filter: str) -> None:
    session, _peer = desk.enter(Client(), "a")
    desk.subscribe(session, topic_filter)
    desk.uptime_ms = 5000
    desk.wait()
    assert desk.heard() == {}
    assert desk.house.engine.next_deadline() == NEVER  # and nobody looks again


def test_nobody_looks_while_nobody_asks(desk: Desk) -> None:
    """A kept session's filter is there while its client is away, and asks nothing then."""
    client = Client()
    session, _peer = desk.enter(client, "a", lifetime=3_600_000)
    desk.subscribe(session, "$SYS/broker/uptime")
    assert desk.heard() == {"$SYS/broker/uptime": (b"0 seconds", True)}
    desk.wait()
    desk.heard()
    desk.system.leave(client)
    desk.signals.leave(session, Millis(3_600_000), desk.house.now)
    until = desk.house.engine.next_deadline()
    desk.wait()
    assert desk.house.engine.next_deadline() > until
    session, _peer = desk.enter(client, "a", lifetime=3_600_000)
    desk.system.watch(desk.house.now)  # as the front-end does for its filters
    desk.uptime_ms = 5000
    desk.wait()
    assert desk.heard() == {"$SYS/broker/uptime": (b"5 seconds", False)}


def test_clients_that_have_gone_are_counted_for_what_they_did(desk: Desk) -> None:
    session, _peer = desk.enter(Client(packets=1), "a")
    gone = Client(packets=10)
    kept, _peer = desk.enter(gone, "b", lifetime=3_600_000)
    desk.signals.listen(kept, "x/#", Wanted(kept.listener, 1), desk.house.now)
    desk.system.leave(gone)
    desk.system.leave(gone)  # said twice, it is gone once
    desk.signals.leave(kept, Millis(3_600_000), desk.house.now)
    rooms = desk.house.topic("rooms")
    desk.house.send(rooms, b"", last_value=KEEP)
    desk.subscribe(session, "$SYS/#")
    heard = {name.removeprefix("$SYS/broker/"): one for name, one in desk.heard().items()}
    assert heard["messages/received"] == (b"11", True)
    assert heard["clients/connected"] == (b"1", True)
    assert heard["clients/disconnected"] == (b"1", True)
    assert heard["clients/maximum"] == (b"2", True)
    assert heard["subscriptions/count"] == (b"2", True)
    assert heard["retained messages/count"] == (b"1", True)
