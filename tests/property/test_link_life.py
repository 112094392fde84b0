"""LinkLife: a sender and a receiver on recoverable links; cuts, crashes, snapshots in between.

The two keep what AMQP 1.0 §2.6.13 asks of them, and hear only what is durable. Whatever
happens, the receiver processes each message once, and recovery builds what is live.
"""

import os
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from peeklock.engine.effects import Accepted, Deliver, Effect, Settled
from peeklock.engine.link_desk import Claims, LinkDesk
from peeklock.entities.dispositions import COMPLETE, Verdict
from peeklock.entities.kept_links import KeptLink, LinkKey
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.limits import KEPT_DELIVERIES_MAX
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, Millis, UnixMs
from tests.support.house import House, pictures, replayed
from tests.support.sliced_snapshot import SlicedSnapshot

LIFETIME = Millis(3_600_000)
OUT = LinkKey("user", "container", "out", is_sender=True)
IN = LinkKey("user", "container", "in", is_sender=False)


def kept_picture(namespace: Namespace) -> list[object]:
    return [
        (link.link_id, link.key, link.entity_id, link.until, list(link.outcomes.items()))
        for link in namespace.links.by_id.values()
    ]


class LinkLife(RuleBasedStateMachine):
    """One queue, a producer, a consumer, and a broker that crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.house.queue(lock_duration_ms=86_400_000)
        self.house.sync()
        self.desk = LinkDesk(self.house.engine)
        # the sender's memory, which no crash of the broker touches
        self.unsettled: dict[bytes, bytes] = {}
        self.sent: list[bytes] = []
        self.out: KeptLink | None = None
        self.out_link: object = None
        self.tag_of: dict[int, bytes] = {}
        # the receiver's
        self.mine: Claims = {}
        self.body_of: dict[bytes, bytes] = {}
        self.processed: Counter[bytes] = Counter()
        self.inlet: object = None
        self.numbers = 0
        self.snapshot: SlicedSnapshot | None = None

    @property
    def queue(self) -> Queue:
        return self.house.namespace.find("orders")

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    # ---- the sender

    @rule(says_all=st.booleans())
    def sender_comes(self, says_all: bool) -> None:
        """Once more, perhaps while its old link hangs."""
        self.out_link = object()
        self.tag_of.clear()
        states = set(self.unsettled) if says_all else None
        self.out = self.desk.attach_sender(
            self.house.peer, self.out_link, OUT, self.queue, LIFETIME, states, self.house.now
        )
        self.house.sync()
        for tag in list(self.unsettled):
            if tag in self.out.outcomes:
                self.desk.forget(self.out, [tag])
                del self.unsettled[tag]
            elif says_all:
                self.send(tag)

    @precondition(lambda self: self.out is not None)
    @rule(count=st.integers(1, 4))
    def sender_sends(self, count: int) -> None:
        for _ in range(count):
            body = b"%d" % len(self.sent)
            self.sent.append(body)
            tag = b"tag" + body
            self.unsettled[tag] = body
            self.send(tag)

    def send(self, tag: bytes) -> None:
        assert self.out is not None
        delivery_id = self.number()
        self.tag_of[delivery_id] = tag
        given = Submission(Message(self.unsettled[tag]))
        self.desk.take(
            self.house.peer, self.out_link, self.out, delivery_id, tag, self.queue, [given],
            self.house.now, until_settled=True,
        )  # fmt: skip

    @precondition(lambda self: self.out is not None)
    @rule()
    def sender_is_cut(self) -> None:
        assert self.out is not None
        self.desk.leave(self.out.link_id, self.out_link, self.house.now, closed=False)
        self.out = None
        self.out_link = None
        self.tag_of.clear()

    # ---- the receiver

    @rule(says_all=st.booleans(), credit=st.integers(0, 3))
    def receiver_comes(self, says_all: bool, credit: int) -> None:
        self.inlet = object()
        comeback = self.desk.attach_receiver(
            self.house.peer, self.inlet, IN, self.queue, None, LIFETIME, dict(self.mine),
            self.house.now, says_all=says_all,
        )  # fmt: skip
        self.house.sync()
        for tag, claim in list(self.mine.items()):
            if tag in comeback.outcomes:
                assert claim is COMPLETE, "settled, and nobody said so"
                del self.mine[tag]
            else:
                assert tag in comeback.held, "nobody else may have it"
                assert claim is None, "it should have been settled now"
        self.receiver = comeback.receiver
        if says_all:
            assert set(comeback.held) == set(self.mine)
            self.house.engine.set_credit(self.receiver, credit, draining=False)

    @precondition(lambda self: self.mine)
    @rule(data=st.data())
    def receiver_processes(self, data: st.DataObject) -> None:
        """With a link or without: that is its own affair."""
        open_ones = sorted(tag for tag, claim in self.mine.items() if claim is None)
        if open_ones:
            tag = data.draw(st.sampled_from(open_ones))
            self.processed[self.body_of[tag]] += 1
            self.mine[tag] = COMPLETE

    @precondition(lambda self: self.inlet is not None)
    @rule()
    def receiver_settles(self) -> None:
        for tag, claim in self.mine.items():
            if claim is COMPLETE:
                self.house.engine.settle(
                    self.receiver, self.number(), [LockToken(tag)], COMPLETE, tag,
                    self.house.now, settled=False,
                )  # fmt: skip

    @precondition(lambda self: self.inlet is not None)
    @rule()
    def receiver_is_cut(self) -> None:
        self.desk.leave(self.receiver.link_id, self.inlet, self.house.now, closed=False)
        self.inlet = None

    # ---- the broker

    @rule()
    def sync(self) -> None:
        self.hear(self.house.sync())

    def hear(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Accepted) and effect.link is self.out_link:
                assert self.out is not None
                tag = self.tag_of.pop(effect.delivery_id)
                del self.unsettled[tag]
                self.desk.forget(self.out, [tag])
            elif isinstance(effect, Deliver) and effect.receiver.link is self.inlet:
                for entry in effect.entries:
                    token = effect.nonce + entry.number.to_bytes(8, "big")
                    assert entry.message is not None
                    self.body_of[token] = entry.message.bare
                    self.mine[token] = None
            elif isinstance(effect, Settled) and effect.link is self.inlet:
                outcome = effect.outcome
                assert isinstance(outcome, bytes)
                self.mine.pop(outcome, None)

    @rule()
    def crash(self) -> None:
        """What was not synced is lost, and so is everybody's connection."""
        old = self.house
        journal = old.journal
        assert isinstance(journal, MemoryJournal)
        durable = [(end, facts) for end, facts in journal._facts if end <= journal.durable]
        after = MemoryJournal(keep=True)
        for _end, facts in durable:
            after.append(facts)
        after.sync()
        self.house = House(after, replayed(durable))
        self.house.clock.advance(old.now - self.house.now)
        self.house.ids.skip_to(old.ids)
        self.desk = LinkDesk(self.house.engine)
        self.house.engine.start(self.house.now)
        self.house.sync()
        self.out = None
        self.out_link = None
        self.inlet = None
        self.tag_of.clear()
        self.snapshot = None

    @rule(ms=st.sampled_from([1, 1000, 60_000]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)

    @rule()
    def snapshot_slice(self) -> None:
        if self.snapshot is None:
            self.snapshot = SlicedSnapshot(self.house, slice_count=3)
        recovered = self.snapshot.next_slice()
        if recovered is not None:
            self.same(recovered)
            self.snapshot = None

    def same(self, recovered: Namespace) -> None:
        now = UnixMs(self.house.now)
        assert pictures(recovered, now) == pictures(self.house.namespace, now)
        live = {str(link) for link in kept_picture(self.house.namespace)}
        assert {str(link) for link in kept_picture(recovered)} == live

    @invariant()
    def nothing_is_processed_twice(self) -> None:
        assert all(count == 1 for count in self.processed.values())

    @invariant()
    def what_is_remembered_is_bounded(self) -> None:
        for link in self.house.namespace.links.by_id.values():
            assert len(link.outcomes) <= KEPT_DELIVERIES_MAX
            assert link.key == OUT or set(link.outcomes.values()) <= {Verdict.COMPLETE}

    def teardown(self) -> None:
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        self.same(replayed(journal._facts))
        self.sender_comes(says_all=True)
        self.sync()
        assert self.unsettled == {}
        for _ in range(3):
            self.receiver_comes(says_all=True, credit=1000)
            self.sync()
            for tag, claim in self.mine.items():
                if claim is None:
                    self.processed[self.body_of[tag]] += 1
                    self.mine[tag] = COMPLETE
            self.receiver_settles()
            self.sync()
        assert self.processed == Counter(self.sent), "each exactly once"


DEPTH = int(os.environ.get("PEEKLOCK_EXAMPLES", "60"))
TestLinkLife = LinkLife.TestCase
TestLinkLife.settings = settings(
    max_examples=DEPTH,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
