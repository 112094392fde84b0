"""How few questions a plan asks: what it says, tests/property/test_rule_plan.py checks."""

import pytest

from peeklock.entities.rule_plan import RulePlan
from peeklock.entities.settings import RuleSettings
from peeklock.entities.topic import Topic
from peeklock.filters.view import SystemProperty
from tests.support.fake_view import FakeView
from tests.support.house import House

MANY = 1000


def with_rules(rules: list[RuleSettings]) -> Topic:
    """A topic with a subscription for each."""
    house = House()
    tickets = house.topic()
    for number, rule in enumerate(rules):
        house.subscription(tickets, f"s{number}", rule)
    return tickets


def correlation(**wanted: str | int) -> RuleSettings:
    pairs = tuple((key.replace("sys_", "sys."), value) for key, value in wanted.items())
    return RuleSettings("r", "correlation", properties=pairs)


def takers(plan: RulePlan, view: FakeView) -> list[str]:
    return [one.subscription.name for one in plan.takings(view)]


@pytest.mark.parametrize("region", ["eu", "us"])
def test_a_thousand_correlation_filters_are_not_asked_one_by_one(region: str) -> None:
    """However they share a property that says little: the telling one finds them."""
    tickets = with_rules([correlation(region="eu", customer=n) for n in range(MANY)])
    view = FakeView({"region": region, "customer": 7})
    assert takers(tickets.plan, view) == (["s7"] if region == "eu" else [])
    assert view.asked < 20


def test_the_messages_own_properties_find_them_too() -> None:
    tickets = with_rules([correlation(sys_Label=f"l{n}") for n in range(MANY)])
    view = FakeView(system={SystemProperty.LABEL: "l5"})
    assert takers(tickets.plan, view) == ["s5"]
    assert view.asked < 10


def test_one_sql_text_is_worked_out_once_for_all_that_have_it() -> None:
    tickets = with_rules([RuleSettings("r", "sql", "x = 1")] * 50)
    view = FakeView({"x": 1})
    assert len(takers(tickets.plan, view)) == 50
    assert view.asked == 1


def test_nothing_is_looked_at_where_rules_take_everything_or_nothing() -> None:
    plan = with_rules([RuleSettings("r", "true"), RuleSettings("r", "false")]).plan
    assert not plan.looks
    assert [one.name for one in plan.always] == ["s0"]
