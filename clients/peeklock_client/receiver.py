"""Receiving from one address: prefetch, and the settling of what is held."""

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from peeklock.protocols.amqp10.events import (
    DeliverySettled,
    Event,
    LinkAttached,
    LinkDetached,
    MessageReceived,
    SenderFlowed,
)
from peeklock.protocols.amqp10.link import ReceiverLink
from peeklock.protocols.amqp10.outcomes import RELEASED, DeliveryState, Rejected
from peeklock.protocols.amqp10.performatives import Attach
from peeklock.protocols.amqp10.session import Session
from peeklock.protocols.amqp10.terminus import AmqpMap, Source, Target
from peeklock.protocols.amqp10.values import Symbol
from peeklock_client.broker_clock import BrokerClock
from peeklock_client.errors import LockLost, PeeklockError, Refused, SessionLost, refusal
from peeklock_client.job import Job
from peeklock_client.message import ReceivedMessage
from peeklock_client.seat import Seat, session_lost
from peeklock_client.source_filter import SourceFilter, filters_of

if TYPE_CHECKING:
    from peeklock_client.client import Client

PREFETCH_DEFAULT = 10
LOCK_DURATION = Symbol("peeklock:lock-duration-ms")  # in the broker's attach


def lock_lost(why: str) -> LockLost:
    return LockLost("com.microsoft:message-lock-lost", why)


