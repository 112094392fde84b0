"""Rules ⇄ the elements that describe them to Service Bus' clients."""

from typing import Final, TypeAlias

from peeklock.entities.settings import RuleSettings, Scalar
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.descriptions import DESCRIBED, RULE
from peeklock.frontends.http.instants import write_instant
from peeklock.frontends.http.typed_values import read_pairs, write_pairs
from peeklock.frontends.http.xml_tree import Element
from peeklock.management.topics import rule_from

SYSTEM: Final = "sys."  # before the message's own properties, in a rule's names
# A correlation filter's fields, in the service's order; each is a system property.
CORRELATED: Final = (
    "CorrelationId MessageId To ReplyTo Label SessionId ReplyToSessionId ContentType"
).split()
# What takes everything, or nothing, as SQL.
ALWAYS: Final = "1=1"
NEVER: Final = "1=0"
LEVEL: Final = "20"
Parameters: TypeAlias = tuple[tuple[str, Scalar], ...]
NO_PARAMETERS: Final[Parameters] = ()


# ---- theirs → ours


def rule_in(description: Element, name: str) -> RuleSettings:
    """A rule by this name; raises `InvalidRequest`, `InvalidFilter`."""
    arguments = filter_in(description.find("Filter"))
    action = description.find("Action")
    if action is not None and action.text_at("SqlExpression"):
        arguments["action"] = action.text_at("SqlExpression")
        arguments["action_parameters"] = read_pairs(action.find("Parameters"))
    return rule_from(name, arguments)


def filter_in(given: Element | None) -> dict[str, object]:
    if given is None:
        return {"kind": "true"}
    kind = given.attributes.get("type", "").rpartition(":")[2]
    expression = given.text_at("SqlExpression")
    parameters = read_pairs(given.find("Parameters"))
    plain = "" if parameters else "".join(expression.split())
    if kind == "TrueFilter" or (kind == "SqlFilter" and plain == ALWAYS):
        return {"kind": "true"}
    if kind == "FalseFilter" or (kind == "SqlFilter" and plain == NEVER):
        return {"kind": "false"}
    if kind == "SqlFilter":
        return {"kind": "sql", "sql": expression, "parameters": parameters}
    if kind == "CorrelationFilter":
        return {"kind": "correlation", "correlation": correlation_in(given)}
    kinds = "SqlFilter, CorrelationFilter, TrueFilter, FalseFilter"
    raise InvalidRequest(f"no filter is of type {kind!r}; there are {kinds}")


def correlation_in(given: Element) -> dict[str, object]:
    properties: dict[str, object] = {
        SYSTEM + one.name: one.text for one in given.below if one.name in CORRELATED
    }
    return properties | read_pairs(given.find("Properties"))


# ---- ours → theirs


def rule_description(rule: RuleSettings, created_at: int) -> Element:
    return Element(
        RULE,
        filter_element(rule),
        action_element(rule),
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
    return sql("Filter", "SqlFilter", rule.expression, rule.parameters)


def action_element(rule: RuleSettings) -> Element:
    if rule.action:
        return sql("Action", "SqlRuleAction", rule.action, rule.action_parameters)
    return Element("Action", attributes={"i:type": "EmptyRuleAction"})


def sql(
    name: str, kind: str, expression: str, parameters: Parameters = NO_PARAMETERS
) -> Element:
    below = [
        Element("SqlExpression", text=expression),
        Element("CompatibilityLevel", text=LEVEL),
    ]
    if parameters:
        below.append(write_pairs("Parameters", parameters))
    return Element(name, *below, attributes={"i:type": kind})


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
    user = [pair for pair in properties.items() if not pair[0].lower().startswith(SYSTEM)]
    if user:
        below.append(write_pairs("Properties", user))
    return Element("Filter", *below, attributes={"i:type": "CorrelationFilter"})
