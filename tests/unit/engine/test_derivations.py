"""Jobs of signals: which, what they say, where they end up, and that each cause makes one."""

from itertools import count
from typing import Any

import pytest

from peeklock.engine.effects import Accepted, Refused
from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.entities.lens import Lens
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.residency import NobodyKeeps, Residency
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import (
    AlreadyExists,
    BrokerError,
    InvalidFilter,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
)
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.limits import (
    DERIVATION_CAUSE_WINDOW,
    DERIVATION_PROPERTIES_MAX,
    DERIVATIONS_MAX,
    DERIVED_TEXT_CHARACTERS_MAX,
    EVENT_FILTERED_BYTES_MAX,
)
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, UnixMs
from tests.support.fake_ids import FakeIds
from tests.support.house import House, pictures, replayed
from tests.support.signals import FIRE, jobs, signal

IDS = count(1)
PATH = "building/{building}/floor/{floor}/#"
TOO_MANY = tuple((f"p{number}", "") for number in range(DERIVATION_PROPERTIES_MAX + 1))


class CountingLens:
    """Counts how often somebody asks for data."""

    def __init__(self, ids: FakeIds) -> None:
        self.real = AmqpLens(ids)
        self.data_count = 0
        self.view = self.real.view
        self.changed = self.real.changed
        self.with_properties = self.real.with_properties
        self.compose = self.real.compose
        self.identity = self.real.identity

    def data(self, message: Message) -> bytes | None:
        self.data_count += 1
        return self.real.data(message)


class Site:
    """A topic whose signals make jobs in one queue."""

    def __init__(self, lens: Lens | None = None, **settings: Any) -> None:
        namespace = None if lens is None else Namespace(Residency(1 << 40, NobodyKeeps()), lens)
        self.house = House(namespace=namespace)
        self.queue: Queue = self.house.queue("evacuations", **settings)
        self.dead = self.house.dead_letters(self.queue)
        self.topic: Topic = self.house.topic("site")

    def derive(self, name: str = "fire", to: str = "evacuations", **settings: Any) -> None:
        chosen = DerivationSettings(name, to, **settings)
        house = self.house
        house.engine.commit_registry(
            house.namespace.create_derivation("site", chosen, house.now)
        )

    def send(self, data: object = None, *, not_before: int = NEVER, **given: Any) -> None:
        given.setdefault("id_", f"s-{next(IDS)}")
        self.submit(Submission(signal(data, **given), UnixMs(not_before)))

    def submit(self, *given: Submission) -> None:
        self.house.engine.send_all(
            self.house.peer, "link", 0, self.topic, list(given), self.house.now, settled=False
        )

    def answers(self) -> list[str]:
        return [
            f"{type(effect.error).__name__}: {effect.error}"
            if isinstance(effect, Refused)
            else "accepted"
            for effect in self.house.sync()
            if isinstance(effect, Accepted | Refused)
        ]

    def bodies(self) -> list[Any]:
        return [job.body for job in jobs(self.queue)]

    def reasons(self) -> list[tuple[str, str]]:
        return [
            (entry.origin.reason, entry.origin.description)
            for entry in self.dead.entries.values()
            if entry.origin is not None
        ]

    def recovers(self) -> None:
        """Replay makes what is here."""
        self.house.journal.sync()
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        now = self.house.now
        assert pictures(replayed(journal._facts), now) == pictures(self.house.namespace, now)


@pytest.fixture
def site() -> Site:
    return Site()


