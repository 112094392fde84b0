"""Facts as versions before this one wrote them. What this one writes, tests/property/ reads."""

from struct import pack

from peeklock.entities.facts import Fact, RuleCreated
from peeklock.entities.settings import RuleSettings
from peeklock.store.fact_codec import FactReader
from peeklock.types import Lsn


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
