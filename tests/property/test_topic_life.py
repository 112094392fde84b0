"""TopicLife: whatever is sent and received, each subscription has what its rules took."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from peeklock.engine.effects import Accepted, Refused
from peeklock.entities.dispositions import COMPLETE, RELEASE, Disposition, Verdict
from peeklock.entities.facts import Enqueued, LastValueSet
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.submission import AS_THE_TOPIC_SAYS, CLEAR, KEEP, Submission
from peeklock.errors import BrokerError
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.sections import (
    Properties,
    encode_bare,
    read_application_properties,
    read_properties,
)
from peeklock.protocols.amqp10.values import AmqpValue
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, Millis
from tests.support.changes import setting
from tests.support.house import House, pictures, replayed
from tests.support.sliced_snapshot import SlicedSnapshot

NAMES = ("a", "b", "c")
KINDS = ("x", "y")
DEAD_LETTER = Disposition(Verdict.DEAD_LETTER, reason="bad")
CHANGED = [setting(Verdict.ABANDON, tried=1), setting(Verdict.DEAD_LETTER, tried="no")]
ALL = RuleSettings("all")
NONE = RuleSettings("none", "false")
IS_X = RuleSettings("is x", "correlation", properties=(("sys.Label", "x"),))
HIGH = RuleSettings("high", "sql", "level > 1")
MARKED = RuleSettings("marked", "sql", "level > 0", action="SET seen = TRUE")
RULES = (ALL, NONE, IS_X, HIGH, MARKED)
Level = int | str  # a string makes rules that compare it fail
Copy = tuple[str, bool]  # the message's id, and whether an action has changed it


def expected_copies(rules: list[RuleSettings], kind: str, level: Level) -> tuple[int, int, int]:
    """Plain copies, changed ones, dead letters: from the documentation, not from the code."""
    names = {one.name for one in rules}
    is_number = isinstance(level, int)
    plain = "all" in names or ("is x" in names and kind == "x")
    if "high" in names and isinstance(level, int):
        plain = plain or level > 1
    changed = "marked" in names and isinstance(level, int) and level > 0
    asks = "marked" in names or ("high" in names and "all" not in names)
    return int(plain), int(changed), int(asks and not is_number)


class TopicLife(RuleBasedStateMachine):
    """A topic, up to three subscriptions, and a model that knows what each should have."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.sent = 0
        self.model: dict[str, list[Copy]] = {}
        self.dead: dict[str, list[str]] = {}
        self.limits: dict[str, int] = {}
        self.last: dict[str, tuple[str, int]] = {}  # by subject: a message's id, its end
        self.snapshot: SlicedSnapshot | None = None

    @initialize(window=st.sampled_from([0, 20_000]), keep=st.booleans())
    def begin(self, window: int, keep: bool) -> None:
        self.topic = self.house.topic(duplicate_window_ms=window, keep_last_value=keep)

    # ---- what owners do

    @rule(
        name=st.sampled_from(NAMES),
        rules=st.lists(st.sampled_from(RULES), max_size=3, unique_by=lambda one: one.name),
        limit=st.sampled_from([0, 0, 3]),
    )
    def subscribe(self, name: str, rules: list[RuleSettings], limit: int) -> None:
        if name in self.model:
            return
        chosen = QueueSettings(
            max_messages=limit, lock_duration_ms=1000, max_delivery_count=1000
        )
        facts = self.house.namespace.create_subscription(
            "tickets", name, chosen, self.house.now, tuple(rules)
        )
        self.house.engine.commit_registry(facts)
        self.model[name] = []
        self.dead[name] = []
        self.limits[name] = limit

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        path = f"tickets/Subscriptions/{name}"
        self.house.engine.commit_registry(self.house.namespace.delete(path))
        del self.model[name]
        del self.dead[name]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), which=st.sampled_from(RULES), remove=st.booleans())
    def change_rules(self, data: st.DataObject, which: RuleSettings, remove: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        subscription = self.topic.find(name)
        try:
            if remove:
                facts = subscription.remove_rule(which.name)
            else:
                facts = subscription.add_rule(which, self.house.now)
        except BrokerError:
            return
        self.house.engine.commit_registry(facts)

    # ---- what senders and receivers do

    @rule(
        kind=st.sampled_from(KINDS),
        level=st.sampled_from([0, 1, 2, "many"]),
        again=st.booleans(),
        last_value=st.sampled_from([AS_THE_TOPIC_SAYS, AS_THE_TOPIC_SAYS, KEEP, CLEAR]),
        ttl_ms=st.sampled_from([NO_TTL, NO_TTL, 15_000]),
    )
    def send(self, kind: str, level: Level, again: bool, last_value: int, ttl_ms: int) -> None:
        if not again or self.sent == 0:
            self.sent += 1
        name = f"m{self.sent}"
        user: dict[AmqpValue, AmqpValue] = {"level": level}
        bare = encode_bare(Properties(message_id=name, subject=kind), user, None)
        is_new = not self.topic.settings.duplicate_window_ms or not (
            self.topic.seen.is_duplicate(name.encode(), Millis(20_000), self.house.now)
        )
        if last_value != KEEP or self.model:
            ttl_ms = NO_TTL  # copies would expire, too
        message = Message(bare, ttl_ms=ttl_ms)
        given = Submission(message, NEVER, name.encode(), last_value=last_value)
        self.house.engine.send(
            self.house.peer, "link", 0, self.topic, given, self.house.now, settled=False
        )
        (answer,) = [e for e in self.house.sync() if isinstance(e, Accepted | Refused)]
        wanted = self.wanted_by_all(kind, level) if is_new else {}
        before = {one: len(copies) for one, copies in self.model.items()}
        if isinstance(answer, Refused):
            assert any(
                self.limits[one] and before[one] + plain + changed > self.limits[one]
                for one, (plain, changed, _failed) in wanted.items()
            ), "refused, and nobody is full"
            return
        for one, (plain, changed, failed) in wanted.items():
            self.model[one] += [(name, False)] * plain + [(name, True)] * changed
            self.dead[one] += [name] * failed
        if is_new and last_value == CLEAR:
            self.last.pop(kind, None)
        elif is_new and (last_value == KEEP or self.topic.settings.keep_last_value):
            ends = NEVER if ttl_ms == NO_TTL else self.house.now + ttl_ms
            self.last[kind] = (name, ends)

    @rule(subject=st.sampled_from(KINDS))
    def clear(self, subject: str) -> None:
        self.house.engine.last_values.clear(self.topic, [subject])
        self.last.pop(subject, None)

    def wanted_by_all(self, kind: str, level: Level) -> dict[str, tuple[int, int, int]]:
        return {
            name: expected_copies(
                [one.settings for one in self.topic.find(name).rules.values()], kind, level
            )
            for name in self.model
        }

    @precondition(lambda self: any(self.model.values()))
    @rule(
        data=st.data(),
        count=st.integers(1, 3),
        how=st.sampled_from([COMPLETE, RELEASE, DEAD_LETTER, *CHANGED]),
    )
    def receive(self, data: st.DataObject, count: int, how: Disposition) -> None:
        name = data.draw(st.sampled_from(sorted(n for n, has in self.model.items() if has)))
        queue = self.queue(name)
        receiver = self.house.receiver(queue, count)
        self.house.turn()
        tokens = self.house.held(receiver)
        taken = self.model[name][: len(tokens)]
        if tokens:
            self.house.engine.settle_tokens(queue, tokens, how, self.house.now)
        self.house.engine.detach(receiver, self.house.now)
        if how.verdict not in (Verdict.RELEASE, Verdict.ABANDON):
            del self.model[name][: len(tokens)]
        if how.verdict is Verdict.DEAD_LETTER:
            self.dead[name] += [message for message, _changed in taken]

    @rule(ms=st.sampled_from([10, 20_000]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)
        now = self.house.now
        self.last = {one: at for one, at in self.last.items() if at[1] == NEVER or at[1] > now}

    # ---- the snapshot, in slices while all this goes on

    @rule()
    def snapshot_slice(self) -> None:
        if self.snapshot is None:
            self.snapshot = SlicedSnapshot(self.house)
        recovered = self.snapshot.next_slice()
        if recovered is not None:
            assert self.seen_of(recovered) == self.seen_of(self.house.namespace)
            self.snapshot = None

    def seen_of(self, namespace: Namespace) -> list[dict[str, object]]:
        return pictures(namespace, self.house.now)

    # ---- what must be true

    def queue(self, name: str) -> Queue:
        return self.topic.find(name).queue

    @invariant()
    def each_has_what_its_rules_took(self) -> None:
        for name, expected in self.model.items():
            queue = self.queue(name)
            assert copies_of(queue) == expected
            assert sorted(
                message for message, _changed in copies_of(self.house.dead_letters(queue))
            ) == sorted(self.dead[name])

    @invariant()
    def each_subject_has_its_last_value(self) -> None:
        found: dict[str, tuple[str, int]] = {}
        for value in self.house.engine.last_values.page(self.topic, "#", self.house.now).values:
            message = self.house.engine.message_of(value.entry)
            properties = read_properties(message.bare)
            assert properties is not None
            assert properties.subject == value.subject
            found[str(value.subject)] = (str(properties.message_id), value.entry.expires_at)
        assert found == self.last
        assert len(self.topic.last_values.entries) == len(found)  # expired ones are gone

    @invariant()
    def memory_counts_what_is_there_once(self) -> None:
        messages = {
            id(entry.message): entry.size
            for holder in (*self.house.namespace.by_id.values(), self.topic.last_values)
            for entry in holder.entries.values()
        }
        assert self.house.namespace.residency.used_bytes == sum(messages.values())

    def teardown(self) -> None:
        """Recovery builds what is live, and each send was one append that stores once."""
        self.house.journal.sync()
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        for _end, facts in journal._facts:
            alike: dict[int, list[Enqueued | LastValueSet]] = {}
            for fact in facts:
                if isinstance(fact, Enqueued | LastValueSet) and fact.message is not None:
                    alike.setdefault(id(fact.message), []).append(fact)
            for first, *others in alike.values():
                assert all(other.shares is first for other in others)
        assert self.seen_of(replayed(journal._facts)) == self.seen_of(self.house.namespace)


def copies_of(queue: Queue) -> list[Copy]:
    found: list[Copy] = []
    for entry in queue.entries.values():
        assert entry.message is not None
        properties = read_properties(entry.message.bare)
        assert properties is not None
        user = read_application_properties(entry.message.bare)
        assert ("seen" in user) == (user.get("RuleName") == "marked")
        found.append((str(properties.message_id), "seen" in user))
    return found


TestTopicLife = TopicLife.TestCase
TestTopicLife.settings = settings(
    max_examples=int(os.environ.get("PEEKLOCK_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
