"""Sending to one address: confirmed by the broker, sent again after a broken connection."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from peeklock.protocols.amqp10.events import (
    CreditReceived,
    Event,
    LinkAttached,
    LinkDetached,
    OutcomeReceived,
)
from peeklock.protocols.amqp10.link import SenderLink
from peeklock.protocols.amqp10.outcomes import Accepted, Rejected
from peeklock.protocols.amqp10.session import Session
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock_client.errors import PeeklockError, Refused, refusal

if TYPE_CHECKING:
    from peeklock_client.client import Client


class Batch:
    """Messages that one caller waits for."""

    def __init__(self, count: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.errors: dict[int, Refused] = {}
        self._open_count = count

    def settle(self, index: int, error: Refused | None) -> None:
        if error is not None:
            self.errors[index] = error
        self._open_count -= 1
        if self._open_count == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: PeeklockError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Outgoing:
    """One message on its way: sent with the same bytes, and so the same id, until answered."""

    __slots__ = ("batch", "index", "payload")

    def __init__(self, payload: bytes, batch: Batch, index: int) -> None:
        self.payload = payload
        self.batch = batch
        self.index = index


class Sender:
    """All sending of one client to one address. An `Endpoint`."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client = client
        self._address = address
        self._link: SenderLink | None = None
        self._is_added = False
        self._waiting: deque[Outgoing] = deque()
        self._unconfirmed: dict[int, Outgoing] = {}  # by delivery-id, in order
        self._tag = 0

    async def send(self, payloads: list[bytes]) -> dict[int, Refused]:
        """Send encoded messages; returns the refused ones by their place in the list.

        Returns when the broker has answered for all, which it does once they are durable.
        Raises `NotFound` and the like when the address cannot be sent to, `Unreachable` when
        the connection was lost for good.
        """
        if not payloads:
            return {}
        batch = Batch(len(payloads))
        self._waiting.extend(
            Outgoing(payload, batch, index) for index, payload in enumerate(payloads)
        )
        if not self._is_added:
            self._client.add(self)
            self._is_added = True
        self._pump()
        await batch.done
        return batch.errors

    def _pump(self) -> None:
        link = self._link
        if link is None or not link.is_attached:
            return
        waiting = self._waiting
        sent = False
        while waiting and link.credit > 0:
            message = waiting.popleft()
            self._tag += 1
            delivery_id = link.send(self._tag.to_bytes(8, "big"), message.payload)
            self._unconfirmed[delivery_id] = message
            sent = True
        if sent:
            self._client.flush_soon()

    # ---- endpoint

    def attach(self, session: Session) -> None:
        self._link = session.attach_sender(
            f"{self._client.name}-to-{self._address}",
            source=Source(),
            target=Target(address=self._address),
        )
        self._link.context = self

    def on_event(self, event: Event) -> None:
        if isinstance(event, OutcomeReceived):
            self._on_outcome(event)
            self._pump()
        elif isinstance(event, CreditReceived | LinkAttached):
            self._pump()
        elif isinstance(event, LinkDetached):
            self._on_detached(event)

    def _on_outcome(self, event: OutcomeReceived) -> None:
        state = event.state
        error: Refused | None = None
        if isinstance(state, Rejected) and state.error is not None:
            error = refusal(state.error.condition, state.error.description)
        elif not isinstance(state, Accepted):
            error = Refused("peeklock:not-accepted", f"the broker answered {state!r}")
        for number in range(event.first_delivery_id, event.first_delivery_id + len(event.tags)):
            message = self._unconfirmed.pop(number % (1 << 32), None)
            if message is not None:
                message.batch.settle(message.index, error)
        if not event.settled:
            last = event.first_delivery_id + len(event.tags) - 1
            event.link.settle_range(event.first_delivery_id, last, state)

    def _on_detached(self, event: LinkDetached) -> None:
        """The broker does not take more here: everybody who waits hears why."""
        self._link = None
        self._is_added = False
        self._client.remove(self)
        error = event.error
        if error is None:
            self._fail(Refused("amqp:detach-forced", f"{self._address}: the link was closed"))
        else:
            self._fail(refusal(error.condition, error.description))

    def on_connection_lost(self) -> None:
        """Unconfirmed ones first, as they were: the same bytes, and so the same message-id."""
        self._link = None
        self._waiting.extendleft(reversed(self._unconfirmed.values()))
        self._unconfirmed.clear()

    def on_given_up(self, error: PeeklockError) -> None:
        self._is_added = False
        self._fail(error)

    def _fail(self, error: PeeklockError) -> None:
        for message in [*self._unconfirmed.values(), *self._waiting]:
            message.batch.fail(error)
        self._unconfirmed.clear()
        self._waiting.clear()
