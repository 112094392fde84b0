"""Facts as versions before this one wrote them. What this one writes, tests/property/ reads."""

from struct import pack

from peeklock.entities.facts import (
    Cause,
    Fact,
    LastValueCleared,
    LastValueSet,
    QueueCreated,
    QueueUpdated,
    Rewritten,
    RuleCreated,
    TopicCreated,
    TopicUpdated,
)
from peeklock.entities.settings import RuleSettings
from peeklock.store.fact_codec import FactReader
from peeklock.types import NEVER, Lsn


def read(data: bytes) -> list[Fact]:
    return FactReader(data, 0, len(data), Lsn(0)).read_all()


def test_a_rule_without_parameters() -> None:
    """Before rules had any, and knew instants."""
    rule = (
        b'{"name":"r","kind":"correlation","expression":"","properties":'
        b'[["a",1],["b","inf","float"]],"action":"SET c = 1"}'
    )
    (fact,) = read(pack(">BIQI", 17, 7, 1234, len(rule)) + rule)
    assert isinstance(fact, RuleCreated)
    properties = (("a", 1), ("b", float("inf")))
    assert fact.rule == RuleSettings("r", "correlation", "", properties, "SET c = 1")
    assert (fact.queue_id, fact.created_at) == (7, 1234)


def test_settings_without_when_they_were_changed() -> None:
    """Before that was told."""
    settings = b'{"max_bytes":5}'
    tail = pack(">H", len(settings)) + settings
    path = pack(">H", 1) + b"q"
    queue, update, topic, other = read(
        pack(">BIIQ", 8, 7, 0, 1234) + path + tail
        + pack(">BI", 9, 7) + tail
        + pack(">BIQ", 13, 8, 1234) + path + tail
        + pack(">BI", 14, 8) + tail
    )  # fmt: skip
    assert isinstance(queue, QueueCreated)
    assert isinstance(update, QueueUpdated)
    assert isinstance(topic, TopicCreated)
    assert isinstance(other, TopicUpdated)
    for fact in (queue, update, topic, other):
        assert (fact.updated_at, fact.settings.max_bytes) == (NEVER, 5)


def test_a_rewritten_message() -> None:
    """Code 30, as docs/FORMAT.md has it; its size is that of its parts."""
    message = pack(">BBqII", 1, 4, -1, 3, 5) + b"ann" + b"bare!"
    (fact,) = read(pack(">BIQ", 30, 7, 12) + message)
    assert isinstance(fact, Rewritten)
    assert (fact.queue_id, fact.number, fact.size, fact.body_at) == (7, 12, 8, 13)


def test_last_values() -> None:
    """Codes 31 and 32, as docs/FORMAT.md has them: with a subject and the message, and with
    neither."""
    message = pack(">BBqII", 0, 4, -1, 0, 5) + b"bare!"
    head = pack(">BIQQIQQB", 31, 7, 12, 1234, 5, 2000, 11, 3) + pack(">H", 2) + b"41"
    bare_head = pack(">BIQQIQQB", 31, 7, 13, 1234, 5, 0, 0, 0) + pack(">q", 99)
    cleared = pack(">BIBIQI", 32, 7, 3, 1, 12, 2)
    one, other, gone = read(head + message + bare_head + cleared)
    assert isinstance(one, LastValueSet)
    assert (one.queue_id, one.number, one.subject, one.kept_at) == (7, 12, "41", 1234)
    assert (one.size, one.expires_at, one.source_number) == (5, 2000, 11)
    assert one.body_at == len(head)
    assert isinstance(other, LastValueSet)
    assert (other.subject, other.expires_at, other.body_at) == (None, NEVER, 99)
    assert isinstance(gone, LastValueCleared)
    assert (gone.numbers, gone.cause) == ([12, 13], Cause.EXPIRED)
