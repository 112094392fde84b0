"""Bodies read back are what was written, or are not given out."""

from pathlib import Path

import pytest

from peeklock.entities.facts import Enqueued, Origin, Relocated
from peeklock.message import Message
from peeklock.store.file_journal import FileJournal
from peeklock.store.journal import MessageDamaged
from peeklock.store.segment import segment_path
from peeklock.types import EntityPath, Lsn, SequenceNumber, UnixMs
from tests.support.disk_house import flip
from tests.support.facts import QUEUE, enqueued


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path, free_bytes_min=0, segment_bytes=1 << 20)


def damage(journal: FileJournal, folder: Path, position: Lsn) -> None:
    """Change a byte on the disk."""
    start = max(start for start in journal.segments if start <= position)
    flip(segment_path(folder, start), position - start)


def test_a_changed_byte_is_found_and_named(journal: FileJournal, tmp_path: Path) -> None:
    facts = [enqueued(number, b"x" * 1000) for number in range(1, 4)]
    ends = [journal.append([fact]) for fact in facts]
    journal.sync()
    damage(journal, tmp_path, Lsn(facts[1].body_at + 500))
    with pytest.raises(MessageDamaged, match=f"journal at offset {ends[0]}: its checksum"):
        journal.fetch(facts[1].body_at)
    assert list(journal.damages) == [facts[1].body_at]
    for good in (facts[0], facts[2]):
        assert journal.fetch(good.body_at).bare == b"x" * 1000


def test_so_it_is_in_a_record_of_many(journal: FileJournal, tmp_path: Path) -> None:
    journal.append([enqueued(1)])
    batch = [enqueued(number, b"%d" % number * 500) for number in range(2, 900)]
    journal.append(list(batch))
    journal.append([enqueued(900)])
    journal.sync()
    for fact in (batch[0], batch[450], batch[-1]):
        assert fact.message is not None
        assert journal.fetch(fact.body_at).bare == fact.message.bare
    other = FileJournal(tmp_path, journal.end, free_bytes_min=0, segment_bytes=1 << 20)
    damage(other, tmp_path, Lsn(batch[7].body_at + 100))
    for fact in (batch[0], batch[450], batch[-1]):
        with pytest.raises(MessageDamaged, match="its checksum does not fit"):
            other.fetch(fact.body_at)


@pytest.mark.parametrize("size", [0, 30, 300, 300_000])
def test_a_message_is_found_at_any_offset_in_its_record(
    journal: FileJournal, tmp_path: Path, size: int
) -> None:
    """A dead letter's and a copied one's are not where a sent one's is."""
    message = Message(b"m" * size)
    origin = Origin(EntityPath("a" * 100), SequenceNumber(1), UnixMs(1), "why", "because")
    dead = Enqueued(QUEUE, SequenceNumber(1), message, UnixMs(5), size, 0, origin=origin)
    copied = Relocated(QUEUE, SequenceNumber(2), message)
    journal.append([enqueued(7, b"magic \xa7plk is no header")])
    journal.append([dead])
    journal.append([copied])
    journal.append([enqueued(8)])
    journal.sync()
    for fact in (dead, copied):
        assert journal.fetch(fact.body_at).bare == message.bare
    if size:
        damage(journal, tmp_path, Lsn(copied.body_at + size))
        again = FileJournal(tmp_path, journal.end, free_bytes_min=0, segment_bytes=1 << 20)
        with pytest.raises(MessageDamaged):
            again.fetch(copied.body_at)
        assert again.fetch(dead.body_at).bare == message.bare


def test_a_damaged_header_is_found(journal: FileJournal, tmp_path: Path) -> None:
    facts = [enqueued(number, b"x" * 1000) for number in range(1, 4)]
    ends = [journal.append([fact]) for fact in facts]
    journal.sync()
    damage(journal, tmp_path, ends[0])  # the magic of the second
    with pytest.raises(MessageDamaged, match=f"at offset {ends[0]}: it is no record"):
        journal.fetch(facts[1].body_at)


def test_what_is_cut_off_is_found(journal: FileJournal, tmp_path: Path) -> None:
    fact = enqueued(1, b"x" * 1000)
    journal.append([fact])
    journal.sync()
    with segment_path(tmp_path, Lsn(0)).open("r+b") as file:
        file.truncate(fact.body_at + 100)
    with pytest.raises(MessageDamaged, match="the file ends before it does"):
        journal.fetch(fact.body_at)
