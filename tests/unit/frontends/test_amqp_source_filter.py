"""Selectors in a source's filter-set, as clients write them."""

import pytest

from peeklock.errors import InvalidFilter
from peeklock.frontends.amqp_source_filter import source_filter_of
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import Described, Symbol, ULong
from tests.support.fake_view import FakeView

NAMED = Symbol("apache.org:selector-filter:string")


@pytest.mark.parametrize("descriptor", [NAMED, ULong(0x468C00000004)])
def test_one_is_found_with_its_key(descriptor: Symbol | ULong) -> None:
    key = Symbol("jms-selector")
    found = source_filter_of({key: Described(descriptor, "color = 'red'")})
    assert found is not None
    assert found[0] == key
    assert found[1].matches(FakeView({"color": "red"}))
    assert not found[1].matches(FakeView({"color": "blue"}))


def test_other_filters_are_not_ours() -> None:
    others: AmqpMap = {
        Symbol("no-local"): Described(Symbol("apache.org:no-local-filter:list"), []),
        Symbol("com.microsoft:session-filter"): "s",
        Symbol("selector"): "color = 'red'",  # not described: it says nothing of its type
    }
    assert source_filter_of(others) is None
    assert source_filter_of({}) is None
    assert source_filter_of(None) is None


def test_what_is_no_selector_is_refused() -> None:
    with pytest.raises(InvalidFilter, match="line 1, column 4: expected"):
        source_filter_of({"s": Described(NAMED, "a =")})
    with pytest.raises(InvalidFilter, match="a selector is a string, not 5"):
        source_filter_of({"s": Described(NAMED, 5)})
    with pytest.raises(InvalidFilter, match="2 filters; a receiver has one"):
        source_filter_of({"s": Described(NAMED, "a"), "t": Described(NAMED, "b")})


FIRE = FakeView(
    attributes={"specversion": "1.0", "type": "com.example.fire", "subject": "north/2/hall"}
)
FLOOD = FakeView(
    attributes={"specversion": "1.0", "type": "com.example.flood", "subject": "south/2/hall"}
)


@pytest.mark.parametrize(
    ("descriptor", "value"),
    [
        ("peeklock:cesql-filter:string", "type LIKE '%.fire'"),
        ("peeklock:path-filter:string", "north/+/hall"),
        ("peeklock:event-filters:list", [{Symbol("suffix"): {"type": ".fire"}}]),
        ("peeklock:event-filters:list", '[{"suffix": {"type": ".fire"}}]'),
    ],
)
def test_filters_of_events(descriptor: str, value: object) -> None:
    found = source_filter_of({"f": Described(Symbol(descriptor), value)})
    assert found is not None
    assert found[1].matches(FIRE)
    assert not found[1].matches(FLOOD)


def test_receivers_that_want_the_same_share_a_filter() -> None:
    def wanted(value: object) -> object:
        found = source_filter_of({"f": Described(Symbol("peeklock:event-filters:list"), value)})
        assert found is not None
        return found[1]

    assert wanted([{"exact": {"type": "a"}}]) is wanted('[{"exact":{"type":"a"}}]')


@pytest.mark.parametrize(
    ("descriptor", "value", "told"),
    [
        ("peeklock:cesql-filter:string", "a = = 1", "line 1, column 5: expected"),
        ("peeklock:cesql-filter:string", 5, "a CESQL expression is a string, not 5"),
        ("peeklock:path-filter:string", "a/b#", "column 3: .*whole level"),
        ("peeklock:path-filter:string", ["a"], "a path is a string"),
        ("peeklock:event-filters:list", [{"exact": {"type": 3}}], r"filters\[0\].exact.type: "),
        ("peeklock:event-filters:list", [[]], r"filters\[0\]: an object with one member"),
        ("peeklock:event-filters:list", {"exact": {}}, "a list of event filters is a string"),
    ],
)
def test_what_is_no_filter_is_refused(descriptor: str, value: object, told: str) -> None:
    with pytest.raises(InvalidFilter, match=told):
        source_filter_of({"f": Described(Symbol(descriptor), value)})


def test_a_descriptor_may_be_anything() -> None:
    assert source_filter_of({"f": Described([1], "x"), "g": Described({"a": 1}, "x")}) is None
