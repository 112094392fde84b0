"""Sessions come, listen, share, miss nothing and go, in any order; recovery knows the same."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from peeklock.engine.dispatch import ReceiveMode
from peeklock.engine.effects import Overheard
from peeklock.engine.signal_desk import RELEASED, TAKEN, Session
from peeklock.entities.dispositions import ABANDON, COMPLETE
from peeklock.entities.listeners import named_under
from peeklock.entities.queue import token_of
from peeklock.entities.queue_index import LOCKED
from peeklock.entities.topic_filter import is_match
from tests.support.house import Recorder
from tests.unit.engine.test_signals import Desk, check_recovery

CLIENTS = ("a", "b", "c")
FILTERS = ("x/+", "x/#", "+/1", "y/1")
NAMES = ("x/1", "x/2", "y/1", "y/1/z")
SHARED = "$share/g/x/#"
LIFETIME = 5_000


class SignalLife(RuleBasedStateMachine):
    """Model: of each client's session whether it is kept, its filters, and what it is due."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.here: dict[str, Session] = {}
        self.filters: dict[str, dict[str, int]] = {}  # of sessions that are there
        self.kept: set[str] = set()
        self.due: dict[str, list[tuple[str, int]]] = {}  # of those that are kept
        self.told: dict[str, list[tuple[str, int]]] = {}
        self.ids: dict[str, set[int]] = {}

    # ---- sessions

    @rule(client=st.sampled_from(CLIENTS), kept=st.booleans(), clean=st.booleans())
    def enter(self, client: str, kept: bool, clean: bool) -> None:
        if client in self.here:
            self.leave(client, keep=True)
        lifetime = LIFETIME if kept else 0
        session = self.desk.enter(client, lifetime, clean=clean, peer=Recorder())
        was_kept = client in self.kept
        assert session.is_present == (was_kept and not clean)
        self.here[client] = session
        if not session.is_present:
            self.filters[client] = {}
            self.due[client] = []
            self.ids[client] = set()
            self.kept.discard(client)
            if kept:
                self.kept.add(client)
        self.told[client] = []

    @precondition(lambda self: self.here)
    @rule(data=st.data(), keep=st.booleans())
    def leave_somebody(self, data: st.DataObject, keep: bool) -> None:
        self.leave(data.draw(st.sampled_from(sorted(self.here))), keep=keep)

    def leave(self, client: str, *, keep: bool) -> None:
        session = self.here.pop(client)
        self.desk.leave(session, LIFETIME if keep else 0)
        if client not in self.kept or not keep:
            self.forget(client)

    def forget(self, client: str) -> None:
        self.kept.discard(client)
        for known in (self.filters, self.due, self.ids):
            known.pop(client, None)

    @rule(ms=st.sampled_from([1, LIFETIME]))
    def wait(self, ms: int) -> None:
        self.desk.house.advance(ms)
        sessions = self.desk.house.namespace.links.sessions
        for client in sorted(self.kept - set(sessions)):
            assert client not in self.here
            self.forget(client)

    # ---- filters

    @precondition(lambda self: self.here)
    @rule(data=st.data(), topic_filter=st.sampled_from(FILTERS), qos=st.integers(0, 2))
    def listen(self, data: st.DataObject, topic_filter: str, qos: int) -> None:
        client = data.draw(st.sampled_from(sorted(self.here)))
        self.desk.listen(self.here[client], topic_filter, qos)
        self.filters[client][topic_filter] = qos

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(sorted(self.here)))
        self.desk.desk.group(SHARED, self.desk.house.now)
        self.desk.listen(self.here[client], SHARED, 1)
        self.filters[client][SHARED] = 1

    @precondition(lambda self: any(self.filters[one] for one in self.here))
    @rule(data=st.data())
    def unlisten(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from([c for c in sorted(self.here) if self.filters[c]]))
        topic_filter = data.draw(st.sampled_from(sorted(self.filters[client])))
        self.desk.desk.unlisten(self.here[client], topic_filter)
        del self.filters[client][topic_filter]

    # ---- signals

    @rule(name=st.sampled_from(NAMES), qos=st.integers(0, 2))
    def publish(self, name: str, qos: int) -> None:
        end = self.desk.house.journal.end
        had_topic = self.desk.house.namespace.has_topic("signals")
        self.desk.publish(name, qos)
        is_stored = False
        for client, filters in self.filters.items():
            wanted = [q for f, q in filters.items() if f != SHARED and is_match(f, name)]
            if not wanted:
                continue
            given = min(qos, max(wanted))
            if client in self.kept and given:
                self.due[client].append((name, given))
                is_stored = True
            elif client in self.here:
                self.told[client].append((name, given))
        is_shared = any(SHARED in filters for filters in self.filters.values())
        is_stored = is_stored or (qos > 0 and is_shared and is_match("x/#", name))
        if had_topic and not is_stored:
            assert self.desk.house.journal.end == end, "a fact that nobody needs"

    @rule()
    def hear(self) -> None:
        house = self.desk.house
        house.turn()
        house.journal.sync()
        heard: dict[str, list[tuple[str, int]]] = {}
        listeners = {session.listener: client for client, session in self.here.items()}
        for effect in house.engine.take_effects():
            if isinstance(effect, Overheard):
                hearing = effect.heard.hearing
                client = listeners.get(hearing.listener)
                # What was on its way to a connection that is gone is heard by nobody.
                if client is not None and effect.peer is self.here[client].ear.peer:
                    name = effect.heard.signal.topic_name
                    heard.setdefault(client, []).append((name, hearing.qos))
        for client, told in self.told.items():
            if client in self.here:
                assert heard.get(client, []) == told
        self.told = {client: [] for client in self.told}

    def of(self, data: st.DataObject) -> tuple[str, Session] | None:
        kept = sorted(self.kept & set(self.here))
        if not kept:
            return None
        client = data.draw(st.sampled_from(kept))
        return client, self.here[client]

    @precondition(lambda self: self.kept & set(self.here))
    @rule(data=st.data(), count=st.integers(1, 3), done=st.booleans())
    def deliver(self, data: st.DataObject, count: int, done: bool) -> None:
        """Some are sent; they are acknowledged, or the connection is cut."""
        found = self.of(data)
        assert found is not None
        client, session = found
        house = self.desk.house
        engine = house.engine
        receiver = engine.attach(house.peer, None, session.queue, ReceiveMode.PEEK_LOCK)
        engine.set_credit(receiver, count, draining=False)
        house.turn()
        queue = session.queue
        tokens = [token_of(one) for one in queue.entries.values() if one.state == LOCKED]
        assert len(tokens) == min(count, len(self.due[client]))
        if tokens:
            verdict = COMPLETE if done else ABANDON
            engine.settle(receiver, 0, tokens, verdict, None, house.now, settled=True)
        engine.detach(receiver, house.now)
        if done:
            del self.due[client][: len(tokens)]

    @precondition(lambda self: self.kept & set(self.here))
    @rule(data=st.data(), packet_id=st.integers(1, 3))
    def take(self, data: st.DataObject, packet_id: int) -> None:
        """A QoS 2 message comes in, or its release does."""
        found = self.of(data)
        assert found is not None
        client, session = found
        if packet_id in self.ids[client]:
            self.desk.desk.release(session, packet_id)
            self.ids[client].discard(packet_id)
        else:
            self.desk.house.engine.commit_facts(self.desk.desk.take(session, packet_id))
            self.ids[client].add(packet_id)

    # ---- what holds

    @invariant()
    def sessions_have_what_they_are_due(self) -> None:
        namespace = self.desk.house.namespace
        assert set(namespace.links.sessions) == self.kept
        for client in self.kept:
            link = namespace.links.sessions[client]
            queue = namespace.by_id[link.entity_id]
            stored = [
                (named_under(one.session_id or "")[0], one.priority)
                for one in queue.entries.values()
            ]
            assert stored == self.due[client]
            taken = {int.from_bytes(t[1:], "big") for t in link.outcomes if t[:1] == TAKEN}
            assert taken == self.ids[client]
            assert not any(t[:1] == RELEASED for t in link.outcomes)

    @invariant()
    def groups_are_there_as_long_as_somebody_shares(self) -> None:
        is_shared = any(SHARED in filters for filters in self.filters.values())
        assert (SHARED in self.desk.house.namespace.listeners.groups) == is_shared

    @rule()
    def crash(self) -> None:
        """Recovery is `apply` and nothing else: from the journal, and from a snapshot."""
        check_recovery(self.desk)


SignalLife.TestCase.settings = settings(deadline=None)
TestSignalLife = SignalLife.TestCase
