"""What Service Bus' clients say of an entity that means nothing here, kept to be told again.

How Azure lays an entity out and when it writes it down: what this broker does instead promises
no less. And rules for who may do what, which get nobody in: here that is in the configuration.
The setting `service_bus` holds it as JSON: of the flags those that are not as by default.
"""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from peeklock.entities.settings import QueueSettings, TopicSettings
from peeklock.errors import InvalidRequest
from peeklock.limits import SERVICE_BUS_CHARACTERS_MAX

AccessRule: TypeAlias = dict[str, object]  # texts by the fields' names, and a list of Rights

KEPT_FLAGS: Final = {  # as Azure has them when nobody says anything
    "EnableBatchedOperations": True,
    "EnableExpress": False,
    "EnablePartitioning": False,
    "EnableSubscriptionPartitioning": False,
    "SupportOrdering": True,
}
# To say yes to these would need more than to keep them: the reason is told.
REFUSED: Final = {
    "IsAnonymousAccessible": "who gets in without a name is in the broker's configuration",
    "FilteringMessagesBeforePublishing": "what no subscription takes is dropped, not refused",
}
AUTHORIZATION: Final = "AuthorizationRules"
# A rule's fields in the service's order; its type stands as an attribute in XML.
TYPE: Final = "type"
RIGHTS: Final = "Rights"
FIELDS: Final = (
    "ClaimType ClaimValue Rights CreatedTime ModifiedTime KeyName PrimaryKey SecondaryKey"
).split()
RIGHTS_KNOWN: Final = ("Manage", "Send", "Listen")
KEPT: Final = (*KEPT_FLAGS, AUTHORIZATION)


def kept_in(settings: QueueSettings | TopicSettings) -> dict[str, object]:
    """By the properties' names; empty if somebody has written something else there."""
    try:
        found = json.loads(settings.service_bus or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def flags_of(settings: QueueSettings | TopicSettings) -> dict[str, bool]:
    kept = kept_in(settings)
    return {name: kept.get(name, usual) is True for name, usual in KEPT_FLAGS.items()}


def access_rules_of(settings: QueueSettings | TopicSettings) -> list[AccessRule]:
    """As they were sent."""
    try:
        return access_rules_from(kept_in(settings).get(AUTHORIZATION))
    except InvalidRequest:
        return []


def kept_with(
    settings: QueueSettings | TopicSettings, said: Mapping[str, object]
) -> dict[str, object]:
    """The setting that keeps what is said beside what was kept; raises `InvalidRequest`.

    Empty when that is as it was. `said` has flags, and access rules as `access_rules_from`
    reads them.
    """
    kept = {name: value for name, value in kept_in(settings).items() if name in KEPT}
    for name, value in said.items():
        if value == KEPT_FLAGS.get(name, []):  # as it is when nothing is said
            kept.pop(name, None)
        else:
            kept[name] = value
    text = json.dumps(kept, separators=(",", ":")) if kept else ""
    if len(text) > SERVICE_BUS_CHARACTERS_MAX:
        raise InvalidRequest(
            f"{AUTHORIZATION} are {len(text)} characters; "
            f"allowed are {SERVICE_BUS_CHARACTERS_MAX}"
        )
    return {} if text == settings.service_bus else {"service_bus": text}


def access_rules_from(given: object) -> list[AccessRule]:
    """Checked as far as they are kept; raises `InvalidRequest`, which shows no key."""
    if given is None or given == "":
        return []
    if not isinstance(given, list):
        raise InvalidRequest(f"{AUTHORIZATION} is a list of rules")
    return [access_rule_from(place, one) for place, one in enumerate(given)]


def access_rule_from(place: int, given: object) -> AccessRule:
    where = f"{AUTHORIZATION}[{place}]"
    if not isinstance(given, dict):
        raise InvalidRequest(f"{where} is no rule")
    found: AccessRule = {}
    for name in (TYPE, *FIELDS):
        value = given.get(name)
        if value is None:
            continue
        if name == RIGHTS:
            found[name] = rights_from(f"{where}: {name}", value)
        elif isinstance(value, str):
            found[name] = value
        else:
            raise InvalidRequest(f"{where}: {name} is no text")
    return found


def rights_from(where: str, given: object) -> list[str]:
    found = [str(one) for one in given] if isinstance(given, list) else []
    if not isinstance(given, list) or not set(found) <= set(RIGHTS_KNOWN):
        raise InvalidRequest(f"{where}: there are {', '.join(RIGHTS_KNOWN)}")
    return found
