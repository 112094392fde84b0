"""Values and expressions for Hypothesis."""

from datetime import UTC

from hypothesis import strategies as st

from peeklock.filters.cesql_functions import FUNCTIONS
from peeklock.filters.tree import (
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Exists,
    Expression,
    In,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
    Parameter,
    Property,
    Scope,
    Sign,
    Xor,
)
from peeklock.filters.values import Value
from peeklock.filters.view import JmsHeader, SystemProperty

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
numbers = integers | st.floats() | st.decimals(allow_nan=False, places=2)
present: st.SearchStrategy[Value] = st.one_of(
    texts,
    st.sampled_from(["a", "b", "a%", "_", ""]),
    st.booleans(),
    numbers,
    st.sampled_from([0, 1, -1, 2, 1.0, 0.5]),
    st.binary(max_size=4),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(),
)
values = present  # of properties that are there
any_values = st.none() | present

NAMES = ("a", "b", "Color", "order id", "AND", "x]y", "né", "_u", "3d", "user", "sys")
finite = st.floats(allow_nan=False, allow_infinity=False)


def several(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[tuple[Expression, ...]]:
    return st.lists(inner, min_size=2, max_size=4).map(tuple)


def sql_expressions() -> st.SearchStrategy[Expression]:
    """Conditions of Service Bus' dialect, as a text can say them."""
    literals = st.builds(Literal, st.none() | st.booleans() | integers | finite | texts)
    properties = st.builds(Property, st.just(Scope.USER), st.sampled_from(NAMES) | names())
    system = st.builds(
        Property, st.just(Scope.SYSTEM), st.sampled_from([one.value for one in SystemProperty])
    )
    atoms: st.SearchStrategy[Expression] = st.one_of(
        literals, properties, system,
        st.builds(Parameter, st.sampled_from(["p", "limit", "_x1"])),
        st.just(Call("newid", ())),
    )  # fmt: skip
    sums: st.SearchStrategy[Expression] = st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(Arithmetic, st.sampled_from("+-*/%"), inner, inner),
            st.builds(Sign, st.sampled_from("+-"), inner.filter(has_no_number)),
            st.builds(Call, st.just("property"), st.tuples(inner)),
        ),
        max_leaves=3,
    )
    tests: st.SearchStrategy[Expression] = st.one_of(
        st.builds(Comparison, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), sums, sums),
        st.builds(IsNull, sums, st.booleans()),
        st.builds(
            Like, sums, sums,
            st.none() | st.builds(Literal, st.sampled_from("\\!%_'")), st.booleans(),
        ),
        st.builds(In, sums, st.lists(sums, min_size=1, max_size=4).map(tuple), st.booleans()),
        st.builds(Exists, properties | system),
        properties,
        st.builds(Literal, st.booleans()),
    )  # fmt: skip
    return st.recursive(
        tests,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            several(inner).map(all_of),
            several(inner).map(any_of),
        ),
        max_leaves=4,
    )


def jms_expressions() -> st.SearchStrategy[Expression]:
    """Conditions of JMS' selectors, as a text can say them."""
    properties: st.SearchStrategy[Expression] = st.builds(
        Property, st.just(Scope.USER), st.sampled_from((*NAMES, "$a", "JMS_x")) | names()
    ) | st.builds(
        Property, st.just(Scope.HEADER), st.sampled_from([one.value for one in JmsHeader])
    )
    strings = st.builds(Literal, texts)
    sums: st.SearchStrategy[Expression] = st.recursive(
        st.builds(Literal, integers | finite) | properties,
        lambda inner: st.one_of(
            st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
            st.builds(Sign, st.sampled_from("+-"), inner.filter(has_no_number)),
        ),
        max_leaves=3,
    )
    equals, orders = st.sampled_from(["=", "<>"]), st.sampled_from(["<", "<=", ">", ">="])
    tests: st.SearchStrategy[Expression] = st.one_of(
        st.builds(Comparison, equals | orders, sums, sums),
        st.builds(Comparison, equals, properties, strings),
        st.builds(Between, sums, sums, sums, st.booleans()),
        st.builds(IsNull, properties, st.booleans()),
        st.builds(
            Like, properties, strings,
            st.none() | st.builds(Literal, st.sampled_from("\\!%_'")), st.booleans(),
        ),
        st.builds(
            In, properties, st.lists(strings, min_size=1, max_size=4).map(tuple), st.booleans()
        ),
        properties,
    )  # fmt: skip
    return st.recursive(
        tests,
        lambda inner: st.one_of(
            st.builds(Not, inner), several(inner).map(all_of), several(inner).map(any_of)
        ),
        max_leaves=4,
    )


ATTRIBUTES = ("id", "source", "type", "sequence", "a1", "2b")


def cesql_expressions() -> st.SearchStrategy[Expression]:
    """Expressions of CESQL, as a text can say them: a backslash is hard to say."""
    plain = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\\"), max_size=9
    )
    attributes = st.builds(Property, st.just(Scope.ATTRIBUTE), st.sampled_from(ATTRIBUTES))
    strings = st.builds(Literal, plain)
    small = st.integers(-(2**31), 2**31 - 1)
    atoms: st.SearchStrategy[Expression] = st.one_of(
        attributes, strings, st.builds(Literal, st.booleans() | small),
        st.builds(Exists, attributes),
    )  # fmt: skip
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(Sign, st.just("-"), inner.filter(has_no_number)),
            st.builds(Arithmetic, st.sampled_from("+-*/%"), inner, inner),
            st.builds(
                Comparison, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), inner, inner
            ),
            st.builds(Xor, inner, inner),
            several(inner).map(all_of),
            several(inner).map(any_of),
            st.builds(Like, inner, strings, st.none(), st.booleans()),
            st.builds(In, inner, several(inner), st.booleans()),
            st.builds(
                Call, st.sampled_from([*FUNCTIONS, "NO_SUCH"]),
                st.lists(inner, max_size=3).map(tuple),
            ),
        ),
        max_leaves=5,
    )  # fmt: skip


def all_of(parts: tuple[Expression, ...]) -> Expression:
    """An And, whose parts are none."""
    flat = [part.parts if isinstance(part, And) else (part,) for part in parts]
    return And(tuple(one for run in flat for one in run))


def any_of(parts: tuple[Expression, ...]) -> Expression:
    flat = [part.parts if isinstance(part, Or) else (part,) for part in parts]
    return Or(tuple(one for run in flat for one in run))


def names() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def has_no_number(node: Expression) -> bool:
    """A sign before a literal number is part of it: no text says otherwise."""
    return not isinstance(node, Literal) or isinstance(node.value, (bool, str, type(None)))
