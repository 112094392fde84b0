"""Subscription objects of CloudEvents' Subscriptions API (§3.2.1) ⇄ what the broker has.

`config` is where a manager has words of its own: here, the topic, the subscription's name, and
settings of a subscription. `source` and `types` are filters, too; they are kept so that they
can be told from those that were given as filters.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peeklock.entities.rule import Rule
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.settings_map import settings_as_map
from peeklock.entities.subscription import DEFAULT_RULE, Subscription
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest
from peeklock.filters.event_dialects import filters_text
from peeklock.management.operations import UNSETTABLE, UNSPOKEN

Json = dict[str, object]
PROTOCOL: Final = "HTTP"
EVENTS: Final = "events"  # the kind of a rule whose filters are these
MEMBERS: Final = (
    *("id", "source", "types", "config", "filters"),
    *("sink", "sinkcredential", "protocol", "protocolsettings"),
)
# Said by other members of the object, or by nobody.
NOT_IN_CONFIG: Final = UNSETTABLE | {UNSPOKEN, "push_to", "push_authorization"}
CREDENTIALS: Final = "PLAIN (identifier, secret) and ACCESSTOKEN (accesstoken, accesstokentype)"


@dataclass(frozen=True)
class WantedSubscription:
    """What an object asks for; "" is what it does not say."""

    topic: str
    name: str
    settings: Mapping[str, object]
    rule: RuleSettings | None  # None: the rules that it has
    rules: tuple[str, ...] = ()  # the names of those


def read_object(body: bytes) -> WantedSubscription:
    """Raises `InvalidRequest` and `InvalidFilter`, naming the member that is wrong."""
    given = members_of(body)
    config = object_in(given, "config")
    topic, name = text_in(config, "topic", "config."), text_in(config, "name", "config.")
    names = [one for one in list_in(config, "rules") if isinstance(one, str)]
    settings = {
        key: value for key, value in config.items() if key not in ("topic", "name", "rules")
    }
    for key in settings:
        if key in NOT_IN_CONFIG:
            raise InvalidRequest(f"config.{key} is not set there: see sink and sinkcredential")
    protocol = text_in(given, "protocol")
    if protocol != PROTOCOL:
        raise InvalidRequest(f"protocol is {protocol!r}; there is {PROTOCOL!r} alone")
    sink = text_in(given, "sink")
    if not sink:
        raise InvalidRequest("sink is to be there: the URL that events are POSTed to")
    check_protocol_settings(object_in(given, "protocolsettings"))
    settings["push_to"] = sink
    if "sinkcredential" in given:
        settings["push_authorization"] = authorization_of(given["sinkcredential"])
    filters = all_filters(given)
    if names and filters:
        raise InvalidRequest("config.rules and filters are two ways to say what is taken")
    rule = None if names else RuleSettings(DEFAULT_RULE, EVENTS, filters_text(filters))
    return WantedSubscription(topic, name, settings, rule, tuple(names))


def members_of(body: bytes) -> Json:
    """By their names in small letters, as some write them with capitals."""
    try:
        document = json.loads(body, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is no JSON object: {error}"[:200]) from None
    if not isinstance(document, dict):
        raise InvalidRequest("the body is a JSON object, a subscription")
    given = {str(name).lower(): value for name, value in document.items()}
    for name in given:
        if name not in MEMBERS:
            raise InvalidRequest(
                f"a subscription has no {name[:80]!r}; there are {', '.join(MEMBERS)}"
            )
    return given


def without_doubles(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def all_filters(given: Json) -> list[object]:
    """Also what `source` and `types` say, each under an `all` of its own (see `told_apart`)."""
    found: list[object] = []
    if "source" in given:
        source = text_in(given, "source")
        if not source:
            raise InvalidRequest("source is no empty string")
        found.append({"all": [{"exact": {"source": source}}]})
    types = list_in(given, "types")
    if types:
        if not all(isinstance(one, str) and one for one in types):
            raise InvalidRequest("types are strings, none of them empty")
        found.append({"all": [{"any": [{"exact": {"type": one}} for one in types]}]})
    found.extend(list_in(given, "filters"))
    return found


def check_protocol_settings(given: Json) -> None:
    for name, value in given.items():
        if name == "method" and value == "POST":
            continue
        if name == "headers" and value == {}:
            continue
        raise InvalidRequest(
            f"protocolsettings.{name[:80]} cannot be {str(value)[:80]!r}; events are sent by "
            "POST, without headers of your own"
        )


def authorization_of(given: object) -> str:
    """The Authorization header that a credential is (§3.2.3); null: none."""
    if given is None:
        return ""
    if not isinstance(given, dict):
        raise InvalidRequest(f"sinkcredential is an object; there are {CREDENTIALS}")
    parts = {str(name).lower(): value for name, value in given.items()}
    kind = text_in(parts, "credentialtype", "sinkcredential.")
    if kind == "PLAIN":
        user = text_in(parts, "identifier", "sinkcredential.")
        pair = f"{user}:{text_in(parts, 'secret', 'sinkcredential.')}"
        return "Basic " + b64encode(pair.encode()).decode()
    if kind == "ACCESSTOKEN":
        token = text_in(parts, "accesstoken", "sinkcredential.")
        scheme = text_in(parts, "accesstokentype", "sinkcredential.") or "Bearer"
        if token:
            return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {token}"
    raise InvalidRequest(f"no such sinkcredential; there are {CREDENTIALS}")


def text_in(given: Json, name: str, where: str = "") -> str:
    """ "" where it is not there."""
    value = given.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}{name} is a string")
    return value


def object_in(given: Json, name: str) -> Json:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} is an object")
    return value


def list_in(given: Json, name: str) -> list[object]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise InvalidRequest(f"{name} is an array")
    return value


# ---- the other way


def id_of(topic: Topic, subscription: Subscription) -> str:
    return f"{topic.path}/{subscription.name}"


def write_object(topic: Topic, subscription: Subscription) -> Json:
    """As it is realized: without its secret, and with all that is not as by default."""
    settings = subscription.queue.settings
    push = settings.push
    config: Json = {"topic": str(topic.path), "name": subscription.name}
    by_default = settings_as_map(QueueSettings())
    for name, value in settings_as_map(settings).items():
        if name not in NOT_IN_CONFIG and value != by_default[name]:
            config[name] = value
    rules = list(subscription.rules.values())
    said = said_by(rules)
    if said is None:
        config["rules"] = [rule.settings.name for rule in rules]
    found: Json = {"id": id_of(topic, subscription), "config": config, **(said or {})}
    found |= {"sink": push.to, "protocol": PROTOCOL, "protocolsettings": {"method": "POST"}}
    if push.authorization:
        is_plain = push.authorization.startswith("Basic ")
        found["sinkcredential"] = {"credentialtype": "PLAIN" if is_plain else "ACCESSTOKEN"}
    return found


def said_by(rules: list[Rule]) -> Json | None:
    """`source`, `types` and `filters`; None where it takes rules of the broker to say it."""
    if len(rules) != 1 or rules[0].settings.action:
        return None
    rule = rules[0].settings
    if rule.kind == "true":
        return {}
    return told_apart(json.loads(rule.expression)) if rule.kind == EVENTS else None


def told_apart(filters: list[object]) -> Json:
    """What `all_filters` has put together."""
    found: Json = {}
    left = list(filters)
    match left:
        case [{"all": [{"exact": {"source": str(source), **others}}]}, *rest] if not others:
            found["source"] = source
            left = rest
    match left:
        case [{"all": [{"any": [*types]}]}, *rest]:
            names = [type_in(one) for one in types]
            if all(names):
                found["types"] = names
                left = rest
    if left:
        found["filters"] = left
    return found


def type_in(one: object) -> str:
    """The type that an `exact` of it alone wants; "" for anything else."""
    match one:
        case {"exact": {"type": str(name), **others}} if not others:
            return name
    return ""
