"""Which entity forwards to which: targets are there, and no way leads back to where it began.

Both settings are ways on: `forward_to` of what arrives, `forward_dead_letters_to` of what is
dead-lettered; and a topic leads to its subscriptions. A message that could come back by
settings alone would go round for ever, so such settings are refused when they are made.
"""

from dataclasses import replace
from typing import Final, Protocol

from peeklock.entities.address import key_of, parse_address
from peeklock.entities.settings import QueueSettings
from peeklock.errors import InvalidRequest
from peeklock.types import EntityPath

FORWARD_TO: Final = "forward_to"
FORWARD_DEAD_LETTERS_TO: Final = "forward_dead_letters_to"


class Entities(Protocol):
    """What has to be known of all entities."""

    def target(self, name: str) -> EntityPath | None:
        """The path of the queue or topic with this name, as it was first written."""
        ...

    def onward(self, path: str) -> list[EntityPath]:
        """Where what is in this entity may go by itself."""
        ...


def checked(
    entities: Entities,
    path: EntityPath,
    wanted: QueueSettings,
    topic: EntityPath | None = None,
    before: QueueSettings | None = None,
) -> QueueSettings:
    """The settings, with the paths of new targets as those have them.

    `topic` is a subscription's; `before` are the settings that an update changes: a target
    that it leaves alone may be gone. Raises `InvalidRequest` naming the setting and the loop.
    """
    found = wanted
    given = wanted.forward_to
    if given and (before is None or given != before.forward_to):
        target = find_target(entities, path, FORWARD_TO, given)
        check_loop(entities, path, FORWARD_TO, target, topic)
        found = replace(found, forward_to=str(target))
    given = wanted.forward_dead_letters_to
    if given and (before is None or given != before.forward_dead_letters_to):
        target = find_target(entities, path, FORWARD_DEAD_LETTERS_TO, given)
        check_loop(entities, path, FORWARD_DEAD_LETTERS_TO, target, topic)
        found = replace(found, forward_dead_letters_to=str(target))
    return found


def find_target(entities: Entities, path: EntityPath, name: str, given: str) -> EntityPath:
    """Service Bus' clients give an absolute address; a name will do."""
    wanted = parse_address(given).path
    if key_of(wanted) == key_of(path):
        raise InvalidRequest(f"{name} of {path!r} is {path!r} itself")
    target = entities.target(wanted)
    if target is None:
        raise InvalidRequest(f"{name} of {path!r} is {given!r}: no queue or topic is there")
    return target


def check_loop(
    entities: Entities,
    path: EntityPath,
    name: str,
    target: EntityPath,
    topic: EntityPath | None,
) -> None:
    ends = {key_of(path)} if topic is None else {key_of(path), key_of(topic)}
    way = way_back(entities, target, ends)
    if way:
        loop = " → ".join([path, *way] if topic is None else [topic, path, *way])
        raise InvalidRequest(f"{name} of {path!r} would make a loop: {loop}")


def way_back(entities: Entities, start: EntityPath, ends: set[str]) -> list[EntityPath]:
    """The first way from `start` to one of `ends`, both named; [] when there is none."""
    if key_of(start) in ends:
        return [start]
    came_from: dict[str, EntityPath | None] = {key_of(start): None}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for there in entities.onward(here):
            if key_of(there) in came_from:
                continue
            came_from[key_of(there)] = here
            if key_of(there) in ends:
                return traced(there, came_from)
            waiting.append(there)
    return []


def traced(end: EntityPath, came_from: dict[str, EntityPath | None]) -> list[EntityPath]:
    way = [end]
    before = came_from[key_of(end)]
    while before is not None:
        way.append(before)
        before = came_from[key_of(before)]
    way.reverse()
    return way