class Receiver:
    """Jobs of one queue, as they come: at most `prefetch` are ours and unsettled at a time.

    An `Endpoint`. After a broken connection it goes on by itself; jobs that were held then
    are lost to it (the broker has released them at once), and settling them says so. But not
    in a message session (with a `seat`): that is lost, too, and somebody else may have it.
    """

    def __init__(
        self,
        client: "Client",
        address: str,
        prefetch: int,
        selector: str | SourceFilter | None = None,
        seat: Seat | None = None,
    ) -> None:
        assert prefetch > 0
        assert selector is None or seat is None
        self._client = client
        self._address = address
        self._prefetch = prefetch
        self._selector = selector
        self._seat = seat
        self._link: ReceiverLink | None = None
        self._buffer: deque[Job] = deque()
        self.clock = BrokerClock()
        self._lock_ms = 0  # as the broker told it when we attached, until it has served
        self._held: dict[int, Job] = {}  # by delivery-id: in the buffer or in hand
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._arrived = asyncio.Event()
        self._stopping = False
        self._is_draining = False  # we have asked for what is there, and wait for the answer
        self._is_drained = False  # there is nothing, and we have no credit
        self._idle = asyncio.Event()  # stopped, and nothing in hand
        self._error: PeeklockError | None = None

    # ---- receiving

    def open(self) -> "Receiver":
        self._client.add(self)
        return self

    async def next(self, wait: float | None = None) -> Job | None:
        """The next job; None when none came within `wait` seconds, or after `stop`.

        Raises `NotFound` and the like when there is nothing to receive from.
        """
        while not self._buffer:
            if self._error is not None:
                raise self._error
            if self._stopping:
                return None
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), wait)
            except TimeoutError:
                return None
        return self._buffer.popleft()

    async def next_there(self) -> Job | None:
        """The next of the jobs that are there now; None: there is none, and none will come.

        It takes one round trip: we ask for our credit back behind them (AMQP 1.0 §2.6.7).
        """
        if not self._buffer and self._link is not None and not self._stopping:
            self._is_draining = True
            self._is_drained = False
            self._link.drain()
            self._client.flush_soon()
            while not self._is_drained and not self._ends_waiting:
                self._arrived.clear()
                await self._arrived.wait()
            self._is_draining = False
        if self._error is not None:
            raise self._error
        return self._buffer.popleft() if self._buffer else None

    @property
    def _ends_waiting(self) -> bool:
        return bool(self._buffer) or self._stopping or self._error is not None

    def stop(self) -> None:
        """Take no more jobs; those nobody has seen yet go back to the queue uncounted.

        Jobs in hand can still be settled: the link ends after the last of them.
        """
        if self._stopping:
            return
        self._stopping = True
        link = self._link
        if link is not None:
            link.grant(0)
        while self._buffer:
            self._give_back(self._buffer.popleft())
        self._arrived.set()
        self._end_when_idle()
        self._client.flush_soon()

    def leave(self) -> None:
        """End the link, whatever is in hand: the broker takes back what is not settled."""
        self.stop()
        self._held.clear()
        self._end_when_idle()

    async def finish(self, wait: float | None = None) -> bool:
        """After `stop`: wait until every job in hand is settled; False when time was up."""
        try:
            await asyncio.wait_for(self._idle.wait(), wait)
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> "Receiver":
        return self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def failure(self) -> PeeklockError | None:
        """Why nothing more will come, when nothing more will."""
        return self._error

    @property
    def held_count(self) -> int:
        """Jobs that are ours and unsettled, buffered ones included."""
        return len(self._held)

    # ---- settling

    async def settle(self, delivery_id: int, job: Job, state: DeliveryState) -> None:
        """Tell the broker, and wait for its word; raises `LockLost`, `Refused`."""
        link = self._link
        if self._held.get(delivery_id) is not job or link is None:
            raise self._why_gone()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers[delivery_id] = answer
        link.settle(delivery_id, state, settled=False)
        self._client.flush_soon()
        await answer

    def _why_gone(self) -> LockLost:
        if isinstance(self._error, SessionLost):
            return self._error
        return lock_lost("the connection that held this job is gone, or it was settled")

    def _give_back(self, job: Job) -> None:
        link = self._link
        if link is not None and self._held.pop(job.delivery_id, None) is job:
            link.settle(job.delivery_id, RELEASED)

    def _on_settled(self, event: DeliverySettled) -> None:
        self._held.pop(event.delivery_id, None)
        answer = self._answers.pop(event.delivery_id, None)
        if answer is not None and not answer.done():
            state = event.state
            if isinstance(state, Rejected) and state.error is not None:
                answer.set_exception(refusal(state.error.condition, state.error.description))
            else:
                answer.set_result(None)
        self._top_up()
        self._end_when_idle()

    def _top_up(self) -> None:
        """Credit for what has been settled, in steps of a quarter."""
        link = self._link
        if link is None or self._stopping:
            return
        room = self._prefetch - len(self._held)
        if room - link.credit >= max(1, self._prefetch // 4):
            link.grant(room)
            self._client.flush_soon()

    def _end_when_idle(self) -> None:
        if not self._stopping or self._held:
            return
        self._idle.set()
        self._client.remove(self)
        link = self._link
        if link is not None:
            self._link = None
            link.context = None
            link.detach()
            self._client.flush_soon()

    # ---- endpoint

    def attach(self, session: Session) -> None:
        link = session.attach_receiver(
            f"{self._client.name}-from-{self._address}-{id(self):x}",
            source=Source(address=self._address, filter=self._filters),
            target=Target(),
            rcv_settle_mode=1,
            properties=self._seat.properties if self._seat is not None else None,
        )
        link.context = self
        link.grant(self._prefetch)
        self._link = link

    @property
    def _filters(self) -> AmqpMap | None:
        return filters_of(self._selector) if self._seat is None else self._seat.filters

    def on_event(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            self._on_message(event)
        elif isinstance(event, LinkAttached):
            self._note_lock_duration(event.attach)
            if self._seat is not None:
                self._seat.on_attached(event.attach)
                self._learn(self._seat.locked_until_ms)
        elif isinstance(event, DeliverySettled):
            self._on_settled(event)
        elif isinstance(event, SenderFlowed):
            self._on_flowed(event)
        elif isinstance(event, LinkDetached):
            self._on_detached(event)

    def _note_lock_duration(self, attach: Attach) -> None:
        told = (attach.properties or {}).get(LOCK_DURATION)
        self._lock_ms = int(told) if isinstance(told, int) else 0

    def _learn(self, until_ms: int) -> None:
        """What the broker's clock says: a lock that it has just given ends then."""
        if self._lock_ms and until_ms:
            self.clock.learn(until_ms, self._lock_ms)
            self._lock_ms = 0

    def _on_flowed(self, event: SenderFlowed) -> None:
        if not self._is_draining:
            self._top_up()  # a delivery was given up on its way
        elif event.credit == 0:
            self._is_drained = True
            self._arrived.set()

    def _on_message(self, event: MessageReceived) -> None:
        message = ReceivedMessage(event.payload)
        job = Job(self, event.delivery_id, event.delivery_tag, message)
        self._learn(job.locked_until_ms)
        self._held[event.delivery_id] = job
        if self._stopping:
            self._give_back(job)
            self._end_when_idle()
            self._client.flush_soon()
            return
        self._buffer.append(job)
        self._arrived.set()

    def _on_detached(self, event: LinkDetached) -> None:
        self._client.remove(self)
        error = event.error
        self.on_given_up(
            refusal(error.condition, error.description)
            if error is not None
            else Refused("amqp:detach-forced", f"{self._address}: the link was closed")
        )

    def on_connection_lost(self) -> None:
        self._lose_all(lock_lost("the connection broke before the broker confirmed"))
        if self._seat is not None and self._seat.is_taken:
            self._give_up(session_lost("the connection that held this session broke"))

    def on_given_up(self, error: PeeklockError) -> None:
        self._error = error
        self._lose_all(self._why_gone())
        self._give_up(error)

    def _lose_all(self, why: LockLost) -> None:
        """The broker has released what we held; nobody must work on what is in the buffer."""
        self._link = None
        self._held.clear()
        self._buffer.clear()
        answers = list(self._answers.values())
        self._answers.clear()
        for answer in answers:
            if not answer.done():
                answer.set_exception(why)
        self._end_when_idle()

    def _give_up(self, error: PeeklockError) -> None:
        self._client.remove(self)
        self._error = error
        if self._seat is not None:
            self._seat.fail(error)
        self._arrived.set()
        self._idle.set()

    async def renew(self, job: Job) -> None:
        """Lock it for the queue's whole lock duration again; in a session, all of that."""
        if self._held.get(job.delivery_id) is not job:
            raise self._why_gone()
        if self._seat is not None:
            job.locked_until_ms = await self.renew_session(self._seat)
            return
        [until] = await self.renew_all([job.lock_token])
        job.locked_until_ms = until

    async def renew_all(self, tokens: list[bytes]) -> list[int]:
        """Renew locks in one request, all or none; returns until when, in Unix ms."""
        result = await self._client.request(
            self._address, "com.microsoft:renew-lock", "", {"lock-tokens": list(tokens)}
        )
        expirations = result["expirations"]
        assert isinstance(expirations, list)
        return [int(until) for until in expirations]

    async def renew_session(self, seat: Seat) -> int:
        """Hold the session for the queue's lock duration from now; until when, in Unix ms."""
        arguments: dict[str, object] = {"session-id": seat.session_id}
        result = await self._client.request(
            self._address, "com.microsoft:renew-session-lock", "", arguments
        )
        until = result["expiration"]
        assert isinstance(until, int)
        seat.locked_until_ms = int(until)
        return seat.locked_until_ms