class TestTheJob:
    def test_it_says_what_its_template_does(self, site: Site) -> None:
        site.derive(
            path=PATH,
            key="${path.building}/${path.floor}",
            subject="evacuate floor ${path.floor}",
            body='{"floor": "${path.floor}", "degrees": "${data.t}", "of": "${derivation}"}',
            properties=(
                ("degrees", "${data.t}"),
                ("how", "${topic} ${key}"),
                ("x", "${data.x}"),
            ),
        )
        site.send({"t": 81.5}, id_="a")
        (job,) = jobs(site.queue)
        assert job.body == {"floor": "3", "degrees": 81.5, "of": "fire"}
        assert job.subject == "evacuate floor 3"
        assert job.content_type == "application/json"
        assert job.properties == {
            "degrees": 81.5,
            "how": "site 41/3",
            "x": "",
            "derived_by": "fire",
            "derived_from": "site",
            "derived_key": "41/3",
            "cause_source": "/sensors/7",
            "cause_id": "a",
            "cause_type": "org.contoso.measured",
            "cause_subject": FIRE,
        }
        assert job.correlation_id == "a"
        site.recovers()

    def test_without_a_template_it_says_what_there_is(self, site: Site) -> None:
        site.derive()
        site.send()
        (job,) = jobs(site.queue)
        assert job.subject == FIRE
        assert job.body == {"subject": FIRE, "key": "", "count": 1, "value": None}
        assert "derived_key" not in job.properties

    def test_its_message_id_is_that_of_its_cause(self, site: Site) -> None:
        other = Site()
        for one in (site, other):
            one.derive()
            one.derive("second")
            one.send(id_="a")
            one.send(id_="b")
        found = [job.message_id for job in jobs(site.queue)]
        assert len(set(found)) == 4
        assert found == [job.message_id for job in jobs(other.queue)]

    def test_a_message_that_is_no_event_is_its_topics(self, site: Site) -> None:
        site.derive(body='"${event.subject}"')
        site.submit(Submission(Message(b"\x00\x53\x75\xa0\x02hi")))
        (job,) = jobs(site.queue)
        assert job.properties["cause_source"] == "site"
        assert job.properties["cause_id"] == "#1"
        assert job.body is None

    def test_long_texts_are_cut_but_in_its_body(self, site: Site) -> None:
        long = "x" * (DERIVED_TEXT_CHARACTERS_MAX + 1)
        site.derive(
            subject="${data}",
            body='"${data}"',
            properties=(("p", "${data}"),),
            session="${data}",
        )
        site.send(long, source="/" + long)
        (job,) = jobs(site.queue)
        assert job.body == long
        assert job.subject == job.properties["p"] == long[1:]
        assert job.properties["cause_source"] == "/" + long[2:]

    def test_its_queue_holds_it_from_when_its_signal_is_due(self, site: Site) -> None:
        site.derive()
        site.send(not_before=site.house.now + 500)
        assert site.queue.first_ready(1) == []
        site.house.advance(500)
        assert len(site.queue.first_ready(1)) == 1

    def test_it_comes_by_the_append_of_its_signal(self, site: Site) -> None:
        site.house.subscription(site.topic, "all")
        site.derive()
        journal = site.house.journal
        assert isinstance(journal, MemoryJournal)
        before = len(journal._facts)
        site.send()
        assert len(journal._facts) == before + 1
        assert (site.topic.next_number, len(site.queue.entries)) == (2, 1)
        (job,) = site.queue.entries.values()
        assert job.source_number == 1


class TestWhichSignals:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, True),
            ({"path": PATH}, True),
            ({"path": "building/{building}"}, False),
            ({"sql": "[data.t] > 80"}, True),
            ({"sql": "[data.t] > 90"}, False),
            ({"sql": "[data.nothing] > 90"}, False),
            ({"sql": "[data.deep.0.x] = 'y'"}, True),
            ({"sql": "[path.floor] = '3'", "path": PATH}, True),
            ({"sql": "site = 'berlin' AND sys.Label IS NULL"}, True),
            ({"cesql": "type = 'org.contoso.measured'"}, True),
            ({"cesql": "type = 'another'"}, False),
        ],
    )
    def test_path_and_condition(
        self, site: Site, settings: dict[str, str], expected: bool
    ) -> None:
        site.derive(**settings)
        site.send({"t": 81, "deep": [{"x": "y"}]}, site="berlin")
        assert len(site.queue.entries) == expected
        assert site.reasons() == []

    def test_data_that_is_no_json_has_no_fields(self, site: Site) -> None:
        site.derive(sql="[data.t] > 80")
        site.send(b"\xff")
        assert (len(site.queue.entries), site.reasons()) == (0, [])

    def test_data_is_not_read_for_those_who_do_not_ask(self) -> None:
        lens = CountingLens(FakeIds())
        site = Site(lens)
        site.derive(path=PATH, key="${path.floor}", sql="site = 'berlin'", body='"now"')
        site.send({"t": 81}, site="berlin")
        assert (site.bodies(), lens.data_count) == (["now"], 0)
        site.derive("a", sql="[data.t] > 80", body='"${data.t}"')
        site.derive("b", key="${data.t}")
        site.send({"t": 81})
        assert (len(site.queue.entries), lens.data_count) == (3, 1)

    def test_structured_events_have_data_too(self, site: Site) -> None:
        from peeklock.cloudevents.amqp_binding import write_amqp_structured
        from peeklock.cloudevents.data import json_data
        from peeklock.frontends.amqp_event import bare_of
        from tests.support.events import event

        site.derive(body='["${data.t}", "${event.type}"]')
        parts = write_amqp_structured(event(json_data(b'{"t": 4}')))
        site.submit(Submission(Message(bare_of(parts))))
        assert site.bodies() == [[4, "com.example.opened"]]


