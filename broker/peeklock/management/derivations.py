"""Create, look at, change and delete derivations of topics: once, for all front-ends."""

from collections.abc import Mapping

import orjson

from peeklock.engine.engine import Engine
from peeklock.entities.derivation_settings import (
    NAMES,
    THRESHOLD_NAMES,
    DerivationSettings,
    derivation_as_map,
    derivation_from_map,
)
from peeklock.entities.ledger import Ledger
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest
from peeklock.management.ways_on import RequireSend
from peeklock.types import UnixMs


def derivation_from(name: str, arguments: Mapping[str, object]) -> DerivationSettings:
    """A derivation as a request or file has it; raises `InvalidRequest`.

    The body is JSON's text, or what JSON would be made of: a map or a list. A setting that is
    None is one of which nothing is said.
    """
    for key in arguments:
        if key not in NAMES and key not in THRESHOLD_NAMES:
            known = ", ".join([one for one in NAMES if one != "name"] + [*THRESHOLD_NAMES])
            raise InvalidRequest(
                f"derivation {name!r}: there is no setting {key!r}; there are {known}"
            )
    values = {key: value for key, value in arguments.items() if value is not None}
    values["name"] = name
    body = values.get("body")
    if isinstance(body, (dict, list)):
        try:
            values["body"] = orjson.dumps(body).decode()
        except TypeError as error:
            raise InvalidRequest(f"derivation {name!r}: body is no JSON: {error}") from None
    return derivation_from_map(values)


def add_derivation(
    engine: Engine,
    topic: str,
    settings: DerivationSettings,
    now: UnixMs,
    require_send: RequireSend,
) -> Ledger:
    """One more.

    Raises `NotFound`, `AlreadyExists`, `InvalidRequest`, `InvalidFilter`, `Unauthorized`.
    """
    require_send(settings.target)  # for its jobs get there
    engine.commit_registry(engine.namespace.create_derivation(topic, settings, now))
    return engine.namespace.find_topic(topic).derivations.find(settings.name)


def changed_derivation(
    before: DerivationSettings, changes: Mapping[str, object]
) -> DerivationSettings:
    """With other settings where `changes` has them, None for the default.

    Another kind has nothing of what belongs to the one before: its period, its figure.
    Raises `InvalidRequest`.
    """
    kept = derivation_as_map(before)
    if "kind" in changes and changes["kind"] != before.kind:
        for name in ("period_ms", *THRESHOLD_NAMES):
            kept.pop(name, None)
    return derivation_from(before.name, {**kept, **changes})


def update_derivation(
    engine: Engine,
    topic: str,
    settings: DerivationSettings,
    now: UnixMs,
    require_send: RequireSend,
) -> Ledger:
    """Other settings; what it remembers stays. Raises `NotAllowed` where that cannot be."""
    require_send(settings.target)  # for its jobs get there
    engine.commit_registry(engine.namespace.update_derivation(topic, settings, now))
    return engine.namespace.find_topic(topic).derivations.find(settings.name)


def remove_derivation(engine: Engine, topic: str, name: str) -> None:
    """One less; raises `NotFound`."""
    derivations = engine.namespace.find_topic(topic).derivations
    engine.commit_registry(derivations.remove(name))


def list_derivations(topic: Topic, prefix: str, skip: int, top: int) -> list[Ledger]:
    """A topic's derivations by name."""
    folded = prefix.casefold()
    found = [
        ledger
        for name, ledger in sorted(topic.derivations.by_name.items())
        if name.startswith(folded)
    ]
    return found[skip : skip + top]


def describe_derivation(topic: Topic, ledger: Ledger) -> dict[str, object]:
    """As its author wrote it, and how it is."""
    view = derivation_as_map(ledger.settings)
    view["topic"] = str(topic.path)
    view["created_at"] = int(ledger.created_at)
    view["keys"] = len(ledger.accounts)
    view["unusable"] = ledger.why_not  # "": it is in force
    return view
