"""Addresses on the wire ⇄ entity paths.

`orders` · `orders/$DeadLetterQueue` · `tickets/Subscriptions/erp` · `orders/$management` ·
`$management` · `$cbs`, each also
with a leading `/` or a `scheme://authority/` before it and with percent-encoding;
RabbitMQ 4's `/queues/orders`; Qpid's `queue://orders`. Look-up ignores case.
"""

from typing import Final, final
from urllib.parse import unquote

from peeklock.errors import InvalidRequest
from peeklock.limits import ENTITY_PATH_CHARACTERS_MAX
from peeklock.types import EntityPath

DEAD_LETTER_SUFFIX: Final = "/$DeadLetterQueue"
SUBSCRIPTIONS: Final = "/Subscriptions/"
RULES: Final = "/Rules/"
DERIVATIONS: Final = "/Derivations/"
MANAGEMENT_SUFFIX: Final = "/$management"
MANAGEMENT: Final = "$management"
CBS: Final = "$cbs"
RESERVED: Final = ("subscriptions", "rules")  # parts of addresses below a topic


@final
class Address:
    """An entity path and whether its management node is meant.

    `path` is "" for the namespace's own nodes: `$management`, and `$cbs` with `is_cbs`.
    """

    __slots__ = ("is_cbs", "is_management", "path")

    def __init__(
        self, path: EntityPath, *, is_management: bool = False, is_cbs: bool = False
    ) -> None:
        self.path: Final = path
        self.is_management: Final = is_management
        self.is_cbs: Final = is_cbs


def parse_address(text: str) -> Address:
    """Read an address; never fails: what names nothing is found out at look-up."""
    path = unquote(strip_authority(text))
    folded = path.casefold()
    if folded == MANAGEMENT:
        return Address(EntityPath(""), is_management=True)
    if folded == CBS:
        return Address(EntityPath(""), is_cbs=True)
    if folded.endswith(MANAGEMENT_SUFFIX):
        return Address(EntityPath(path[: -len(MANAGEMENT_SUFFIX)]), is_management=True)
    return Address(EntityPath(path))


def strip_authority(text: str) -> str:
    if text.startswith("/queues/"):  # RabbitMQ 4, address format 2
        return text[len("/queues/") :]
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text.lstrip("/")
    if scheme in ("queue", "topic"):  # Qpid JMS: no authority, the name follows at once
        return rest
    _authority, _separator, path = rest.partition("/")
    return path.lstrip("/")


def key_of(path: str) -> str:
    """What two spellings of the same path share."""
    return path.casefold()


def dead_letter_path(path: EntityPath) -> EntityPath:
    return EntityPath(path + DEAD_LETTER_SUFFIX)


def subscription_path(topic: EntityPath, name: str) -> EntityPath:
    return EntityPath(topic + SUBSCRIPTIONS + name)


def subscription_parts(path: str) -> tuple[str, str] | None:
    """A subscription's path as its topic's and its own name; None for any other path."""
    at = path.casefold().find(SUBSCRIPTIONS.casefold())
    if at < 0:
        return None
    name = path[at + len(SUBSCRIPTIONS) :]
    return (path[:at], name) if "/" not in name else None


def rule_parts(path: str) -> tuple[str, str] | None:
    """A rule's path as its subscription's and its own name; None for any other path."""
    if SUBSCRIPTIONS.casefold() not in path.casefold():
        return None
    at = path.casefold().find(RULES.casefold())
    return None if at < 0 else (path[:at], path[at + len(RULES) :])


def rule_path(subscription: EntityPath, name: str) -> EntityPath:
    return EntityPath(subscription + RULES + name)


def derivation_path(topic: EntityPath, name: str) -> EntityPath:
    """By which people and requests know a derivation."""
    return EntityPath(topic + DERIVATIONS + name)


def derivation_parts(path: str) -> tuple[str, str] | None:
    """A derivation's path as its topic's and its own name; None for any other path."""
    at = path.casefold().rfind(DERIVATIONS.casefold())
    return None if at < 0 else (path[:at], path[at + len(DERIVATIONS) :])


def check_name(path: str) -> EntityPath:
    """Refuse what cannot name a queue; returns it as a path."""
    if not path or len(path) > ENTITY_PATH_CHARACTERS_MAX:
        raise InvalidRequest(
            f"a queue's name has 1 to {ENTITY_PATH_CHARACTERS_MAX} characters, not {len(path)}"
        )
    if any(part.strip() != part or part[:1] in ("", "$") for part in path.split("/")):
        raise InvalidRequest(
            f"{path!r}: no part of a queue's name is empty, starts with '$', or starts or ends "
            "with a space"
        )
    if any(part.casefold() in RESERVED for part in path.split("/")):
        raise InvalidRequest(f"{path!r}: 'subscriptions' and 'rules' are words of addresses")
    if any(character in "?#*\\" or not character.isprintable() for character in path):
        raise InvalidRequest(
            f"{path!r}: a queue's name has none of ? # * \\ or control characters"
        )
    return EntityPath(path)
