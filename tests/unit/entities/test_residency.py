"""Bytes that several queues share: in memory once, wanted in the journal once."""

from pathlib import Path

from peeklock.entities.dispositions import COMPLETE, Disposition, Verdict
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.residency import NobodyKeeps, Residency
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.store.file_journal import FileJournal
from tests.support.fake_ids import FakeIds
from tests.support.house import House

BODY = bytes(1000)
DEAD_LETTER = Disposition(Verdict.DEAD_LETTER, reason="bad")
COPIES = 3


def with_copies(house: House, count: int = COPIES) -> list[Queue]:
    """A message in so many subscriptions."""
    tickets = house.topic()
    queues = [house.subscription(tickets, f"s{number}") for number in range(count)]
    house.send(tickets, BODY)
    return queues


def settle(house: House, queue: Queue, how: Disposition = COMPLETE) -> None:
    receiver = house.receiver(queue, 1)
    house.turn()
    house.engine.settle_tokens(queue, house.held(receiver), how, house.now)
    house.engine.detach(receiver, house.now)


def on_disk(folder: Path, budget_bytes: int) -> House:
    namespace = Namespace(Residency(budget_bytes, NobodyKeeps()), AmqpLens(FakeIds()))
    return House(FileJournal(folder, free_bytes_min=0), namespace)


def test_memory_is_used_once_and_until_the_last_copy_goes() -> None:
    house = House()
    queues = with_copies(house)
    residency = house.namespace.residency
    for queue in queues:
        assert residency.used_bytes == len(BODY)
        settle(house, queue)
    assert residency.used_bytes == 0


def test_a_dead_letter_is_a_copy_like_others() -> None:
    house = House()
    queues = with_copies(house)
    settle(house, queues[0], DEAD_LETTER)
    assert house.namespace.residency.used_bytes == len(BODY)
    for queue in (house.dead_letters(queues[0]), *queues[1:]):
        settle(house, queue)
    assert house.namespace.residency.used_bytes == 0


def test_deleting_a_topic_frees_all_of_it() -> None:
    house = House()
    with_copies(house)
    house.engine.commit_registry(house.namespace.delete_topic("tickets"))
    assert house.namespace.residency.used_bytes == 0


def test_without_room_in_memory_all_copies_are_read_from_the_journal(tmp_path: Path) -> None:
    house = on_disk(tmp_path, len(BODY) - 1)
    queues = with_copies(house)
    for queue in queues:
        (entry,) = queue.entries.values()
        assert entry.message is None
        assert house.engine.message_of(entry).bare == BODY
    assert house.namespace.residency.used_bytes == 0


def test_a_hundred_copies_are_written_once(tmp_path: Path) -> None:
    house = on_disk(tmp_path, 1 << 20)
    tickets = house.topic()
    queues = [house.subscription(tickets, f"s{number}") for number in range(100)]
    before = house.journal.end
    house.send(tickets, BODY)
    assert house.journal.end - before < len(BODY) + 100 * 80
    assert len({entry.body_at for queue in queues for entry in queue.entries.values()}) == 1
