"""Rules as Service Bus' clients write and read them."""

from datetime import UTC, datetime, timedelta

import pytest

from peeklock.entities.settings import RuleSettings, Scalar
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.rules_xml import rule_description, rule_in
from peeklock.frontends.http.xml_tree import read_xml, write_xml

NO_ZONE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)
RULES = [
    RuleSettings("all"),
    RuleSettings("none", "false"),
    RuleSettings("some", "sql", "a > 1 AND b LIKE '<%>'", (), "SET c = 2; REMOVE d"),
    RuleSettings(
        "with parameters",
        "sql",
        "a > @a AND b = @B",
        (),
        "SET c = @c",
        (("@a", 1), ("b", "<x>"), ("@unused", NO_ZONE)),
        (("@c", timedelta(minutes=1)),),
    ),
    RuleSettings("constant", "sql", "1=1", parameters=(("@a", 0.5),)),
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
            ("at", datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)),
            ("at any zone", NO_ZONE),
            ("for", timedelta(days=1, microseconds=2)),
            ("before", timedelta(seconds=-1)),
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


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("dateTime", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (
            "dateTime",
            "2026-01-02T03:04:05.1234567+01:00",
            datetime(2026, 1, 2, 2, 4, 5, 123_456, UTC),
        ),
        ("dateTime", " 2026-01-02T03:04:05", NO_ZONE),
        ("duration", "PT1H30M", timedelta(minutes=90)),
        ("long", "4", 4),
        ("double", "4", 4.0),
        ("boolean", "1", True),
    ],
)
def test_values_with_types(kind: str, text: str, value: Scalar) -> None:
    ((_name, found),) = sent("CorrelationFilter", pair(kind, text)).properties
    assert (found, type(found)) == (value, type(value))


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
            "the value of 'k': '2026' is no dateTime",
        ),
        (
            "CorrelationFilter",
            pair("int", "x"),
            "'x' is no int",
        ),
        ("CorrelationFilter", pair("dateTime", "2026-13-01T00:00:00Z"), "is no dateTime"),
        ("CorrelationFilter", pair("dateTime", "0001-01-01T00:00:00+01:00"), "is no dateTime"),
        ("CorrelationFilter", pair("duration", "P1Y"), "'k': 'P1Y' is no duration in days"),
        ("CorrelationFilter", pair("duration", "P99999999D"), "longer than 10675199 days"),
        ("CorrelationFilter", pair("long", "9" * 20), "which no message's number can be"),
        ("CorrelationFilter", pair("guid", "x"), "there is no type 'guid'; there are string,"),
        ("CorrelationFilter", f"<Properties><{PAIR}/></Properties>", "has no value"),
        (
            "SqlFilter",
            f"<SqlExpression>a=@a</SqlExpression><Parameters><{PAIR}/></Parameters>",
            "has no value",
        ),
    ],
)
def test_refusals(kind: str, below: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        sent(kind, below)
