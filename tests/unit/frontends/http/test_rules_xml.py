"""Rules as Service Bus' clients write and read them."""

import pytest

from peeklock.entities.settings import RuleSettings
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.rules_xml import rule_description, rule_in
from peeklock.frontends.http.xml_tree import read_xml, write_xml

RULES = [
    RuleSettings("all"),
    RuleSettings("none", "false"),
    RuleSettings("some", "sql", "a > 1 AND b LIKE '<%>'", (), "SET c = 2; REMOVE d"),
    RuleSettings(
        "alike",
        "correlation",
        "",
        (
            ("sys.MessageId", "m"),
            ("sys.Label", "sold & gone"),
            ("text", "x"),
            ("yes", True),
            ("whole", -7),
            ("long", 2**40),
            ("real", 0.1),
        ),
        "SET c = 2",
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_is_told_can_be_sent_back(rule: RuleSettings) -> None:
    told = read_xml(write_xml(rule_description(rule, 0)))
    assert rule_in(told, rule.name) == rule


def sent(kind: str, below: str) -> RuleSettings:
    """A rule with this filter, with the prefixes of JavaScript's client."""
    document = (
        '<RuleDescription xmlns="urn:sb"><Filter p4:type="' + kind + '" xmlns:p4="urn:i" '
        f'xmlns:l28="urn:x">{below}</Filter><Action p4:type="EmptyRuleAction" '
        'xmlns:p4="urn:i"/></RuleDescription>'
    )
    return rule_in(read_xml(document.encode()), "r")


@pytest.mark.parametrize(("text", "kind"), [("1=1", "true"), ("1 = 0", "false")])
def test_what_takes_all_or_nothing_is_no_expression(text: str, kind: str) -> None:
    rule = sent("SqlFilter", f"<SqlExpression>{text}</SqlExpression>")
    assert rule == RuleSettings("r", kind)


def test_without_a_filter_a_rule_takes_everything() -> None:
    assert rule_in(read_xml(b"<RuleDescription/>"), "r") == RuleSettings("r")


PAIR = "KeyValueOfstringanyType"


def pair(kind: str, text: str) -> str:
    value = f'<Key>k</Key><Value p4:type="l28:{kind}">{text}</Value>'
    return f"<Properties><{PAIR}>{value}</{PAIR}></Properties>"


@pytest.mark.parametrize(
    ("kind", "below", "why"),
    [
        ("DateFilter", "", "no filter is of type 'DateFilter'"),
        (
            "CorrelationFilter",
            pair("dateTime", "2026"),
            "compare no dateTime",
        ),
        (
            "CorrelationFilter",
            pair("int", "x"),
            "'x' is no int",
        ),
        ("CorrelationFilter", f"<Properties><{PAIR}/></Properties>", "has no value"),
        (
            "SqlFilter",
            f"<SqlExpression>a=@a</SqlExpression><Parameters><{PAIR}/></Parameters>",
            "parameters of SQL filters and actions are not taken",
        ),
    ],
)
def test_refusals(kind: str, below: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        sent(kind, below)
