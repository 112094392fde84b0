"""Which forwards may be set: to what is there, and to nothing that leads back."""

import pytest

from peeklock.errors import InvalidRequest
from peeklock.management.operations import delete_queue, update_queue
from peeklock.management.ways_on import of_right
from tests.support.house import House


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("setting", ["forward_to", "forward_dead_letters_to"])
class TestTargets:
    def test_one_that_is_there(self, house: House, setting: str) -> None:
        house.queue("Audit/All")
        house.topic("Tickets")
        for given, expected in (
            ("audit/all", "Audit/All"),
            ("sb://localhost:5300/Audit%2Fall", "Audit/All"),
            ("tickets", "Tickets"),
        ):
            queue = house.queue(f"orders-{len(house.namespace.queues())}", **{setting: given})
            assert getattr(queue.settings, setting) == expected

    def test_one_that_is_not(self, house: House, setting: str) -> None:
        with pytest.raises(InvalidRequest, match=f"{setting}.*no queue or topic is there"):
            house.queue("orders", **{setting: "audit"})

    def test_itself(self, house: House, setting: str) -> None:
        with pytest.raises(InvalidRequest, match="itself"):
            house.queue("orders", **{setting: "Orders"})
        house.queue("orders")
        with pytest.raises(InvalidRequest, match="itself"):
            update_queue(house.engine, "orders", {setting: "orders"}, house.now, of_right)

    def test_what_nobody_sends_to(self, house: House, setting: str) -> None:
        house.queue("audit")
        house.subscription(house.topic(), "erp")
        for given in ("audit/$DeadLetterQueue", "tickets/Subscriptions/erp"):
            with pytest.raises(InvalidRequest, match="no queue or topic is there"):
                house.queue("orders", **{setting: given})

    def test_of_dead_letters_there_is_none(self, house: House, setting: str) -> None:
        house.queue("audit")
        house.queue("orders")
        with pytest.raises(InvalidRequest, match="a dead-letter queue forwards nothing"):
            update_queue(
                house.engine, "orders/$DeadLetterQueue", {setting: "audit"}, house.now, of_right
            )

    def test_it_can_be_taken_away_again(self, house: House, setting: str) -> None:
        house.queue("audit")
        queue = house.queue("orders", **{setting: "audit"})
        update_queue(house.engine, "orders", {setting: ""}, house.now, of_right)
        assert getattr(queue.settings, setting) == ""

    def test_one_that_is_gone_does_not_hinder_other_changes(
        self, house: House, setting: str
    ) -> None:
        house.queue("audit")
        queue = house.queue("orders", **{setting: "audit"})
        delete_queue(house.engine, "audit")
        update_queue(house.engine, "orders", {"max_delivery_count": 3}, house.now, of_right)
        assert queue.settings.max_delivery_count == 3
        assert getattr(queue.settings, setting) == "audit"


class TestLoops:
    def test_of_two(self, house: House) -> None:
        house.queue("b")
        house.queue("a", forward_to="b")
        with pytest.raises(InvalidRequest, match="would make a loop: b → a → b"):
            update_queue(house.engine, "b", {"forward_to": "a"}, house.now, of_right)

    def test_of_many_by_either_setting(self, house: House) -> None:
        house.queue("c")
        house.queue("b", forward_dead_letters_to="c")
        house.queue("a", forward_to="b")
        with pytest.raises(InvalidRequest, match="a loop: c → a → b → c"):
            update_queue(
                house.engine, "c", {"forward_dead_letters_to": "a"}, house.now, of_right
            )

    def test_through_a_topic(self, house: House) -> None:
        tickets = house.topic()
        house.queue("audit", forward_to="tickets")
        with pytest.raises(
            InvalidRequest,
            match="a loop: tickets → tickets/Subscriptions/all → audit → tickets",
        ):
            house.subscription(tickets, "all", forward_to="audit")
        erp = house.subscription(tickets, "erp")
        with pytest.raises(InvalidRequest, match="a loop"):
            update_queue(house.engine, erp.path, {"forward_to": "audit"}, house.now, of_right)

    def test_back_to_its_own_topic(self, house: House) -> None:
        tickets = house.topic()
        with pytest.raises(InvalidRequest, match="a loop"):
            house.subscription(tickets, "all", forward_to="tickets")

    def test_through_a_name_that_comes_back(self, house: House) -> None:
        house.queue("b")
        house.queue("a", forward_to="b")
        delete_queue(house.engine, "b")
        with pytest.raises(InvalidRequest, match="a loop: b → a → b"):
            house.queue("b", forward_to="a")

    def test_two_ways_to_the_same_place_are_none(self, house: House) -> None:
        house.queue("last")
        house.queue("left", forward_to="last")
        house.queue("right", forward_to="left", forward_dead_letters_to="last")
        tickets = house.topic()
        house.subscription(tickets, "one", forward_to="left")
        house.subscription(tickets, "two", forward_to="right")
