"""One webhook: a receiver of its queue that POSTs what it is handed, and settles by the answer.

It wants no more from the queue than it can send at once, so nothing is locked that waits. What
is under way when the process dies is free after the restart, and is sent again.
"""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from peeklock.cloudevents.http_binding import HttpParts
from peeklock.cloudevents.webhook import (
    METHOD,
    VALIDATION_METHOD,
    Verdict,
    allowance,
    retry_at,
    validation_headers,
    verdict,
)
from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Peer
from peeklock.entities import dispositions
from peeklock.entities.dispositions import COMPLETE, RELEASE, Disposition
from peeklock.entities.push import Push, PushStatus
from peeklock.entities.push_headers import fields_in
from peeklock.entities.queue import TOO_MANY_FAILURES, TOO_MANY_FAILURES_WHY, Queue
from peeklock.entities.queue_index import WAITING, Entry
from peeklock.errors import EntityDisabled
from peeklock.frontends.amqp_message import bare_of
from peeklock.frontends.http.push_gate import PushGate
from peeklock.frontends.http.pushed_events import Unpushable, pushed_parts
from peeklock.limits import (
    EVENT_SCANNED_AT_ONCE_BYTES_MAX,
    PUSH_CALLBACK_VALID,
    PUSH_LOCK_RESERVE,
    PUSH_RETRY_AFTER_MAX,
)
from peeklock.management.pushing import note_gone, note_granted
from peeklock.server.apart import apart
from peeklock.server.push_answer import Answer, Unanswered
from peeklock.server.push_host import PushHost, load_push_client
from peeklock.store.journal import MessageDamaged
from peeklock.types import NEVER, LockToken, Millis, UnixMs

if TYPE_CHECKING:
    from peeklock.server.push_client import PushClient

log = structlog.get_logger()
REFUSED: Final = "PushRefused"
UNPUSHABLE: Final = "NotPushable"
NO_PAUSE: Final = Millis(0)
LAPSED: Final = "push_authorized_until is over: another push_authorization is wanted"


