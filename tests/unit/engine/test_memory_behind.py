"""What was appended must be applied: an engine that cannot ends, whichever way it came."""

from collections.abc import Callable
from pathlib import Path

import pytest

from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.facts import Cause, Fact, Removed
from peeklock.store.journal import MemoryBehindJournal
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, SequenceNumber
from tests.support.faulty_apply import SpoilingJournal
from tests.support.house import House, empty_namespace


class Ended(BaseException):
    """In the place of the process's end."""


def unknown(house: House) -> list[Fact]:
    """A removal that nothing has decided."""
    queue = house.namespace.find("orders")
    return [Removed(queue.queue_id, [SequenceNumber(99)], Cause.COMPLETED)]


WAYS: dict[str, Callable[[House], object]] = {
    "commit": lambda h: h.engine.commit(h.namespace.find("orders"), unknown(h), h.now),
    "commit_facts": lambda h: h.engine.commit_facts(unknown(h)),
    "commit_registry": lambda h: h.engine.commit_registry(unknown(h)),
    "send_all": lambda h: h.engine.send_all(
        h.peer, "link", 0, h.namespace.find("orders"), [], h.now, settled=True,
        beside=unknown(h),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_fact_that_cannot_be_applied_ends_the_process(way: str) -> None:
    told: list[MemoryBehindJournal] = []

    def end(error: MemoryBehindJournal) -> None:
        told.append(error)
        raise Ended

    house = House()
    house.queue()
    house.engine = Engine(house.journal, house.namespace, house.ids, end)
    with pytest.raises(Ended):
        WAYS[way](house)
    assert [str(error) for error in told] == ["KeyError: 99"]
    assert isinstance(told[0].__cause__, KeyError)


def test_nobody_is_told_what_memory_does_not_know(tmp_path: Path) -> None:
    """A settlement whose fact is appended and fails: no effect, and the error goes up."""
    fault = tmp_path / "fault"
    namespace = empty_namespace()
    house = House(SpoilingJournal(MemoryJournal(keep=True), namespace, fault), namespace)  # type: ignore[arg-type]
    queue = house.queue()
    house.send(queue)
    worker = house.receiver(queue, credit=1)
    house.sync()
    [token] = house.held(worker)
    fault.touch()
    end_before = house.journal.end
    with pytest.raises(MemoryBehindJournal):
        house.engine.settle(
            worker, 0, [LockToken(token)], COMPLETE, "outcome", house.now, settled=False
        )
    assert house.journal.end > end_before
    house.journal.sync()
    assert house.engine.take_effects() == []
