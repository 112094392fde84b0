"""SET and REMOVE, one after the other."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.actions import ChangedView, Changes, sql_action
from peeklock.filters.values import Value
from peeklock.filters.view import SystemProperty
from tests.support.fake_view import NEW_ID, FakeView
from tests.support.filters import any_values

LABEL, TO = SystemProperty.LABEL, SystemProperty.TO


def after(text: str, user: dict[str, Value] | None = None) -> dict[str, Value]:
    """The application properties that are changed; `...` for those that go."""
    view = FakeView(user, {LABEL: "order"})
    changes = sql_action(text).apply(view)
    return {one.name: "gone" if one.removed else one.value for one in changes.user.values()}


class TestSet:
    def test_service_bus_own_example(self) -> None:
        text = "SET quantity = quantity / 2; REMOVE priority;SET sys.CorrelationId = 'low';"
        changes = sql_action(text).apply(FakeView({"quantity": 11, "priority": "high"}))
        assert changes.user["quantity"].value == 5
        assert changes.user["priority"].removed
        assert changes.system == {SystemProperty.CORRELATION_ID: "low"}

    def test_each_sees_what_those_before_it_did(self) -> None:
        assert after("SET a = 1; SET b = a + 1; SET a = b + 1") == {"a": 3, "b": 2}
        assert after("REMOVE a; SET b = a", {"a": 1}) == {"a": "gone", "b": None}
        assert after("SET sys.Label = 'x'; SET a = sys.Label") == {"a": "x"}
        assert after("SET Color = 'x'; SET a = COLOR") == {"Color": "x", "a": "x"}

    def test_of_what_is_not_there_is_null(self) -> None:
        assert after("SET a = missing", {"a": 1}) == {"a": None}
        changes = sql_action("SET sys.To = missing").apply(FakeView({}, {TO: "q"}))
        assert changes.system == {TO: None}

    @pytest.mark.parametrize(
        ("before", "text", "value"),
        [
            (None, "1.0", 1.0),
            (1, "7.0", 7),  # whole stays whole
            (1, "7.5", 7.5),  # if it can
            (1.5, "7", 7.0),
            (Decimal(1), "7", Decimal(7)),
            ("x", "7", "7"),
            ("x", "TRUE", "true"),
            (True, "7", 7),
            (7, "TRUE", True),
            (7, "'x'", "x"),
            (7, "1E300", 1e300),  # beyond 64 bits
            (7, "1.0 / 0", float("inf")),
        ],
    )
    def test_keeps_the_kind_that_the_property_had(
        self, before: Value, text: str, value: Value
    ) -> None:
        found = after(f"SET a = {text}", {"a": before})["a"]
        assert found == value
        assert type(found) is type(value)

    def test_the_messages_own_are_text(self) -> None:
        changes = sql_action("SET sys.To = 5; SET sys.MessageId = newid()").apply(FakeView())
        assert changes.system == {TO: "5", SystemProperty.MESSAGE_ID: str(NEW_ID)}

    def test_a_condition_in_brackets_is_a_value(self) -> None:
        assert after("SET urgent = (a > 5)", {"a": 6}) == {"urgent": True}

    def test_parameters(self) -> None:
        changes = sql_action("SET a = @p", {"p": "x"}).apply(FakeView())
        assert changes.user["a"].value == "x"
        with pytest.raises(InvalidFilter, match="@p"):
            sql_action("SET a = @p")


class TestErrors:
    def test_say_where(self) -> None:
        with pytest.raises(FilterError, match="column 21: 1 / 0"):
            sql_action("SET a = 1; SET b = 1/ 0").apply(FakeView())

    def test_a_long_id_is_one(self) -> None:
        with pytest.raises(FilterError, match="65536 characters"):
            sql_action("SET sys.To = a").apply(FakeView({"a": "x" * 65_537}))


def test_the_view_after_changes() -> None:
    changes = Changes()
    view = ChangedView(FakeView({"a": 1, "b": 2}, {TO: "q"}), changes)
    changes.set_user("A", 5)
    changes.remove_user("b")
    changes.set_user("RuleName", "r")
    changes.set_system(LABEL, "x")
    assert [view.user(name) for name in ("a", "b", "c", "rulename")] == [5, None, None, "r"]
    assert view.has_user("a")
    assert view.has_user("rulename")
    assert not view.has_user("B")
    assert not view.has_user("c")
    assert (view.system(LABEL), view.system(TO)) == ("x", "q")
    assert view.new_id() == NEW_ID


TARGETS = st.sampled_from(["a", "B", "[c d]", "sys.To", "sys.Label"])
EXPRESSIONS = st.sampled_from(
    ["a", "b", "a + b", "-a", "a / 2", "sys.To + 'x'", "(a = b)", "p(a)", "newid()", "NULL"]
)
STATEMENTS = st.builds("SET {} = {}".format, TARGETS, EXPRESSIONS) | st.builds(
    "REMOVE {}".format, TARGETS
)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), any_values, any_values)
def test_nothing_but_filter_errors_is_raised(texts: list[str], a: Value, b: Value) -> None:
    action = sql_action("; ".join(texts))
    try:
        changes = action.apply(FakeView({"a": a, "b": b}, {TO: "q"}))
    except FilterError:
        return
    for text in changes.system.values():
        assert text is None or isinstance(text, str)
