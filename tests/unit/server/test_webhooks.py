"""Which queues have a webhook: told by the engine, from the first to the last."""

from peeklock.entities.push import Push
from peeklock.entities.settings import Status
from peeklock.server.push_rules import LOOPBACK, PushRules
from peeklock.server.webhooks import Webhooks
from peeklock.types import EntityPath
from tests.support.house import House
from tests.support.loop import settled

PUSH = Push(to="http://127.0.0.1:9/")
RULES = PushRules("broker.example", "https://broker.example", LOOPBACK, frozenset(), None)


class WebhookHouse:
    """Turns of the engine, without sockets of its own."""

    def __init__(self) -> None:
        self.house = House()
        self.webhooks = Webhooks(self.house.engine, self.house.clock, self.turn, RULES)

    def turn(self) -> None:
        self.house.turn()
        self.house.journal.sync()
        for effect in self.house.engine.take_effects():
            effect.peer.on_effect(effect)

    async def settle(self) -> None:
        self.turn()
        await settled()

    def delete(self, path: EntityPath) -> None:
        self.house.engine.commit_registry(self.house.namespace.delete(path))


async def test_queues_that_come_and_go() -> None:
    one = WebhookHouse()
    before = one.house.queue("before", push=PUSH)
    one.webhooks.start()
    after = one.house.queue("after", push=PUSH)
    one.house.queue("none")
    await one.settle()
    assert one.webhooks.queue_ids == {before.queue_id, after.queue_id}
    one.delete(before.path)
    await one.settle()
    await one.webhooks.close()
    assert one.webhooks.queue_ids == set()


async def test_one_that_hands_nothing_out_and_goes() -> None:
    one = WebhookHouse()
    one.webhooks.start()
    queue = one.house.queue("orders", push=PUSH, status=Status.DISABLED)
    await one.settle()
    assert one.webhooks.queue_ids == {queue.queue_id}
    assert one.house.engine.receivers_of(queue) == []
    one.delete(queue.path)
    await one.settle()
    assert one.webhooks.queue_ids == set()
    await one.webhooks.close()


async def test_nobody_waits_for_this_callback() -> None:
    one = WebhookHouse()
    assert not one.webhooks.grant("0123", None)