class TestOncePerCause:
    def test_a_signal_that_comes_again_makes_no_second_job(self, site: Site) -> None:
        site.derive()
        site.derive("second")
        site.send(id_="a")
        site.send(id_="a")
        site.send(id_="a", source="/sensors/8")
        assert len(site.queue.entries) == 4
        site.recovers()

    def test_nor_within_one_append(self, site: Site) -> None:
        site.derive()
        site.submit(Submission(signal(id_="a")), Submission(signal(id_="a")))
        assert len(site.queue.entries) == 1

    def test_but_after_the_window_it_does(self, site: Site) -> None:
        site.derive()
        site.send(id_="a")
        site.house.advance(DERIVATION_CAUSE_WINDOW - 1)
        site.send(id_="a")
        assert len(site.queue.entries) == 1
        site.house.advance(1)
        site.send(id_="a")
        first, second = jobs(site.queue)
        assert first.message_id == second.message_id

    def test_a_transaction_that_was_tried_before_derives_once(self, site: Site) -> None:
        from peeklock.entities.arrivals import Arrivals

        site.derive()
        given = Submission(signal(id_="a"))
        relay = site.house.engine.relay
        relay.sent([(site.topic, [given])], site.house.now, Arrivals())
        site.submit(given)
        assert len(site.queue.entries) == 1


class TestWhatCannotBe:
    def test_a_signal_that_nothing_can_be_made_of_is_a_dead_letter(self, site: Site) -> None:
        site.house.subscription(site.topic, "all")
        site.derive(body='"${data.t}"')
        site.send(b"{nonsense", id_="a")
        site.send(b"{nonsense", id_="a")
        assert site.answers() == ["accepted", "accepted"]
        ((reason, why),) = site.reasons()
        assert reason == "DerivationFailed"
        assert "site/Derivations/fire: its data is no JSON" in why
        (letter,) = site.dead.entries.values()
        assert letter.message is not None
        assert letter.message.bare == signal(b"{nonsense", id_="a").bare
        site.recovers()

    def test_unless_nobody_wants_it(self, site: Site) -> None:
        site.derive(body='"${data.t}"', dead_letter_on_error=False)
        site.send(b"{nonsense")
        assert (site.answers(), site.reasons(), site.bodies()) == (["accepted"], [], [])

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"\xff", "no JSON"),
            (b'"' + b"x" * EVENT_FILTERED_BYTES_MAX + b'"', "too large"),
        ],
    )
    def test_data_that_cannot_be_looked_into(self, site: Site, data: bytes, why: str) -> None:
        site.derive(body='"${data}"')
        site.send(data)
        ((_reason, description),) = site.reasons()
        assert why in description

    def test_a_condition_that_fails(self, site: Site) -> None:
        site.derive(sql="level > 1")
        site.send(level="many")
        ((_reason, why),) = site.reasons()
        assert "string" in why

    def test_a_key_of_nothing(self, site: Site) -> None:
        site.derive(key="${data.room}")
        site.send({})
        assert "its key has nothing for ${data.room}" in site.reasons()[0][1]

    def test_a_job_that_its_full_queue_cannot_have_is_a_dead_letter_there(self) -> None:
        site = Site(max_messages=1)
        site.derive()
        site.send(id_="a")
        site.submit(*(Submission(signal(id_=id_)) for id_ in "bc"))
        assert site.answers() == ["accepted", "accepted"]
        assert len(site.queue.entries) == 1
        assert [job.correlation_id for job in jobs(site.dead)] == ["b", "c"]
        assert {reason for reason, _why in site.reasons()} == {"DerivedJobRefused"}
        site.recovers()

    def test_a_queue_that_wants_sessions(self) -> None:
        site = Site(requires_session=True)
        site.derive()
        site.send()
        ((reason, why),) = site.reasons()
        assert reason == "DerivedJobRefused"
        assert "group-id" in why
        site.derive("in order", path=PATH, session="floor ${path.floor}")
        site.send()
        assert site.queue.sessions is not None
        assert list(site.queue.sessions.by_id) == ["floor 3"]
        site.recovers()

    def test_a_queue_that_drops_its_oldest_has_the_newest(self) -> None:
        from peeklock.entities.settings import Overflow

        site = Site(max_messages=1, overflow=Overflow.DROP_OLDEST)
        site.derive()
        for id_ in "abc":
            site.send(id_=id_)
        assert [job.correlation_id for job in jobs(site.queue)] == ["c"]
        assert site.reasons() == []

    def test_a_queue_that_forwards_passes_it_on(self, site: Site) -> None:
        last = site.house.queue("last", max_messages=1)
        site.house.queue("first", forward_to="last")
        site.derive(to="first")
        site.send(id_="a")
        site.send(id_="b")
        assert site.answers() == ["accepted", "accepted"]
        assert [job.correlation_id for job in jobs(last)] == ["a"]
        dead = site.house.dead_letters(site.house.namespace.find("first"))
        assert [job.correlation_id for job in jobs(dead)] == ["b"]
        site.recovers()

    def test_a_queue_that_is_gone_refuses_the_signals_that_need_it(self, site: Site) -> None:
        site.derive(path="alarm")
        house = site.house
        house.engine.commit_registry(house.namespace.delete("evacuations"))
        site.send(subject="all well")
        site.send(subject="alarm", id_="a")
        fine, refused = site.answers()
        assert fine == "accepted"
        assert "'site/Derivations/fire' forwards to 'evacuations', which is not" in refused
        queue = house.queue("evacuations")
        site.send(subject="alarm", id_="a")
        assert len(queue.entries) == 1

    def test_a_topic_with_derivations_does_not_go_by_itself(self, site: Site) -> None:
        house = site.house
        idle = house.topic("idle", auto_delete_on_idle_ms=300_000)
        settings = DerivationSettings("fire", "evacuations")
        facts = house.namespace.create_derivation("idle", settings, house.now)
        house.engine.commit_registry(facts)
        house.advance(300_000)
        assert house.namespace.has_topic("idle")
        house.engine.commit_registry(idle.derivations.remove("fire"))
        house.turn()
        house.advance(300_000)
        assert not house.namespace.has_topic("idle")

    def test_a_derivation_of_another_version_fails_on_all(self, site: Site) -> None:
        from peeklock.entities.derivation_facts import DerivationCreated

        strange = DerivationSettings("new", "evacuations", sql="a NEW operator")
        topic_id = site.topic.topic_id
        site.house.engine.commit_registry(
            [DerivationCreated(topic_id, strange, site.house.now)]
        )
        site.send()
        ((reason, why),) = site.reasons()
        assert reason == "DerivationFailed"
        assert "the condition of derivation 'new'" in why


