"""Rules ⇄ the elements that describe them to Service Bus' clients."""

from typing import Final

from peeklock.entities.settings import RuleSettings, Scalar
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.descriptions import DESCRIBED, RULE
from peeklock.frontends.http.instants import write_instant
from peeklock.frontends.http.xml_tree import Element
from peeklock.management.topics import rule_from

SCHEMA: Final = {"xmlns:d6p1": "http://www.w3.org/2001/XMLSchema"}
SYSTEM: Final = "sys."  # before the message's own properties, in a rule's names
# A correlation filter's fields, in the service's order; each is a system property.
CORRELATED: Final = (
    "CorrelationId MessageId To ReplyTo Label SessionId ReplyToSessionId ContentType"
).split()
PAIR: Final = "KeyValueOfstringanyType"
INT_MAX: Final = 2**31 - 1
# What takes everything, or nothing, as SQL.
ALWAYS: Final = "1=1"
NEVER: Final = "1=0"
LEVEL: Final = "20"


# ---- theirs → ours


def rule_in(description: Element, name: str) -> RuleSettings:
    """A rule by this name; raises `InvalidRequest`, `InvalidFilter`."""
    arguments = filter_in(description.find("Filter"))
    action = description.find("Action")
    if action is not None and action.text_at("SqlExpression"):
        refuse_parameters(action)
        arguments["action"] = action.text_at("SqlExpression")
    return rule_from(name, arguments)


def filter_in(given: Element | None) -> dict[str, object]:
    if given is None:
        return {"kind": "true"}
    kind = given.attributes.get("type", "").rpartition(":")[2]
    expression = given.text_at("SqlExpression")
    refuse_parameters(given)
    plain = "".join(expression.split())
    if kind == "TrueFilter" or (kind == "SqlFilter" and plain == ALWAYS):
        return {"kind": "true"}
    if kind == "FalseFilter" or (kind == "SqlFilter" and plain == NEVER):
        return {"kind": "false"}
    if kind == "SqlFilter":
        return {"kind": "sql", "sql": expression}
    if kind == "CorrelationFilter":
        return {"kind": "correlation", "correlation": correlation_in(given)}
    kinds = "SqlFilter, CorrelationFilter, TrueFilter, FalseFilter"
    raise InvalidRequest(f"no filter is of type {kind!r}; there are {kinds}")


def correlation_in(given: Element) -> dict[str, object]:
    properties: dict[str, object] = {
        SYSTEM + one.name: one.text for one in given.below if one.name in CORRELATED
    }
    pairs = given.find("Properties")
    for pair in pairs.below if pairs is not None else ():
        value = pair.find("Value")
        if value is None:
            raise InvalidRequest(f"property {pair.text_at('Key')!r} has no value")
        properties[pair.text_at("Key")] = value_in(value)
    return properties


def value_in(given: Element) -> Scalar:
    """Of the types that Service Bus has here, all but instants and durations."""
    kind = given.attributes.get("type", "string").rpartition(":")[2]
    text = given.text
    try:
        if kind == "string":
            return text
        if kind in ("int", "long"):
            return int(text)
        if kind == "double":
            return float(text)
        if kind == "boolean":
            return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
    except (ValueError, KeyError):
        raise InvalidRequest(f"{text[:40]!r} is no {kind}") from None
    raise InvalidRequest(
        f"correlation filters compare no {kind}; there are string, int, long, double, boolean"
    )


def refuse_parameters(given: Element) -> None:
    parameters = given.find("Parameters")
    if parameters is not None and parameters.below:
        raise InvalidRequest(
            "parameters of SQL filters and actions are not taken: write the values themselves"
        )


# ---- ours → theirs


def rule_description(rule: RuleSettings, created_at: int) -> Element:
    return Element(
        RULE,
        filter_element(rule),
        action_element(rule.action),
        Element("CreatedAt", text=write_instant(created_at)),
        Element("Name", text=rule.name),
        attributes=DESCRIBED,
    )


def filter_element(rule: RuleSettings) -> Element:
    if rule.kind == "true":
        return sql("Filter", "TrueFilter", ALWAYS)
    if rule.kind == "false":
        return sql("Filter", "FalseFilter", NEVER)
    if rule.kind == "correlation":
        return correlation_element(dict(rule.properties))
    return sql("Filter", "SqlFilter", rule.expression)


def action_element(text: str) -> Element:
    if text:
        return sql("Action", "SqlRuleAction", text)
    return Element("Action", attributes={"i:type": "EmptyRuleAction"})


def sql(name: str, kind: str, expression: str) -> Element:
    return Element(
        name,
        Element("SqlExpression", text=expression),
        Element("CompatibilityLevel", text=LEVEL),
        attributes={"i:type": kind},
    )


def correlation_element(properties: dict[str, Scalar]) -> Element:
    """System properties are found in any case, as the filter finds them."""
    system = {
        name[len(SYSTEM) :].lower(): str(value)
        for name, value in properties.items()
        if name.lower().startswith(SYSTEM)
    }
    below = [
        Element(name, text=system[name.lower()])
        for name in CORRELATED
        if name.lower() in system
    ]
    pairs = [
        Element(PAIR, Element("Key", text=name), value_element(value))
        for name, value in properties.items()
        if not name.lower().startswith(SYSTEM)
    ]
    if pairs:
        below.append(Element("Properties", *pairs))
    return Element("Filter", *below, attributes={"i:type": "CorrelationFilter"})


def value_element(value: Scalar) -> Element:
    kind, text = "string", str(value)
    if isinstance(value, bool):
        kind, text = "boolean", text.lower()
    elif isinstance(value, int):
        kind = "int" if abs(value) <= INT_MAX else "long"
    elif isinstance(value, float):
        kind, text = "double", repr(value)
    return Element("Value", text=text, attributes={"i:type": f"d6p1:{kind}", **SCHEMA})
