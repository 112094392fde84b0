"""DerivationLife: whatever signals come, and however often, each cause counts once.

What is expected is written here from the documentation, with nothing of the code's own.
"""

import os
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from peeklock.entities.derivation_settings import DerivationKind, DerivationSettings
from peeklock.entities.namespace import Namespace
from peeklock.entities.submission import Submission
from peeklock.entities.threshold import Aggregate, Threshold
from peeklock.limits import DERIVATION_CAUSE_WINDOW
from peeklock.store.memory_journal import MemoryJournal
from tests.support.house import House, pictures, replayed
from tests.support.signals import jobs, signal
from tests.support.sliced_snapshot import SlicedSnapshot

IDS = ("1", "2", "3", "4")
ROOMS = ("a", "b")
KEY = "${path.room}"
HOT = DerivationSettings("hot", "jobs", sql="[data.t] > 2", body='["${data.t}"]')
ALL = DerivationSettings("all", "jobs", path="room/{room}", key=KEY)
BAD = DerivationSettings("bad", "jobs", path="room/a", key="${data.nothing}")
QUIET = DerivationSettings(
    "quiet",
    "jobs",
    kind=DerivationKind.DEBOUNCE,
    period_ms=1000,
    path="room/{room}",
    key=KEY,
    body='["${data.t}", "${count}"]',
)
TOGETHER = replace(QUIET, name="together", kind=DerivationKind.COALESCE)
LOST = replace(QUIET, name="lost", kind=DerivationKind.ABSENCE)
WARM = DerivationSettings(
    "warm",
    "jobs",
    kind=DerivationKind.THRESHOLD,
    path="room/{room}",
    key=KEY,
    body='["${value}"]',
    threshold=Threshold(
        "${data.t}", Aggregate.AVG, over_ms=1000, above=2.5, below=1.5, hysteresis=0.25
    ),
)
DERIVATIONS = (HOT, ALL, BAD, QUIET, TOGETHER, LOST, WARM)
WAITING = ("quiet", "together", "lost")


@dataclass
class Burst:
    """Signals that count towards one job."""

    opened_at: int
    heard_at: int = 0
    causes: list[str] = field(default_factory=list)


