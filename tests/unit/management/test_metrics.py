"""What metrics say of entities: which, of how many, and only names that are described."""

import re
from pathlib import Path

from peeklock.engine.signal_desk import SignalDesk
from peeklock.entities.listeners import Wanted
from peeklock.limits import METRICS_ENTITIES_MAX
from peeklock.management.metrics import COUNTER, ENTITY_FAMILIES, entity_samples
from peeklock.server.metrics import FAMILIES
from peeklock.types import Millis
from tests.support.house import House

ROOT = Path(__file__).parents[3]


def entities(house: House, name: str = "peeklock_receivers") -> list[str]:
    return [labels[0] for labels, _value in entity_samples(house.engine, house.now)[name]]


def test_mqtt_sessions_and_dead_letters_are_no_entities_of_their_own() -> None:
    house = House()
    house.queue("orders")
    house.topic("news")
    desk = SignalDesk(house.engine)
    session = desk.enter(house.peer, "u", "one", Millis(60_000), house.now, is_clean=False)
    desk.listen(session, "$share/g/a", Wanted(session.listener, 1), house.now)
    desk.group("$share/g/a", house.now)
    assert entities(house) == ["orders"]
    assert entities(house, "peeklock_topic_last_values") == ["news", "signals"]


def test_there_are_so_many_and_no_more() -> None:
    house = House()
    for number in range(METRICS_ENTITIES_MAX + 2):
        house.queue(f"q{number}")
        house.topic(f"t{number}")
    shown = [f"q{number}" for number in range(METRICS_ENTITIES_MAX)]
    assert entities(house) == shown
    topics = entities(house, "peeklock_topic_messages_total")
    assert topics == [f"t{number}" for number in range(METRICS_ENTITIES_MAX)]
    found = entity_samples(house.engine, house.now)
    assert found["peeklock_entities_not_shown"] == [((), 4)]
    house.engine.commit_registry(house.engine.namespace.delete("q0"))
    assert entities(house) == [*shown[1:], f"q{METRICS_ENTITIES_MAX}"]


def test_the_oldest_message() -> None:
    house = House()
    queue = house.queue("orders")
    name = "peeklock_oldest_message_age_seconds"
    assert entity_samples(house.engine, house.now)[name] == [(("orders",), 0)]
    house.send(queue, b"")
    house.advance(1500)
    assert entity_samples(house.engine, house.now)[name] == [(("orders",), 1.5)]


def test_names_say_what_kind_they_are() -> None:
    for family in FAMILIES:
        assert family.name.startswith("peeklock_")
        assert family.name.endswith("_total") == (family.kind == COUNTER)
        assert family.about.endswith(".")
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    house = House()
    assert set(entity_samples(house.engine, house.now)) == {one.name for one in ENTITY_FAMILIES}


def test_the_pages_examples_use_names_that_there_are() -> None:
    text = (ROOT / "docs/howto/monitoring.md").read_text()
    named = set(re.findall(r"\bpeeklock_\w+", text))
    assert len(named) > 5
    assert named <= {family.name for family in FAMILIES}
