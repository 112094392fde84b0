"""Subscription objects of CloudEvents' Subscriptions API (§3.2.1) ⇄ what the broker has.

`config` is where a manager has words of its own: here, the topic, the subscription's name, and
settings of a subscription. `source` and `types` are filters, too; they are kept so that they
can be told from those that were given as filters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from peeklock.entities.rule import Rule
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.settings_map import settings_as_map
from peeklock.entities.subscription import DEFAULT_RULE, Subscription
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest
from peeklock.filters.event_dialects import filters_text
from peeklock.frontends.http.json_members import Json, list_in, object_in, text_in
from peeklock.frontends.http.subscription_sinks import (
    AMQP,
    HTTP,
    NOT_IN_CONFIG,
    NOT_SAID,
    PROTOCOLS,
    SAID_BY,
    SINKS,
    forward_settings,
    names_no_secret,
    push_settings,
    sink_of,
)

EVENTS: Final = "events"  # the kind of a rule whose filters are these
MEMBERS: Final = (
    *("id", "source", "types", "config", "filters"),
    *("sink", "sinkcredential", "protocol", "protocolsettings"),
)
STATUS: Final = "status"  # ours: told, and not looked at when it is said again


@dataclass(frozen=True)
class WantedSubscription:
    """What an object asks for; "" is what it does not say."""

    topic: str
    name: str
    settings: Mapping[str, object]
    rule: RuleSettings | None  # None: the rules that it has
    rules: tuple[str, ...] = ()  # the names of those
    keeps_secret: bool = False  # it names a credential without its secret: the one it has


def read_object(body: bytes, host: str) -> WantedSubscription:
    """Raises `InvalidRequest` and `InvalidFilter`, naming the member that is wrong.

    `host` is by which the broker was asked, without a port.
    """
    given = members_of(body)
    config = object_in(given, "config")
    topic, name = text_in(config, "topic", "config."), text_in(config, "name", "config.")
    names = [one for one in list_in(config, "rules") if isinstance(one, str)]
    settings = {
        key: value for key, value in config.items() if key not in ("topic", "name", "rules")
    }
    for key in settings:
        if key in NOT_IN_CONFIG:
            raise InvalidRequest(f"config.{key} is not set there: see {SAID_BY}")
    protocol = text_in(given, "protocol")
    if protocol not in PROTOCOLS:
        raise InvalidRequest(
            f"protocol is {protocol!r}; there are {HTTP!r}, to be pushed to a URL, and "
            f"{AMQP!r}, for a queue or topic of this broker"
        )
    sink = text_in(given, "sink")
    if not sink:
        raise InvalidRequest(f"sink is to be there: {SINKS[protocol]}")
    protocol_settings = object_in(given, "protocolsettings")
    credential = given.get("sinkcredential", NOT_SAID)
    if protocol == AMQP:
        settings |= forward_settings(settings, sink, protocol_settings, credential, host)
    else:
        settings |= push_settings(sink, protocol_settings, credential)
    filters = all_filters(given)
    if names and filters:
        raise InvalidRequest("config.rules and filters are two ways to say what is taken")
    rule = None if names else RuleSettings(DEFAULT_RULE, EVENTS, filters_text(filters))
    keeps_secret = protocol == HTTP and names_no_secret(credential)
    return WantedSubscription(topic, name, settings, rule, tuple(names), keeps_secret)


def members_of(body: bytes) -> Json:
    """By their names in small letters, as some write them with capitals."""
    try:
        orjson.loads(body)  # which refuses half a surrogate pair, and what is no number
        document = json.loads(body, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is no JSON object: {error}"[:200]) from None
    if not isinstance(document, dict):
        raise InvalidRequest("the body is a JSON object, a subscription")
    given = {str(name).lower(): value for name, value in document.items()}
    given.pop(STATUS, None)
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


# ---- the other way


def id_of(topic: Topic, subscription: Subscription) -> str:
    return f"{topic.path}/{subscription.name}"


def write_object(topic: Topic, subscription: Subscription, *, to_owner: bool) -> Json:
    """As it is realized: without its secret, and with all that is not as by default.

    `to_owner`: to somebody who may change it, and so may know what headers it sends.
    """
    settings = subscription.queue.settings
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
    return found | sink_of(settings, to_owner=to_owner)


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
