"""What differs between the filter languages, in tables; the rest of the package is the same.

Three-valued SQL comes in two dialects, Service Bus' and JMS'. Where they differ in what a text
means, the fields below say how. CESQL has the same tree and programs of its own (cesql.py).
"""

from dataclasses import dataclass
from typing import Final

from peeklock.filters.arithmetic import INTEGER_MAX
from peeklock.filters.grammar import CESQL_GRAMMAR, JMS_GRAMMAR, SQL_ACTION_GRAMMAR, SQL_GRAMMAR
from peeklock.limits import FILTER_CHARACTERS_MAX, SELECTOR_CHARACTERS_MAX


@dataclass(frozen=True)
class Dialect:
    """One filter language. Errors call a text of it `called`."""

    called: str
    grammar: str
    characters_max: int
    integer_max: int  # of whole numbers; the least is one further from 0
    # Operators on values that do not go together, and results that do not exist: an error of
    # that message, or (as JMS has it) false for a comparison and unknown for arithmetic.
    strict: bool
    # `sys.` and `user.` before a property's name, which is found in any case; else names are
    # as they are written, and those that JMS has are the message's own.
    scopes: bool
    # LIKE, IN and IS NULL ask properties alone, of strings that are written there; strings
    # have no order; numbers are written as in Java (§3.8.1.1 of JMS).
    jms: bool
    # Operators cast what they are given (CESQL §3.7), so that any value may stand anywhere.
    casts: bool
    property_called: str  # in errors
    # What a regular identifier may not be; written otherwise, a property may have these names.
    reserved: frozenset[str]


SQL_RESERVED: Final = frozenset("AND ESCAPE EXISTS FALSE IN IS LIKE NOT NULL OR TRUE".split())

SQL: Final = Dialect(
    called="SQL filter",
    grammar=SQL_GRAMMAR,
    characters_max=FILTER_CHARACTERS_MAX,
    integer_max=INTEGER_MAX,
    strict=True,
    scopes=True,
    jms=False,
    casts=False,
    property_called="a property",
    reserved=SQL_RESERVED,
)
# SET and REMOVE: the same language, with statements around its expressions.
SQL_ACTION: Final = Dialect(
    called="SQL action",
    grammar=SQL_ACTION_GRAMMAR,
    characters_max=FILTER_CHARACTERS_MAX,
    integer_max=INTEGER_MAX,
    strict=True,
    scopes=True,
    jms=False,
    casts=False,
    property_called="a property",
    reserved=SQL_RESERVED | {"SET", "REMOVE"},
)
JMS: Final = Dialect(
    called="selector",
    grammar=JMS_GRAMMAR,
    characters_max=SELECTOR_CHARACTERS_MAX,
    integer_max=INTEGER_MAX,
    strict=False,
    scopes=False,
    jms=True,
    casts=False,
    property_called="a property",
    reserved=frozenset("AND BETWEEN ESCAPE FALSE IN IS LIKE NOT NULL OR TRUE".split()),
)
CESQL: Final = Dialect(
    called="CESQL expression",
    grammar=CESQL_GRAMMAR,
    characters_max=SELECTOR_CHARACTERS_MAX,
    integer_max=(1 << 31) - 1,
    strict=True,
    scopes=False,
    jms=False,
    casts=True,
    property_called="an attribute",
    reserved=frozenset("AND EXISTS FALSE IN LIKE NOT OR TRUE XOR".split()),
)
