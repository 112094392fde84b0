"""What the broker itself notes of a webhook, in its queue's settings: it outlives a restart."""

from dataclasses import replace

from peeklock.engine.engine import Engine
from peeklock.entities.push import Push, PushStatus
from peeklock.entities.queue import Queue
from peeklock.types import UnixMs


def note_granted(engine: Engine, queue: Queue, per_minute: int, now: UnixMs) -> None:
    """The receiver allows deliveries; 0: any number of them."""
    push = queue.settings.push
    note(engine, queue, replace(push, granted=True, granted_per_minute=per_minute), now)


def note_gone(engine: Engine, queue: Queue, now: UnixMs) -> None:
    """The receiver wants none any more, until the owner says otherwise."""
    note(engine, queue, replace(queue.settings.push, status=PushStatus.GONE), now)


def note(engine: Engine, queue: Queue, push: Push, now: UnixMs) -> None:
    settings = replace(queue.settings, push=push)
    engine.commit_registry(engine.namespace.update(queue.path, settings, now))