class Pusher:
    """Runs until its queue is gone or pushes nothing more; `about` is what operators see."""

    def __init__(self, host: PushHost, peer: Peer, queue: Queue) -> None:
        self.queue: Final = queue
        self._host: Final = host
        self._peer: Final = peer
        self._gate = PushGate()
        self._push = queue.settings.push
        self._client: PushClient | None = None
        self._receiver: Receiver | None = None
        self._under_way: Final[set[asyncio.Task[None]]] = set()
        self._again: Entry | None = None  # it failed, and comes before all others
        self._awaits_callback = False
        self._news: Final = asyncio.Event()
        self._is_over = False

    # ---- what it is told

    def look(self) -> None:
        """Something has changed."""
        self._news.set()

    def end(self) -> None:
        """Its queue is gone."""
        self._is_over = True
        self.look()

    def granted(self, per_minute: int) -> None:
        """The receiver gives leave; 0: for any number of requests a minute."""
        self._awaits_callback = False
        self._gate.allowed()
        if self.queue.queue_id in self._host.engine.namespace.by_id:
            note_granted(self._host.engine, self.queue, per_minute, self._host.clock.now())
            self._host.turn()
        self.look()

    def on_deliver(self, effect: Deliver) -> None:
        effect.receiver.untold_count -= len(effect.entries)
        for entry in effect.entries:
            token = LockToken(effect.nonce + entry.number.to_bytes(8, "big"))
            self._gate.began(self._host.clock.elapsed(), self._push.rate)
            work = asyncio.ensure_future(self._deliver(entry, token, effect.locked_until))
            self._under_way.add(work)
            work.add_done_callback(self._on_done)
        self.look()

    def _on_done(self, work: asyncio.Task[None]) -> None:
        self._under_way.discard(work)
        if not work.cancelled() and work.exception() is not None:
            error = work.exception()
            log.error("webhook failed", queue=self.queue.path, exc_info=error)
            self._fail(f"the broker: {error}", NO_PAUSE)
        self.look()

    # ---- its life

    async def run(self) -> None:
        try:
            while await self._step():
                pass
        finally:
            for work in list(self._under_way):
                work.cancel()
            await self._leave()

    async def _step(self) -> bool:
        """One look at what is to be done, and a wait for the next; False: that was all."""
        self._news.clear()
        wanted = self.queue.settings.push
        if self._is_over or not wanted.to:
            self._ask_for(0)
            if not self._under_way:
                return False
            await self._wait(None)
            return True
        if not wanted.asks_as(self._push) and self._under_way:
            self._ask_for(0)  # first to its end what was begun
            await self._wait(None)
            return True
        if wanted != self._push:
            await self._begin_anew(wanted)
        if wanted.status is not PushStatus.ACTIVE or not self._is_attached():
            self._ask_for(0)
            await self._wait(None)
            return True
        await self._go_on(wanted)
        return True

    async def _go_on(self, wanted: Push) -> None:
        lapses_in = wanted.lapses_in(self._host.clock.now())
        if lapses_in == 0:
            self._ask_for(0)
            self._note_lapsed()
            await self._wait(None)
            return
        pause = self._gate.wait(self._host.clock.elapsed())
        may_push = wanted.granted or not self._host.rules.asks(wanted.to)
        if not may_push and pause == 0:
            self._ask_for(0)
            await self._ask_for_leave(wanted)
            return
        if may_push and pause == 0:
            pause = self._until_its_turn()
        is_open = may_push and pause == 0
        self._ask_for(self._free_count() if is_open else 0)
        await self._wait(min([one for one in (pause, lapses_in) if one], default=None))

    def _note_lapsed(self) -> None:
        if self._gate.error != LAPSED:
            log.warning("webhook not authorized", queue=self.queue.path, reason=LAPSED)
            self._gate.stopped(self._host.clock.now(), LAPSED)

    async def _begin_anew(self, wanted: Push) -> None:
        """Its settings have changed; what was learned of another receiver counts no more."""
        before = self._push
        self._push = wanted
        is_same = wanted.asks_as(before) and wanted.status is before.status
        if is_same or wanted.status is PushStatus.GONE:  # then what was answered is told
            return
        self._ask_for(0)
        self._gate = PushGate()
        self._again = None
        self._awaits_callback = False
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def _is_attached(self) -> bool:
        if self._receiver is None:
            host = self._host
            try:
                self._receiver = host.engine.attach(
                    self._peer, self, self.queue, ReceiveMode.PEEK_LOCK
                )
            except EntityDisabled:
                return False
            self._receiver.about = self.about
        return True

    def _free_count(self) -> int:
        assert self._receiver is not None
        free = self._push.concurrency - len(self._under_way) - self._receiver.untold_count
        return max(0, min(free, 1) if self._push.rate else free)

    def _until_its_turn(self) -> Millis:
        """In order, what has failed comes first: until it is due, nothing does."""
        again = self._again
        if again is None or self._push.concurrency > 1:
            return NO_PAUSE
        host = self._host
        if self.queue.entries.get(again.number) is again and again.state == WAITING:
            now = host.clock.now()
            if again.not_before > now:
                return Millis(again.not_before - now)
            host.engine.tick(now)
            host.turn()
        self._again = None
        return NO_PAUSE

    def _ask_for(self, count: int) -> None:
        receiver = self._receiver
        if receiver is not None and not receiver.closed and receiver.credit != count:
            self._host.engine.set_credit(receiver, count, draining=False)
            self._host.turn()

    async def _wait(self, pause: Millis | None) -> None:
        """For news, or so long."""
        try:
            async with asyncio.timeout(None if pause is None else pause / 1000):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _leave(self) -> None:
        host = self._host
        if self._receiver is not None:
            host.engine.detach(self._receiver, host.clock.now())
            host.turn()
        if self._client is not None:
            await self._client.close()

    # ---- leave (CloudEvents Web Hooks 1.0 §4)

    async def _ask_for_leave(self, wanted: Push) -> None:
        host = self._host
        now = host.clock.now
        callback = host.expect_callback(self)
        asked = validation_headers(host.rules.origin, wanted.per_minute or None, callback)
        parts = HttpParts(asked, b"")
        async with host.room.taken(0):
            answer = await self._request(VALIDATION_METHOD, parts, wanted.timeout_ms)
        if self._is_over or self.queue.settings.push.to != wanted.to:
            return  # nobody wants to know any more
        if self.queue.settings.push.granted:
            return  # by the callback, meanwhile
        elapsed = host.clock.elapsed()
        if isinstance(answer, str):
            self._gate.not_allowed(elapsed, now(), answer, NO_PAUSE)
            return
        found = allowance(answer.parts, host.rules.origin)
        if found.allowed:
            self.granted(found.per_minute or 0)
            return
        self._awaits_callback = callback != "" and 200 <= answer.status <= 299
        why = f"{answer}, and no WebHook-Allowed-Origin that allows {host.rules.origin}"
        at_least = UnixMs(retry_at(answer.parts, now(), PUSH_RETRY_AFTER_MAX) - now())
        if self._awaits_callback:
            at_least = UnixMs(max(at_least, PUSH_CALLBACK_VALID))
        self._gate.not_allowed(elapsed, now(), why, Millis(at_least))
        log.warning("webhook not allowed", queue=self.queue.path, reason=why)

    # ---- deliveries (§2)

    async def _deliver(self, entry: Entry, token: LockToken, until: UnixMs) -> None:
        """Whatever comes of it, the message is settled, or its lock is over."""
        host = self._host
        try:
            disposition = await self._sent(entry, until)
        except MessageDamaged:
            host.engine.give_up(self.queue, entry, token[:8])
            host.turn()
            return
        except OSError as error:
            log.error("webhook cannot read a message", queue=self.queue.path, reason=str(error))
            disposition = RELEASE
            self._fail(str(error), NO_PAUSE)
        receiver = self._receiver
        if receiver is None or receiver.closed:
            return
        now = host.clock.now()
        host.engine.settle(receiver, 0, [token], disposition, None, now, settled=True)
        if disposition.verdict is dispositions.Verdict.ABANDON:
            self._again = entry
        host.turn()

    async def _sent(self, entry: Entry, until: UnixMs) -> Disposition:
        """What the answer makes of the message, once there is room for its request."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._left(until) / 1000):
                    await stack.enter_async_context(self._host.room.taken(entry.size))
            except TimeoutError:
                return RELEASE  # untried: the others take too long
            return await self._sent_now(entry, until)

    async def _sent_now(self, entry: Entry, until: UnixMs) -> Disposition:
        host = self._host
        push = self._push
        bare = bare_of(entry, host.engine.message_of(entry))
        make = partial(pushed_parts, entry, bare, self.queue.path, push.mode, host.rules.origin)
        try:
            is_long = len(bare) > EVENT_SCANNED_AT_ONCE_BYTES_MAX
            parts = await apart(make) if is_long else make()
        except Unpushable as error:
            return Disposition(dispositions.Verdict.DEAD_LETTER, NEVER, UNPUSHABLE, str(error))
        is_paused = self._gate.wait(host.clock.elapsed()) and self._gate.is_held_up
        left = self._left(until)
        if is_paused or not left or push.lapses_in(host.clock.now()) == 0:
            return RELEASE  # the receiver has just said that it wants to be left alone, say
        said = fields_in(push.headers)
        if push.authorization:
            said.append(("Authorization", push.authorization))
        if said:
            parts = HttpParts([*parts.headers, *said], parts.body)
        answer = await self._request(METHOD, parts, min(push.timeout_ms, left))
        return self._judged(entry, answer)

    def _left(self, until: UnixMs) -> Millis:
        """Of a lock, for the request."""
        return Millis(max(0, until - self._host.clock.now() - PUSH_LOCK_RESERVE))

    def _judged(self, entry: Entry, answer: Answer | str) -> Disposition:
        host = self._host
        if isinstance(answer, str):
            return self._failed(entry, answer, NO_PAUSE)
        said = f"the receiver {answer}"
        meant = verdict(answer.status)
        if meant is Verdict.DELIVERED:
            self._gate.went_well()
            return COMPLETE
        if meant is Verdict.REFUSED:
            self._gate.stopped(host.clock.now(), said)  # told, and no reason to pause
            return Disposition(dispositions.Verdict.DEAD_LETTER, NEVER, REFUSED, said)
        if meant is Verdict.GONE:
            self._gate.stopped(host.clock.now(), said)
            log.warning("webhook gone", queue=self.queue.path, reason=said)
            self._ask_for(0)  # before this one is free again
            if self.queue.queue_id in host.engine.namespace.by_id:
                note_gone(host.engine, self.queue, host.clock.now())
            return RELEASE
        now = host.clock.now()
        at_least = Millis(retry_at(answer.parts, now, PUSH_RETRY_AFTER_MAX) - now)
        return self._failed(entry, said, at_least)

    def _failed(self, entry: Entry, why: str, at_least: Millis) -> Disposition:
        """Again, as the queue has it, and not before the receiver wants it; or for good."""
        self._fail(why, at_least)
        settings = self.queue.settings
        attempts = entry.delivery_count + 1
        if attempts >= settings.max_delivery_count:
            said = f"{TOO_MANY_FAILURES_WHY.format(attempts)} The last one: {why}"
            return Disposition(dispositions.Verdict.DEAD_LETTER, NEVER, TOO_MANY_FAILURES, said)
        not_before = NEVER
        if at_least:
            delay = max(at_least, settings.retry.delay(attempts, 0.0))
            not_before = UnixMs(self._host.clock.now() + delay)
        return Disposition(dispositions.Verdict.ABANDON, not_before)

    def _fail(self, why: str, at_least: Millis) -> None:
        clock = self._host.clock
        if not self._gate.error:
            log.warning("webhook failed", queue=self.queue.path, reason=why)
        self._gate.failed(clock.elapsed(), clock.now(), why, at_least)

    async def _request(self, method: str, parts: HttpParts, within: int) -> Answer | str:
        """The answer, or why there is none."""
        if self._client is None:
            try:
                make, context = await apart(partial(load_push_client, self._host.rules))
            except OSError as error:
                return f"the authorities of push.ca cannot be read: {error}"
            if self._client is None:  # another delivery may have come first
                push = self._push
                self._client = make(push.to, push.concurrency, self._host.rules, context)
        try:
            headers = list(parts.headers)
            return await self._client.ask(method, headers, parts.body, Millis(within))
        except Unanswered as error:
            return f"the receiver {error}"

    # ---- being looked at

    def about(self) -> dict[str, object]:
        gate = self._gate
        return {
            "push_state": self._state(),
            "push_error": gate.error,
            "push_error_at": int(gate.error_at) if gate.error else 0,
            "push_under_way": len(self._under_way),
            "push_delivered": gate.delivered_count,
        }

    def _state(self) -> str:
        push = self.queue.settings.push
        if not push.to:
            return "ends"
        if push.status is not PushStatus.ACTIVE:
            return str(push.status)
        if push.lapses_in(self._host.clock.now()) == 0:
            return "not authorized"
        if not push.granted and self._host.rules.asks(push.to):
            if self._awaits_callback:
                return "awaits the callback"
            return "not allowed" if self._gate.error else "asks for leave"
        return "waits" if self._gate.is_held_up else "pushes"
