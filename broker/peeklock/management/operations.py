"""Create, change, look at and mend entities: once, for the management node, CLI and others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from peeklock.engine.dispatch import within_bytes
from peeklock.engine.engine import Engine
from peeklock.engine.relay import redrive
from peeklock.engine.selector import MessageSelector
from peeklock.entities.push import renewed
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING, Entry
from peeklock.entities.session_verbs import sessions_of
from peeklock.entities.settings import QueueSettings
from peeklock.entities.settings_map import Settings, settings_as_map, with_changes
from peeklock.errors import InvalidRequest, NotAllowed
from peeklock.filters.filter import sql_filter
from peeklock.limits import (
    CHANGE_COUNT_MAX,
    FILTER_LOOKS_MAX,
    PEEK_BYTES_MAX,
    PEEK_COUNT_MAX,
)
from peeklock.management.ways_on import RequireSend, check_forwards
from peeklock.types import SequenceNumber, SessionId, UnixMs

FIRST: Final = SequenceNumber(1)
UNSPOKEN = "service_bus"  # a setting that is made of what Service Bus' clients say
# Settings that are the broker's own.
UNSETTABLE: Final = {"temporary", "push_granted", "push_granted_per_minute"}
STATES = {
    "active": (READY,),
    "deferred": (DEFERRED,),
    "scheduled": (WAITING,),
    "all": (READY, DEFERRED, WAITING),
}


def settings_from(changes: Mapping[str, object], base: Settings) -> Settings:
    """`base` with some settings changed; raises `InvalidRequest` naming what is wrong."""
    known = set(settings_as_map(base)) - UNSETTABLE
    for name in changes:
        if name not in known:
            named = sorted(known - {UNSPOKEN})
            raise InvalidRequest(f"no setting {name!r}; there are {', '.join(named)}")
    try:
        return with_changes(base, changes)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(str(error)) from None


def create_queue(
    engine: Engine,
    name: str,
    settings: QueueSettings,
    now: UnixMs,
    require_send: RequireSend,
) -> Queue:
    """A new queue; raises `AlreadyExists`, `InvalidRequest`, `Unauthorized`."""
    check_forwards(require_send, settings, QueueSettings())
    engine.commit_registry(engine.namespace.create(name, settings, now))
    return engine.namespace.find(name)


def update_queue(
    engine: Engine,
    name: str,
    changes: Mapping[str, object],
    now: UnixMs,
    require_send: RequireSend,
) -> Queue:
    """Raises `NotFound`, `InvalidRequest`, `Unauthorized`."""
    queue = engine.namespace.find(name)
    settings = settings_from(changes, queue.settings)
    check_forwards(require_send, settings, queue.settings)
    push = renewed(queue.settings.push, settings.push, set(changes))
    if push != settings.push:
        settings = replace(settings, push=push)
    engine.commit_registry(engine.namespace.update(name, settings, now))
    engine.refresh(queue)
    return queue


def delete_queue(engine: Engine, name: str) -> None:
    engine.commit_registry(engine.namespace.delete(name))


def set_dispatch(engine: Engine, queue: Queue, now: UnixMs, *, dispatch: bool) -> None:
    """Pause or resume handing out; messages still come in."""
    settings = replace(queue.settings, dispatch=dispatch)
    engine.commit_registry(engine.namespace.update(queue.path, settings, now))
    engine.refresh(queue)


@dataclass(frozen=True)
class Found:
    """Messages that a request is about, and where the next one goes on; None: there is none."""

    numbers: list[SequenceNumber]
    following: SequenceNumber | None


def matching(
    engine: Engine,
    queue: Queue,
    states: tuple[int, ...],
    text: str,
    start: SequenceNumber,
    count: int,
) -> Found:
    """Those of the next `FILTER_LOOKS_MAX` from `start` on for which a SQL filter is true.

    In these states, and at most `count`. Raises `InvalidFilter`. One that cannot be read, or on
    which the filter fails, is not meant.
    """
    selector = MessageSelector(sql_filter(text), engine.namespace.lens, engine.journal)
    looked = queue.browse(start, FILTER_LOOKS_MAX)
    found: list[SequenceNumber] = []
    for entry in looked:
        if len(found) >= count:
            return Found(found, entry.number)
        if entry.state in states and selector.is_sure(entry):
            found.append(entry.number)
    is_more = len(looked) == FILTER_LOOKS_MAX
    return Found(found, SequenceNumber(looked[-1].number + 1) if is_more else None)


def purge(engine: Engine, queue: Queue, state: str, count: int, now: UnixMs) -> int:
    """Remove messages in a state, at most `count`; returns how many. Held ones stay."""
    before = len(queue.entries)
    facts = queue.purge(states_called(state), min(count, CHANGE_COUNT_MAX))
    if facts:
        engine.commit(queue, facts, now)
    return before - len(queue.entries)


def purge_matching(
    engine: Engine,
    queue: Queue,
    state: str,
    text: str,
    start: SequenceNumber,
    count: int,
    now: UnixMs,
) -> Found:
    """Remove messages in a state that a SQL filter takes."""
    found = matching(engine, queue, states_called(state), text, start, count)
    if found.numbers:
        engine.commit(queue, queue.purge_these(found.numbers), now)
    return found


def delete_oldest(
    engine: Engine,
    queue: Queue,
    before: UnixMs,
    count: int,
    session_id: SessionId | None,
    now: UnixMs,
) -> int:
    """Remove the oldest free messages that came before an instant; returns how many.

    Of one message session, where there are sessions. Raises as receiving would.
    """
    queue.check_handing_out()
    candidates: Iterable[Entry] = queue.entries.values()
    if session_id is not None:
        candidates = sessions_of(queue).browse(session_id, FIRST, len(queue.entries))
    elif queue.sessions is not None:
        raise NotAllowed(f"{queue.path!r}: say in which message session they are")
    chosen: list[SequenceNumber] = []
    for entry in candidates:
        if len(chosen) >= count:
            break
        if entry.state == READY and entry.enqueued_at < before:
            chosen.append(entry.number)
    if chosen:
        engine.commit(queue, queue.purge_these(chosen), now)
    return len(chosen)


def states_called(state: str) -> tuple[int, ...]:
    states = STATES.get(state)
    if states is None:
        raise InvalidRequest(f"no state {state!r}; there are {', '.join(STATES)}")
    return states


def undefer(
    engine: Engine, queue: Queue, numbers: list[SequenceNumber], count: int, now: UnixMs
) -> int:
    """Deferred messages are handed out again: these, or the first `count`; says how many.

    Raises `MessageNotFound` when one of `numbers` is not deferred; then none is.
    """
    chosen = numbers or queue.numbers_in(DEFERRED, min(count, CHANGE_COUNT_MAX))
    if chosen:
        engine.commit(queue, queue.undefer(chosen), now)
    return len(chosen)


def redrive_dead_letters(
    engine: Engine, queue: Queue, numbers: list[SequenceNumber], count: int, now: UnixMs
) -> int:
    """Send dead letters back to where they came from: these, or the first `count` that can."""
    home = engine.namespace.by_id.get(queue.dead_letters_of)
    chosen = [
        number
        for number in (numbers or list(queue.entries))
        if number in queue.entries
        and queue.entries[number].state != LOCKED
        and (numbers or home is None or home.can_take_back(queue.entries[number]))
    ][: min(count, CHANGE_COUNT_MAX)]
    if chosen:
        engine.commit(queue, redrive(engine.namespace, queue, chosen, now), now)
    return len(chosen)


def dead_letter_reasons(queue: Queue) -> dict[str, int]:
    """How many dead letters there are for each reason."""
    counts: dict[str, int] = {}
    for entry in queue.entries.values():
        reason = entry.origin.reason if entry.origin is not None else ""
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def peek(
    queue: Queue, start: SequenceNumber, count: int, session_id: SessionId | None = None
) -> list[Entry]:
    """Messages in any state from a number on, untouched: as many as one reply may hold.

    Of one message session, or of all.
    """
    count = min(max(count, 0), PEEK_COUNT_MAX)
    if session_id is None:
        found = queue.browse(start, count)
    else:
        found = sessions_of(queue).browse(session_id, start, count)
    return within_bytes(found, PEEK_BYTES_MAX)


def list_queues(engine: Engine, prefix: str, skip: int, top: int) -> list[Queue]:
    """Queues by name."""
    found = [
        q for q in engine.namespace.queues() if q.path.casefold().startswith(prefix.casefold())
    ]
    found.sort(key=path_key)
    return found[skip : skip + top]


def path_key(queue: Queue) -> str:
    return queue.path.casefold()
