"""Selectors in a source's filter-set, as clients write them."""

import pytest

from peeklock.errors import InvalidFilter
from peeklock.frontends.amqp_selector import selector_of
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import Described, Symbol, ULong
from tests.support.fake_view import FakeView

NAMED = Symbol("apache.org:selector-filter:string")


@pytest.mark.parametrize("descriptor", [NAMED, ULong(0x468C00000004)])
def test_one_is_found_with_its_key(descriptor: Symbol | ULong) -> None:
    key = Symbol("jms-selector")
    found = selector_of({key: Described(descriptor, "color = 'red'")})
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
    assert selector_of(others) is None
    assert selector_of({}) is None
    assert selector_of(None) is None


def test_what_is_no_selector_is_refused() -> None:
    with pytest.raises(InvalidFilter, match="line 1, column 4: expected"):
        selector_of({"s": Described(NAMED, "a =")})
    with pytest.raises(InvalidFilter, match="a selector is a string, not 5"):
        selector_of({"s": Described(NAMED, 5)})
    with pytest.raises(InvalidFilter, match="2 selectors; a receiver has one"):
        selector_of({"s": Described(NAMED, "a"), "t": Described(NAMED, "b")})
