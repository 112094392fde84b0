"""kill -9 under signals that alerts are derived from: each alert has its job, once.

What a threshold's window holds is what the accepted signals make it, and so are last values; a
silence that goes on over a restart is told of, and not told of twice. Clients come back by
themselves.
"""

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from peeklock_client import Client, Job, PeeklockError, connect
from tests.support.broker_process import BrokerProcess

KILLS = 8
DOWNS = (0, 0, 1.2)  # for how many seconds nobody is there, one of them
UPS = (0.2, 0.6, 1.8)  # or somewhat longer, there
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that segments roll, snapshots are taken and segments are freed in these rounds.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "262144",
}
ENTITIES = """
[[queues]]
name = "alerts"
max_delivery_count = 1_000_000

[[topics]]
name = "site"
keep_last_value = true
"""
FLOORS = ("1", "2", "3", "4")
ROOMS = 6
FIGURES = """
[[topics.derivations]]
name = "floor"
to = "alerts"
kind = "threshold"
value = "${data.t}"
path = "floor/{floor}/room/{room}"
key = "${path.floor}"
aggregate = "avg"
latest_per = "${path.room}"
above = 22
below = 18
hysteresis = 0.5
body = { key = "${key}", side = "${side}", average = "${value}", count = "${count}" }

[[topics.derivations]]
name = "trend"
to = "alerts"
kind = "threshold"
value = "${data.t}"
path = "floor/{floor}/#"
key = "${path.floor}"
aggregate = "avg"
over_count = 5
above = 23
below = 17
body = { key = "${key}", side = "${side}", average = "${value}", count = "${count}" }

[[topics.derivations]]
name = "hour"
to = "alerts"
kind = "threshold"
value = "${data.t}"
path = "floor/{floor}/#"
key = "${path.floor}"
aggregate = "avg"
over_ms = 3_600_000
above = 20.2
below = 19.8
body = { key = "${key}", side = "${side}", average = "${value}", count = "${count}" }
"""
OVER_MS_SAMPLES_MAX = 1000
SENSORS = 8
PERIOD_MS = 1000  # longer than a broker takes to start, mostly
SILENCE = f"""
[[topics.derivations]]
name = "lost"
to = "alerts"
kind = "absence"
period_ms = {PERIOD_MS}
path = "sensor/{{sensor}}"
key = "${{path.sensor}}"
body = {{ key = "${{key}}", last = "${{data.number}}" }}
"""

pytestmark = pytest.mark.crash


class Crew:
    """Takes the alerts, and notices when one is there twice."""

    def __init__(self, chance: random.Random, note: Callable[[Job], None]) -> None:
        self._chance = chance
        self._note = note
        self._numbers: dict[str, int] = {}  # in the queue, by the job's message-id
        self._completed: set[str] = set()

    async def work(self, client: Client, wait: float | None = None) -> None:
        """Until nothing has come for so many seconds; None: for ever."""
        async for job in client.queue("alerts").receive(prefetch=20, wait=wait):
            name = str(job.message_id)
            assert name not in self._completed, f"{name} was completed, and is back"
            number = self._numbers.setdefault(name, job.sequence_number)
            assert number == job.sequence_number, f"{name} is there twice"
            self._note(job)
            with suppress(PeeklockError):  # the broker is gone: the job comes again
                if wait is None and self._chance.random() < 0.3:
                    await job.release()
                else:
                    await job.complete()
                    self._completed.add(name)


class Watch:
    """A figure and its band: a job when it leaves it, and none before it is back."""

    def __init__(self, below: float, above: float, hysteresis: float) -> None:
        self._below = below
        self._above = above
        self._hysteresis = hysteresis
        self._side = ""

    def crossed(self, figure: float) -> str:
        """The side on which it leaves by this figure; "": it does not."""
        side = "above" if figure > self._above else "below" if figure < self._below else ""
        if not side and (
            (self._side == "above" and figure > self._above - self._hysteresis)
            or (self._side == "below" and figure < self._below + self._hysteresis)
        ):
            return ""
        before, self._side = self._side, side
        return side if side != before else ""