class DerivationLife(RuleBasedStateMachine):
    """A topic with some derivations, and a model that knows which jobs there should be."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.in_force: dict[str, DerivationSettings] = {}
        self.counted_at: dict[str, int] = {}  # causes
        self.expected: list[tuple[str, str]] = []  # derivation and cause
        self.failed: list[str] = []  # causes
        self.bursts: dict[tuple[str, str], Burst] = {}  # by derivation and room
        self.levels: dict[str, list[tuple[int, int]]] = {}  # by room: when, and how warm
        self.sides: dict[str, int] = {}  # by room
        self.snapshot: SlicedSnapshot | None = None
        # What owners may have changed.
        self.hot_above = 2
        self.period: dict[str, int] = {}
        self.warm_above = 2.5

    @initialize(limit=st.sampled_from([0, 2]))
    def begin(self, limit: int) -> None:
        self.topic = self.house.topic("site")
        self.queue = self.house.queue("jobs", max_messages=limit)
        self.dead = self.house.dead_letters(self.queue)

    # ---- what owners do

    @rule(which=st.sampled_from(DERIVATIONS))
    def derive(self, which: DerivationSettings) -> None:
        if which.name in self.in_force:
            return
        facts = self.house.namespace.create_derivation("site", which, self.house.now)
        self.house.engine.commit_registry(facts)
        self.in_force[which.name] = which
        self.hot_above = 2 if which is HOT else self.hot_above
        self.period[which.name] = which.period_ms
        self.warm_above = 2.5 if which is WARM else self.warm_above

    @precondition(lambda self: {"hot", "warm", *WAITING} & set(self.in_force))
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """What is remembered stays, and counts by other settings from now on."""
        names = sorted({"hot", "warm", *WAITING} & set(self.in_force))
        name = data.draw(st.sampled_from(names))
        before = self.topic.derivations.find(name).settings
        if name == "hot":
            self.hot_above = data.draw(st.integers(0, 4))
            after = replace(before, sql=f"[data.t] > {self.hot_above}")
        elif name == "warm":
            self.warm_above = data.draw(st.sampled_from([1.75, 2.5, 3.5]))
            for room, side in self.sides.items():
                levels = [one for at, one in self.levels[room] if at > self.house.now - 1000]
                average = sum(levels) / max(len(levels), 1)
                if levels and side == 1 and average <= self.warm_above - 0.25:
                    self.sides[room] = 0
                if levels and side == -1 and average >= 1.75:
                    self.sides[room] = 0
            assert before.threshold is not None
            threshold = replace(before.threshold, above=self.warm_above)
            after = replace(before, threshold=threshold)
        else:
            self.period[name] = data.draw(st.sampled_from([500, 1000, 2000]))
            after = replace(before, period_ms=self.period[name])
        facts = self.house.namespace.update_derivation("site", after, self.house.now)
        self.house.engine.commit_registry(facts)

    @precondition(lambda self: self.in_force)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.in_force)))
        self.house.engine.commit_registry(self.topic.derivations.remove(name))
        del self.in_force[name]
        for room in ROOMS:
            self.bursts.pop((name, room), None)
            if name == "warm":
                self.levels.pop(room, None)
                self.sides.pop(room, None)

    # ---- what sensors do

    @rule(
        given=st.lists(
            st.tuples(st.sampled_from(IDS), st.sampled_from(ROOMS), st.integers(1, 4)),
            min_size=1,
            max_size=3,
        )
    )
    def publish(self, given: list[tuple[str, str, int]]) -> None:
        """Several by one append. What says the same again has the same id."""
        messages = []
        for id_, room, level in given:
            cause = f"{id_}-{room}-{level}"
            messages.append(Submission(signal({"t": level}, id_=cause, subject=f"room/{room}")))
            self.count(cause, room, level)
        self.house.engine.send_all(
            self.house.peer, "link", 0, self.topic, messages, self.house.now, settled=False
        )

    def count(self, cause: str, room: str, level: int) -> None:
        wanted = {"hot": level > self.hot_above, "bad": room == "a"}
        meant = [name for name in self.in_force if wanted.get(name, True)]
        at = self.counted_at.get(cause)
        if not meant or (at is not None and self.house.now < at + DERIVATION_CAUSE_WINDOW):
            return
        self.counted_at[cause] = self.house.now
        for name in meant:
            if name == "bad":
                self.failed.append(cause)
            elif name == "warm":
                self.weigh(cause, room, level)
            elif name in WAITING:
                burst = self.bursts.setdefault((name, room), Burst(self.house.now))
                burst.heard_at = self.house.now
                burst.causes.append(cause)
            else:
                self.expected.append((name, cause))

    def weigh(self, cause: str, room: str, level: int) -> None:
        now = self.house.now
        levels = [*self.levels.get(room, []), (now, level)]
        levels = [(at, one) for at, one in levels if at > now - 1000]
        self.levels[room] = levels
        average = sum(one for _at, one in levels) / len(levels)
        was = self.sides.get(room, 0)
        above = self.warm_above
        side = 1 if average > above else -1 if average < 1.5 else 0
        still_above = was == 1 and average > above - 0.25
        if side == 0 and (still_above or (was == -1 and average < 1.75)):
            side = was
        if side != was and side != 0:
            self.expected.append(("warm", cause))
        self.sides[room] = side

    @rule(ms=st.sampled_from([10, 500, 1000, DERIVATION_CAUSE_WINDOW]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)
        for (name, room), burst in list(self.bursts.items()):
            start = burst.opened_at if name == "together" else burst.heard_at
            if start + self.period[name] <= self.house.now:
                self.expected.append((name, burst.causes[-1]))
                del self.bursts[name, room]

    # ---- the snapshot, in slices while all this goes on

    @rule()
    def snapshot_slice(self) -> None:
        if self.snapshot is None:
            self.snapshot = SlicedSnapshot(self.house, slice_count=2)
        recovered = self.snapshot.next_slice()
        if recovered is not None:
            assert self.seen_of(recovered) == self.seen_of(self.house.namespace)
            self.snapshot = None

    def seen_of(self, namespace: Namespace) -> list[dict[str, object]]:
        return pictures(namespace, self.house.now)

    # ---- what must be true

    @invariant()
    def each_cause_has_made_its_jobs_once(self) -> None:
        """In the queue, or, when it was full, among its dead letters; nothing else is there."""
        derived = []
        failed = []
        for job in [*jobs(self.queue), *jobs(self.dead)]:
            if job.properties.get("derived_by") in WAITING:
                level = int(job.properties["cause_id"].rpartition("-")[2])
                assert job.body[0] == level
            if "derived_by" in job.properties:
                derived.append((job.properties["derived_by"], job.properties["cause_id"]))
            else:
                failed.append(job.properties["cloudEvents:id"])
        assert sorted(derived) == sorted(self.expected)
        assert sorted(failed) == sorted(self.failed)

    def teardown(self) -> None:
        """Recovery builds what is live, and so it does from all that came before an instant."""
        self.house.journal.sync()
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        assert self.seen_of(replayed(journal._facts)) == self.seen_of(self.house.namespace)
        for count in range(len(journal._facts)):
            pictures(replayed(journal._facts[:count]), self.house.now)


TestDerivationLife = DerivationLife.TestCase
TestDerivationLife.settings = settings(
    max_examples=int(os.environ.get("PEEKLOCK_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