class TestWhoMayBe:
    def refused(self, site: Site, kind: type[BrokerError], **settings: Any) -> str:
        with pytest.raises(kind) as refusal:
            site.derive(**settings)
        return str(refusal.value)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"name": ""}, "1 to 50 characters"),
            ({"name": "a/b"}, "no '/'"),
            ({"to": ""}, "to is missing"),
            ({"to": "nowhere"}, "to is 'nowhere'; expected a queue that is there"),
            ({"to": "site"}, "to is 'site'; expected a queue"),
            ({"to": "evacuations/$DeadLetterQueue"}, "expected a queue that is there"),
            ({"sql": "a = 1", "cesql": "a = 1"}, "cesql and sql are two derivations"),
            ({"properties": (("cause_id", "x"),)}, "does not begin with cause_"),
            ({"properties": (("", "x"),)}, "properties has ''"),
            ({"properties": TOO_MANY}, f"properties has {len(TOO_MANY)}"),
        ],
    )  # fmt: skip
    def test_a_wrong_setting_is_named(
        self, site: Site, settings: dict[str, Any], said: str
    ) -> None:
        assert said in self.refused(site, InvalidRequest, **settings)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"sql": "a ="}, "line 1, column 4: expected"),
            ({"cesql": "a ="}, "the condition of derivation 'fire'"),
            ({"path": "a/#/b"}, "line 1, column 3: # stands alone"),
            ({"key": "${key}"}, "line 1, column 3: no placeholder begins with 'key'"),
            ({"key": "${path.x}", "path": "{a}/{b}"}, "expected one of its names: a, b"),
            ({"body": "{"}, "no JSON"),
            ({"subject": "${"}, "the subject of derivation 'fire'"),
            ({"properties": (("p", "${"),)}, "the property 'p' of derivation 'fire'"),
        ],
    )
    def test_a_wrong_text_is_shown_where(
        self, site: Site, settings: dict[str, Any], said: str
    ) -> None:
        assert said in self.refused(site, InvalidFilter, **settings)

    def test_names_are_taken_once_in_any_case(self, site: Site) -> None:
        site.derive("fire")
        self.refused(site, AlreadyExists, name="FIRE")
        derivations = site.topic.derivations
        site.house.engine.commit_registry(derivations.remove("Fire"))
        with pytest.raises(NotFound):
            derivations.find("fire")
        site.derive("FIRE")
        site.recovers()

    def test_there_are_only_so_many(self, site: Site) -> None:
        for number in range(DERIVATIONS_MAX):
            site.derive(f"d{number}")
        self.refused(site, QuotaExceeded, name="one more")

    def test_no_way_leads_back(self, site: Site) -> None:
        house = site.house
        house.queue("back", forward_to="site")
        said = self.refused(site, InvalidRequest, to="back")
        assert "to of derivation 'fire' of 'site' would make a loop: site → back → site" in said
        site.derive()
        from peeklock.entities.settings import QueueSettings

        with pytest.raises(InvalidRequest, match="would make a loop"):
            house.namespace.update("evacuations", QueueSettings(forward_to="site"), house.now)