Alert = tuple[str, str, float, int]  # floor, side, average, count of values


class Floor:
    """Its thermometers, and the alerts that their accepted values are to make."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self._chance = chance
        self._sent = 0
        self._rooms: dict[int, float] = {}  # the last value of each
        self._trend: deque[float] = deque(maxlen=5)
        self._hour: deque[float] = deque(maxlen=OVER_MS_SAMPLES_MAX)
        self._watches = {
            "floor": Watch(18, 22, 0.5),
            "trend": Watch(17, 23, 0),
            "hour": Watch(19.8, 20.2, 0),
        }
        self.owed: dict[tuple[str, str], Alert] = {}  # by derivation and cause

    @property
    def accepted(self) -> int:
        return self._sent

    @property
    def last_values(self) -> dict[str, float]:
        """By subject."""
        return {f"floor/{self.name}/room/{room}": t for room, t in self._rooms.items()}

    async def measure(self, client: Client, stop: asyncio.Event) -> None:
        site = client.topic("site")
        while not stop.is_set():
            room, t = self._chance.randrange(ROOMS), self._chance.randint(20, 60) / 2
            if self._sent % 40 < 20:  # warm and cold spells, so that figures leave and return
                t += self._chance.choice((0, 4, -4))
            cause = f"{self.name}-{self._sent}"
            for _ in range(2 if self._chance.random() < 0.1 else 1):  # a second try, sometimes
                await site.send(
                    {"t": t, "more": "x" * (self._sent % 499)},
                    subject=f"floor/{self.name}/room/{room}",
                    message_id=cause,
                )
            self._sent += 1
            self._count(cause, room, t)

    def _count(self, cause: str, room: int, t: float) -> None:
        self._rooms[room] = t
        self._trend.append(t)
        self._hour.append(t)
        self._look("floor", cause, self._rooms.values())
        if len(self._trend) == self._trend.maxlen:
            self._look("trend", cause, self._trend)
        self._look("hour", cause, self._hour)

    def _look(self, derivation: str, cause: str, values: Iterable[float]) -> None:
        found = list(values)
        average = sum(found) / len(found)  # of halves: exact
        side = self._watches[derivation].crossed(average)
        if side:
            self.owed[derivation, cause] = (self.name, side, average, len(found))


class Sensor:
    """Beats, falls silent until its alert is there, and beats again."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self._chance = chance
        self._told = asyncio.Event()
        self.alerts: set[int] = set()  # the number of the last beat before the silence
        self.sent_at: list[float] = []  # when the first try began
        self.accepted_at: list[float] = []

    async def live(self, client: Client, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for _ in range(self._chance.randint(1, 6)):
                await self._beat(client)
                await asyncio.sleep(self._chance.random() * 0.05)
            while self.last not in self.alerts and not stop.is_set():
                self._told.clear()
                with suppress(TimeoutError):  # or it is to stop
                    await asyncio.wait_for(self._told.wait(), 0.1)
            await asyncio.sleep(self._chance.choice((0, 1.5)))  # a second alert would come now

    async def _beat(self, client: Client) -> None:
        number = len(self.sent_at)
        self.sent_at.append(time.monotonic())
        subject, cause = f"sensor/{self.name}", f"{self.name}-{number}"
        body = {"number": number, "more": "x" * 900}
        await client.topic("site").send(body, subject=subject, message_id=cause)
        self.accepted_at.append(time.monotonic())

    @property
    def last(self) -> int:
        return len(self.accepted_at) - 1

    def hear(self, number: int) -> None:
        self.alerts.add(number)
        self._told.set()

    def check_alerts(self, lives: list[tuple[float, float]]) -> None:
        """The last silence was told of; each other one was one to a broker that was there."""
        assert self.last in self.alerts
        for number in self.alerts - {self.last}:
            silence = self.sent_at[number], self.accepted_at[number + 1]
            heard = max(min(silence[1], end) - max(silence[0], start) for start, end in lives)
            assert heard * 1000 >= PERIOD_MS, f"sensor {self.name} was not silent at {number}"


Live = Callable[[Client, asyncio.Event], Coroutine[None, None, None]]


async def under_kills(
    broker: BrokerProcess,
    chance: random.Random,
    live: list[Live],
    crew: Crew,
    may_live: Callable[[], Coroutine[None, None, None]],
) -> list[tuple[float, float]]:
    """Everybody does what they do while the broker is killed and started again.

    It is there for as long as `may_live` takes. Returns its lives: from being started to being
    killed.
    """
    stop = asyncio.Event()
    lives: list[tuple[float, float]] = []
    start = time.monotonic()
    async with connect(broker.url) as senders, connect(broker.url) as takers:
        working = asyncio.ensure_future(crew.work(takers))
        living = [asyncio.create_task(one(senders, stop)) for one in live]
        for _ in range(KILLS):
            await may_live()
            await asyncio.to_thread(broker.kill)
            lives.append((start, time.monotonic()))
            assert not working.done(), working.exception()
            await asyncio.sleep(chance.choice(DOWNS))
            start = time.monotonic()
            await asyncio.to_thread(broker.restart)
        await may_live()
        stop.set()
        await asyncio.gather(*living)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    async with connect(broker.url) as takers:
        await crew.work(takers, wait=2)
    return [*lives, (start, time.monotonic())]


def started(tmp_path: Path, derivations: str) -> BrokerProcess:
    return BrokerProcess(
        config=ENTITIES + derivations, data_dir=tmp_path / "data", env=SMALL_JOURNAL
    )


async def test_a_threshold_is_what_the_accepted_signals_make_it(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    floors = [Floor(name, chance) for name in FLOORS]
    found: dict[tuple[str, str], Alert] = {}

    def note(job: Job) -> None:
        told = job.json()
        cause = str(job.properties["cause_id"])
        alert = (told["key"], told["side"], told["average"], told["count"])
        found[str(job.properties["derived_by"]), cause] = alert

    def accepted() -> int:
        return sum(floor.accepted for floor in floors)

    async def some_signals() -> None:
        wanted = accepted() + chance.randint(20, 400)
        while accepted() < wanted:
            await asyncio.sleep(0.002)

    with started(tmp_path, FIGURES) as broker:
        live = [floor.measure for floor in floors]
        await under_kills(broker, chance, live, Crew(chance, note), some_signals)
        async with connect(broker.url) as client:
            site = client.topic("site")
            kept = {one.subject: one.json()["t"] async for one in site.last_values()}
        log = broker.stderr
    owed = {name: alert for floor in floors for name, alert in floor.owed.items()}
    assert {derivation for derivation, _cause in owed} == {"floor", "trend", "hour"}
    assert len(owed) > 50, "the rounds were too short"
    assert found == owed
    assert kept == {name: t for floor in floors for name, t in floor.last_values.items()}
    assert "journal damage" not in log
    assert "snapshot taken" in log
    print(f"{accepted()} accepted, {len(found)} alerts")


async def test_a_silence_is_told_of_once_over_restarts(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    sensors = {str(number): Sensor(str(number), chance) for number in range(SENSORS)}

    def note(job: Job) -> None:
        told = job.json()
        assert job.properties["cause_id"] == f"{told['key']}-{told['last']}"
        sensors[told["key"]].hear(told["last"])

    def told() -> int:
        return sum(len(sensor.alerts) for sensor in sensors.values())

    async def some_time() -> None:
        """Short, or until one more silence was told of."""
        wanted = told() + chance.randint(0, 1)
        await asyncio.sleep(chance.choice(UPS))
        while told() < wanted:
            await asyncio.sleep(0.01)

    crew = Crew(chance, note)
    with started(tmp_path, SILENCE) as broker:
        live = [sensor.live for sensor in sensors.values()]
        lives = await under_kills(broker, chance, live, crew, some_time)
        log = broker.stderr
    for sensor in sensors.values():
        sensor.check_alerts(lives)
    assert "journal damage" not in log
    print(f"{sum(sensor.last for sensor in sensors.values())} beats, {told()} silences")
