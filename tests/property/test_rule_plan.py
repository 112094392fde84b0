"""The plan of a topic's rules says what asking each rule by itself would say."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.rule import Rule
from peeklock.entities.rule_plan import RulePlan, Taking
from peeklock.entities.settings import QueueSettings, RuleSettings, Scalar
from peeklock.errors import FilterError
from peeklock.filters.view import PropertyView
from peeklock.message import Message
from peeklock.protocols.amqp10.decimals import write_decimal
from peeklock.protocols.amqp10.sections import Properties, encode_bare
from peeklock.protocols.amqp10.values import AmqpValue, Float, Int, Symbol, UInt
from peeklock.types import SequenceNumber, UnixMs
from tests.support.house import House

# Few names and values, so that filters and messages meet: also values that are equal and not
# alike (1, True, 1.0, the decimal 1), and names that differ in case alone.
scalars = st.sampled_from(["a", "b", "1", "", True, False, 0, 1, 2**53 + 1, 1.0, 0.1, 2.0**53])
user_names = st.sampled_from(["x", "X", "y"])
system_names = st.sampled_from(["sys.Label", "sys.To", "sys.subject"])
correlations = st.lists(
    st.tuples(user_names, scalars) | st.tuples(system_names, st.sampled_from(["a", "b"])),
    min_size=1,
    max_size=3,
    unique_by=lambda pair: pair[0],
)
expressions = st.sampled_from(
    ["x = 'a'", "x > 1", "sys.Label = 'a' OR y = 1", "NOT EXISTS(y)", "x / y > 0"]
)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[RuleSettings]:
    """The rules of one subscription."""
    found: list[RuleSettings] = []
    for number in range(draw(st.integers(0, 3))):
        name = f"r{number}"
        action = draw(st.sampled_from(["", "", "SET seen = TRUE"]))
        kind = draw(st.sampled_from(["true", "false", "sql", "correlation", "correlation"]))
        expression = draw(expressions) if kind == "sql" else ""
        properties: tuple[tuple[str, Scalar], ...] = ()
        if kind == "correlation":
            properties = tuple(draw(correlations))
        found.append(RuleSettings(name, kind, expression, properties, action))
    return found


values = st.sampled_from(
    [
        *("a", "b", "1", Symbol("a"), True, False, 0, 1, Int(1), UInt(1), 1.0, Float(1.0)),
        *(0.1, 2**53 + 1, 2.0**53, None, b"a", float("nan"), float("inf"), [1]),
        *(write_decimal(Decimal(text)) for text in ("1", "0.1", "1E+30", "9007199254740993")),
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    texts = st.none() | st.sampled_from(["a", "b"])
    user: dict[AmqpValue, AmqpValue] = {}
    for name in draw(st.lists(user_names, unique=True)):
        user[name] = draw(values)
    return Message(encode_bare(Properties(subject=draw(texts), to=draw(texts)), user, None))


Said = tuple[bool, list[str], int]  # a plain copy; changed copies by rule; rules that failed


def one_by_one(rules: list[Rule], view: PropertyView) -> Said:
    plain = False
    changed: list[str] = []
    failed = 0
    for rule in rules:
        try:
            if rule.filter.matches(view):
                plain = plain or rule.action is None
                if rule.action is not None:
                    changed.append(rule.settings.name)
        except FilterError:
            failed += 1
    return plain, sorted(changed), failed


def of_plan(always: bool, found: Taking | None) -> Said:
    if found is None:
        return always, [], 0
    changed = sorted(rule.settings.name for rule in found.rules)
    return always or found.is_plain, changed, len(found.errors)


@given(st.lists(rule_lists(), max_size=6), st.lists(messages(), min_size=1, max_size=4))
def test_the_plan_says_what_each_rule_says(
    lists: list[list[RuleSettings]], sent: list[Message]
) -> None:
    house = House()
    tickets = house.topic()
    for number, rules in enumerate(lists):
        facts = house.namespace.create_subscription(
            "tickets", f"s{number}", QueueSettings(), house.now, tuple(rules)
        )
        house.engine.commit_registry(facts)
    subscriptions = list(tickets.subscriptions.values())
    plan = RulePlan(subscriptions)
    for message in sent:
        view = house.namespace.lens.view(message, UnixMs(5), SequenceNumber(1), 0)
        found = {one.subscription.name: one for one in plan.takings(view)}
        for subscription in subscriptions:
            always = subscription in plan.always
            expected = one_by_one(list(subscription.rules.values()), view)
            got = of_plan(always, found.get(subscription.name))
            if always:  # then plain rules are not asked any more, and cannot fail
                assert got[:2] == expected[:2]
                assert got[2] <= expected[2]
            else:
                assert got == expected
