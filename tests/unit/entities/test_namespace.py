"""Topics, subscriptions and rules: made, found, changed, gone; and in a snapshot."""

import pytest

from peeklock.engine.capture import Capture
from peeklock.engine.restore import Restorer
from peeklock.entities.facts import Fact
from peeklock.entities.namespace import Namespace
from peeklock.entities.settings import QueueSettings, RuleSettings, TopicSettings
from peeklock.errors import AlreadyExists, InvalidRequest, NotFound
from peeklock.types import Lsn, UnixMs
from tests.support.house import empty_namespace

NOW = UnixMs(1_000_000)


def namespace() -> Namespace:
    return empty_namespace()


def do(house: Namespace, facts: list[Fact]) -> None:
    for fact in facts:
        house.apply(fact)


def with_tickets() -> Namespace:
    house = namespace()
    do(house, house.create_topic("tickets", TopicSettings(), NOW))
    do(house, house.create_subscription("tickets", "erp", QueueSettings(), NOW))
    return house


def test_a_subscription_is_a_queue_under_its_topic() -> None:
    house = with_tickets()
    queue = house.find("TICKETS/subscriptions/ERP")
    assert queue.path == "tickets/Subscriptions/erp"
    owner = house.subscription_of(queue)
    assert owner is not None
    topic, subscription = owner
    assert topic is house.find_topic("Tickets")
    assert subscription is topic.find("Erp")
    assert house.dead_letters_of(queue).path == "tickets/Subscriptions/erp/$DeadLetterQueue"
    assert house.queues() == []


def test_a_new_subscription_takes_everything() -> None:
    (rule,) = with_tickets().find_topic("tickets").find("erp").rules.values()
    assert rule.settings == RuleSettings("$Default", "true")


def test_rules_come_and_go_by_name() -> None:
    house = with_tickets()
    subscription = house.find_topic("tickets").find("erp")
    do(house, subscription.add_rule(RuleSettings("Paid", "sql", "paid = TRUE"), NOW))
    with pytest.raises(AlreadyExists):
        subscription.add_rule(RuleSettings("paid"), NOW)
    do(house, subscription.remove_rule("$default"))
    assert list(subscription.rules) == ["paid"]
    with pytest.raises(NotFound):
        subscription.remove_rule("$Default")


def test_a_topic_takes_its_subscriptions_along() -> None:
    house = with_tickets()
    do(house, house.delete_topic("tickets"))
    assert not house.by_id
    assert not house.has_topic("tickets")
    assert not house.has("tickets/Subscriptions/erp")


def test_names_are_shared_by_queues_and_topics() -> None:
    house = with_tickets()
    with pytest.raises(AlreadyExists):
        house.create("Tickets", QueueSettings(), NOW)
    do(house, house.create("orders", QueueSettings(), NOW))
    with pytest.raises(AlreadyExists):
        house.create_topic("orders", TopicSettings(), NOW)
    with pytest.raises(InvalidRequest, match="words of addresses"):
        house.create("a/subscriptions/b", QueueSettings(), NOW)


@pytest.mark.parametrize("name", ["", "a" * 51, "a/b", " a", "$a"])
def test_what_names_no_subscription(name: str) -> None:
    with pytest.raises(InvalidRequest):
        with_tickets().create_subscription("tickets", name, QueueSettings(), NOW)


def test_what_is_fixed_stays() -> None:
    house = with_tickets()
    with pytest.raises(InvalidRequest, match="requires_session"):
        house.update("tickets/Subscriptions/erp", QueueSettings(requires_session=True), NOW)
    with pytest.raises(InvalidRequest, match="duplicates"):
        house.update_topic("tickets", TopicSettings(duplicate_window_ms=20_000), NOW)


def test_a_snapshot_has_topics_subscriptions_and_rules() -> None:
    house = with_tickets()
    do(house, house.create("orders", QueueSettings(), NOW))
    do(house, house.find_topic("tickets").find("erp").add_rule(RuleSettings("Paid"), NOW))
    capture = Capture(house)
    recovered = namespace()
    restorer = Restorer(recovered)
    while facts := capture.next_slice(Lsn(7)):
        restorer.apply(facts, Lsn(7))
    assert [queue.path for queue in recovered.by_id.values()] == [
        queue.path for queue in house.by_id.values()
    ]
    rules = recovered.find_topic("tickets").find("erp").rules
    assert list(rules) == ["$default", "paid"]
    do(recovered, recovered.create("next", QueueSettings(), NOW))
    assert max(recovered.by_id) > max(house.by_id)
