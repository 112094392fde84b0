"""What filters say of messages: three-valued logic, complete; the operators at their edges."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.errors import FilterError
from peeklock.filters.compiler import Compiler
from peeklock.filters.dialects import SQL
from peeklock.filters.parser import parse_expression
from peeklock.filters.tree import Expression
from peeklock.filters.values import Value
from peeklock.filters.view import SystemProperty
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX, LIKE_PATTERN_CHARACTERS_MAX
from tests.support.fake_view import NEW_ID, FakeView
from tests.support.filters import any_values, sql_expressions

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
T, F, U = True, False, None


def value_of(text: str, user: Mapping[str, Value] | None = None) -> Value:
    """What a condition gives for a message with these application properties."""
    program = Compiler(text, SQL, {}).compile(parse_expression(text, SQL))
    return program.evaluate(FakeView(user))


class TestThreeValues:
    """A property that is not there is unknown; one that is null is, too."""

    AND = (
        (T, T, T), (T, F, F), (T, U, U),
        (F, T, F), (F, F, F), (F, U, F),
        (U, T, U), (U, F, F), (U, U, U),
    )  # fmt: skip
    OR = (
        (T, T, T), (T, F, T), (T, U, T),
        (F, T, T), (F, F, F), (F, U, U),
        (U, T, T), (U, F, U), (U, U, U),
    )  # fmt: skip

    @pytest.mark.parametrize(("left", "right", "result"), AND)
    def test_and(self, left: Value, right: Value, result: Value) -> None:
        assert value_of("a AND b", {"a": left, "b": right}) is result

    @pytest.mark.parametrize(("left", "right", "result"), OR)
    def test_or(self, left: Value, right: Value, result: Value) -> None:
        assert value_of("a OR b", {"a": left, "b": right}) is result

    @pytest.mark.parametrize(("value", "result"), [(T, F), (F, T), (U, U)])
    def test_not(self, value: Value, result: Value) -> None:
        assert value_of("NOT a", {"a": value}) is result

    @pytest.mark.parametrize("parts", list(product((T, F, U), repeat=3)))
    def test_longer_chains_are_the_least_and_the_most(self, parts: tuple[Value, ...]) -> None:
        user = dict(zip("abc", parts, strict=True))
        order = [F, U, T]
        ranks = [order.index(part) for part in parts]  # type: ignore[arg-type]  # three of them
        assert value_of("a AND b AND c", user) is order[min(ranks)]
        assert value_of("a OR b OR c", user) is order[max(ranks)]

    @pytest.mark.parametrize(
        "text",
        [
            "x = 1", "x <> 1", "x = 'a'", "x <> 'a'", "1 = x", "x < 1", "x >= 1", "x = y",
            "x + 1 = 1", "-x = 1", "+x = 1", "NULL = NULL", "x = NULL",
            "x LIKE 'a'", "x NOT LIKE 'a'", "'a' LIKE x", "'a' LIKE 'b' ESCAPE x",
            "x IN ('a', 'b')", "x NOT IN ('a')", "x IN (1, y)", "1 IN (2, x)",
            "1 NOT IN (2, x)",
            "property(x) = 1", "p('x') = 1",
        ],
    )  # fmt: skip
    def test_what_is_made_of_unknown_is_unknown(self, text: str) -> None:
        assert value_of(text) is None
        assert value_of(text, {"x": None, "y": None}) is None

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("x IS NULL", T),
            ("x IS NOT NULL", F),
            ("x + 1 IS NULL", T),
            ("n IS NULL", T),
            ("a IS NULL", F),
            ("EXISTS(x)", F),
            ("EXISTS(n)", T),  # null is there
            ("EXISTS(A)", T),
            ("EXISTS(sys.To)", F),
            ("1 IN (x, 1)", T),  # found before the unknown matters
            ("1 NOT IN (x, 1)", F),
        ],
    )
    def test_what_is_never_unknown(self, text: str, result: bool) -> None:
        assert value_of(text, {"n": None, "a": 1}) is result

    def test_what_decides_is_not_looked_past(self) -> None:
        assert value_of("a = 1 AND b = 'x'", {"a": 2, "b": 5}) is False
        assert value_of("a = 1 OR b = 'x'", {"a": 1, "b": 5}) is True


class TestOperators:
    USER: Mapping[str, Value] = {
        "i": 5, "f": 2.5, "d": Decimal("2.50"), "s": "red", "t": True, "b": b"\x01",
        "u": UUID(int=1), "at": NOON, "later": NOON + timedelta(hours=1), "Mixed": "Case",
    }  # fmt: skip

    @pytest.mark.parametrize(
        "text",
        [
            "i = 5", "i = 5.0", "5 = i", "i <> 4", "i > 4.9", "i >= 5", "i < 6", "4 < i",
            "f = 2.5", "d = 2.5", "d = f", "d < i", "i + f = 7.5", "i / 2 = 2", "i % 3 = 2",
            "-i = -5", "- -i = 5", "i * 2 - 1 = 9", "i - 1 - 1 = 3", "2 + 3 * 2 = 8",
            "s = 'red'", "'red' = s", "s <> 'Red'", "s > 'blue'", "s + '!' = 'red!'",
            "s LIKE 'r%'", "s LIKE '_e_'", "s NOT LIKE 'R%'", "'r%' LIKE 'r!%' ESCAPE '!'",
            "s LIKE 'r' + '%'", "'100%' LIKE '1__\\%' ESCAPE '\\'",
            "s IN ('blue', 'red')", "s NOT IN ('blue')", "i IN (1, 2 + 3)", "i NOT IN (1, 2)",
            "t", "t = TRUE", "t <> FALSE", "NOT (t = FALSE)", "t AND s = 'red'",
            "u = u", "b = b", "at < later", "later - at > at - at", "at = at",
            "mixed = 'Case'", "MIXED = 'Case'", "[mixed] = 'Case'", "user.mixed = 'Case'",
            "property('mixed') = 'Case'", "p('user.mixed') = 'Case'",
            "p('mi' + 'xed') = 'Case'", "newid() <> u",
        ],
    )  # fmt: skip
    def test_true(self, text: str) -> None:
        assert value_of(text, self.USER) is True
        assert value_of(f"NOT ({text})", self.USER) is False

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("i = 'a'", r"column 3: a number \(5\) cannot be compared with a string \('a'\)"),
            ("s = 5", r"a string \('red'\) cannot be compared with a number \(5\)"),
            ("t = 1", "a boolean"),
            ("u = 'a'", "a uuid"),
            ("at = 5", "an instant"),
            ("t < TRUE", "a boolean is neither less nor more"),
            ("b > b", "binary is neither less nor more"),
            ("i IN ('a')", "cannot be compared with strings"),
            ("s IN (1, 'red')", "cannot be compared"),
            ("i LIKE '5'", "LIKE matches strings, not a number"),
            ("s LIKE i", "LIKE takes a pattern"),
            ("s LIKE 'a' ESCAPE s", "ESCAPE takes one character"),
            ("s LIKE 5", "LIKE takes a pattern"),
            ("s AND t", r"column 3: AND takes conditions, not a string \('red'\)"),
            ("i OR t", "OR takes conditions"),
            ("NOT i", "NOT takes a condition"),
            ("i / 0 = 1", "column 3: 5 / 0: a division by zero"),
            ("-s = 1", "- does not go with"),
            ("t + 1 = 2", "does not go with"),
            ("p(i) = 1", r"property\(\) takes a name"),
            ("p('sys.Colour') = 1", "no system property"),
            ("i = 5 AND\n  s = 1", "line 2, column 5:"),
        ],
    )
    def test_what_does_not_fit_says_where_and_why(self, text: str, says: str) -> None:
        with pytest.raises(FilterError, match=says):
            value_of(text, self.USER)

    def test_long_values_are_not_shown_whole(self) -> None:
        with pytest.raises(FilterError) as caught:
            value_of("s = 1", {"s": "x" * 10_000})
        assert len(str(caught.value)) < 200

    def test_like_is_bounded(self) -> None:
        with pytest.raises(FilterError, match="characters"):
            value_of("s LIKE 'a%'", {"s": "a" * (FILTER_VALUE_CHARACTERS_MAX + 1)})
        with pytest.raises(FilterError, match="pattern of up to"):
            value_of("'a' LIKE s", {"s": "a" * (LIKE_PATTERN_CHARACTERS_MAX + 1)})

    def test_system_properties(self) -> None:
        text = "sys.Label LIKE 'o%' AND p('sys.to') = 'q' AND EXISTS(sys.To)"
        view = FakeView({}, {SystemProperty.LABEL: "order", SystemProperty.TO: "q"})
        program = Compiler(text, SQL, {}).compile(parse_expression(text, SQL))
        assert program.evaluate(view) is True

    def test_new_ids_come_from_the_view(self) -> None:
        assert value_of("newid() = u", {"u": NEW_ID}) is True


users = st.dictionaries(
    st.sampled_from(["a", "b", "Color", "order id", "AND", "x]y", "né"]), any_values
)
systems = st.dictionaries(st.sampled_from(SystemProperty), any_values)


@settings(max_examples=400)
@given(sql_expressions(), users, systems, any_values)
def test_nothing_but_filter_errors_is_raised(
    tree: Expression,
    user: dict[str, Value],
    system: dict[SystemProperty, Value],
    parameter: Value,
) -> None:
    parameters = dict.fromkeys(("p", "limit", "_x1"), parameter)
    program = Compiler("", SQL, parameters).compile(tree)
    try:
        value = program.evaluate(FakeView(user, system))
    except FilterError:
        return
    assert value is None or isinstance(value, bool) or not isinstance(tree, tuple(CONDITIONS))


CONDITIONS = {type(parse_expression(text, SQL)) for text in (
    "a = 1", "a AND b", "a OR b", "NOT a", "a LIKE 'b'", "a IN (1)", "a IS NULL", "EXISTS(a)",
)}  # fmt: skip
