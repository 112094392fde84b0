"""All webhooks of the broker: which queues have one, and who may give leave by a callback."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from peeklock.clock import Clock
from peeklock.engine.effects import Deliver, Effect, EntityChanged, ReceiverEnded
from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.limits import PUSH_CALLBACK_VALID, PUSH_REQUESTS_BYTES_MAX, PUSH_REQUESTS_MAX
from peeklock.server.push_host import PushHost
from peeklock.server.push_room import PushRoom
from peeklock.server.push_rules import PushRules
from peeklock.server.pusher import Pusher
from peeklock.types import ElapsedMs, QueueId

log = structlog.get_logger()


class Webhooks:
    """A peer of the engine without a connection. Who has no webhooks pays for none."""

    def __init__(
        self, engine: Engine, clock: Clock, turn: Callable[[], None], rules: PushRules
    ) -> None:
        self._engine: Final = engine
        self._clock: Final = clock
        self._rules: Final = rules
        self._host: Final = PushHost(
            engine,
            clock,
            turn,
            rules,
            PushRoom(PUSH_REQUESTS_MAX, PUSH_REQUESTS_BYTES_MAX),
            self._expect_callback,
        )
        self._pushers: Final[dict[QueueId, Pusher]] = {}
        self._running: Final[dict[QueueId, asyncio.Task[None]]] = {}
        # Whose leave a callback with this key gives, and until when.
        self._callbacks: Final[dict[str, tuple[Pusher, ElapsedMs]]] = {}
        self._is_closed = False

    def start(self) -> None:
        """From now on; the engine has started."""
        self._engine.watch(self)
        for queue in list(self._engine.namespace.by_id.values()):
            self._look_at(queue)

    async def close(self) -> None:
        """What is under way goes back to its queue, untried."""
        self._is_closed = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def grant(self, key: str, per_minute: int | None) -> bool:
        """A receiver gives leave by its callback (§4.1.3); False: nobody waits for this one."""
        found = self._callbacks.pop(key, None)
        if found is None or found[1] < self._clock.elapsed():
            return False
        found[0].granted(per_minute or 0)
        return True

    @property
    def queue_ids(self) -> set[QueueId]:
        """Whose queue has one, now."""
        return set(self._pushers)

    # ---- effects

    def on_effect(self, effect: Effect) -> None:
        if isinstance(effect, Deliver):
            pusher = effect.receiver.link
            assert isinstance(pusher, Pusher)
            pusher.on_deliver(effect)
        elif isinstance(effect, EntityChanged):
            queue = self._engine.namespace.by_id.get(effect.queue_id)
            if queue is not None:
                self._look_at(queue)
            elif effect.queue_id in self._pushers:
                self._pushers[effect.queue_id].end()
        elif isinstance(effect, ReceiverEnded):
            pusher = effect.receiver.link
            assert isinstance(pusher, Pusher)
            pusher.end()

    def _look_at(self, queue: Queue) -> None:
        pusher = self._pushers.get(queue.queue_id)
        if pusher is not None:
            pusher.look()
        elif queue.settings.push.to and not self._is_closed:
            pusher = Pusher(self._host, self, queue)
            self._pushers[queue.queue_id] = pusher
            task = asyncio.ensure_future(self._run(pusher))
            self._running[queue.queue_id] = task

    async def _run(self, pusher: Pusher) -> None:
        queue = pusher.queue
        may_go_on = False
        try:
            await pusher.run()
            may_go_on = queue.queue_id in self._engine.namespace.by_id
        except Exception:  # whatever it is, it ends one webhook, until its settings change
            log.exception("webhook ended", queue=queue.path)
        finally:
            self._pushers.pop(queue.queue_id, None)
            self._running.pop(queue.queue_id, None)
            self._forget_callbacks(pusher)
        if may_go_on:
            self._look_at(queue)  # it may have been told to push again meanwhile

    # ---- callbacks

    def _expect_callback(self, pusher: Pusher) -> str:
        if not self._rules.callback_url:
            return ""
        self._forget_callbacks(pusher)
        key = self._engine.ids.name()
        until = ElapsedMs(self._clock.elapsed() + PUSH_CALLBACK_VALID)
        self._callbacks[key] = (pusher, until)
        return f"{self._rules.callback_url}/$webhooks/{key}"

    def _forget_callbacks(self, pusher: Pusher) -> None:
        """The last one that was told counts."""
        for key in [key for key, (whose, _until) in self._callbacks.items() if whose is pusher]:
            del self._callbacks[key]
