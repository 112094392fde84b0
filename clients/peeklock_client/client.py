"""The client: one connection to a broker, opened again when it breaks."""

import asyncio
import logging
import ssl
from types import TracebackType
from uuid import uuid4

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from peeklock.protocols.amqp10.events import (
    ConnectionClosed,
    CreditReceived,
    DeliverySettled,
    Event,
    LinkAttached,
    LinkDetached,
    MessageReceived,
    OutcomeReceived,
    SenderFlowed,
    SessionEnded,
)
from peeklock.protocols.amqp10.session import Session, SessionState
from peeklock_client.endpoint import Endpoint
from peeklock_client.errors import PeeklockError, Unreachable
from peeklock_client.location import Location, find_broker
from peeklock_client.queue import Queue
from peeklock_client.requester import Requester
from peeklock_client.sender import Sender
from peeklock_client.topic import Subscription, Topic
from peeklock_client.transports.amqp10 import AmqpTransport, open_transport

log = logging.getLogger("peeklock.client")

# How long a broken connection is tried again before everybody waiting hears of it, seconds:
# a broker that is restarted, with a large journal to read, is back within this.
PATIENCE_SECONDS = 60.0
RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_MAX = 5.0
CLOSE_SECONDS = 2.0
MAPPED = SessionState.MAPPED

LINK_EVENTS = (
    MessageReceived,
    OutcomeReceived,
    DeliverySettled,
    CreditReceived,
    SenderFlowed,
    LinkAttached,
    LinkDetached,
)


def connect(
    url: str | None = None,
    *,
    name: str | None = None,
    tls: ssl.SSLContext | None = None,
    patience: float = PATIENCE_SECONDS,
) -> "Client":
    """A client for the broker at `url`, to be used as `async with connect() as client:`.

    `url` is `amqp[s]://[user:password@]host[:port]`; without it PEEKLOCK_URL is taken, else
    the broker that was started on this machine. `patience` is how many seconds a broken
    connection is tried again; what was sent and not confirmed meanwhile is sent again with
    the same message-id. Raises `ValueError` for a URL that is none.
    """
    return Client(
        find_broker(url), name or f"peeklock-client-{uuid4().hex[:12]}", tls, patience
    )


class Client:
    """A connection to one broker. Make it with `connect`; queues come from `queue(name)`."""

    def __init__(
        self, location: Location, name: str, tls: ssl.SSLContext | None, patience: float
    ) -> None:
        self.location = location
        self.name = name
        self._tls = tls
        self._patience = patience
        self._transport: AmqpTransport | None = None
        self._session: Session | None = None
        self._endpoints: list[Endpoint] = []
        self._senders: dict[str, Sender] = {}
        self._requesters: dict[str, Requester] = {}
        self._reconnecting: asyncio.Task[None] | None = None
        self._ended: PeeklockError | None = None

    # ---- life

    async def open(self) -> "Client":
        """Connect; raises `Unreachable` or `Unauthenticated` at once when that fails."""
        await self._connect()
        return self

    async def close(self) -> None:
        """Close in good order. Jobs that are held go back to their queues."""
        if self._ended is None:
            self._end(Unreachable("the client was closed"))
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        transport = self._transport
        self._transport = None
        self._session = None
        if transport is not None:
            transport.close()
            try:
                await asyncio.wait_for(transport.lost.wait(), CLOSE_SECONDS)
            except TimeoutError:
                transport.abort()

    async def __aenter__(self) -> "Client":
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_connected(self) -> bool:
        return self._session is not None

    # ---- what it is for

    def queue(self, name: str) -> Queue:
        """A handle to a queue; nothing is asked of the broker yet."""
        return Queue(self, name)

    async def create_queue(self, name: str, **settings: object) -> Queue:
        """Make a queue; raises `Refused` (`com.microsoft:entity-already-exists`)."""
        await self.request("", "CREATE", name, settings)
        return self.queue(name)

    async def queues(self, prefix: str = "") -> list[dict[str, object]]:
        """Settings and state of all queues whose name begins with `prefix`, by name."""
        return await self.query("queue", "", prefix)

    def topic(self, name: str) -> Topic:
        """A handle to a topic; nothing is asked of the broker yet."""
        return Topic(self, name)

    def subscription(self, topic: str, name: str) -> Subscription:
        """A handle to a topic's subscription; nothing is asked of the broker yet."""
        return Subscription(self, topic, name)

    async def create_topic(self, name: str, **settings: object) -> Topic:
        """Make a topic; raises `Refused` (`com.microsoft:entity-already-exists`)."""
        await self.request("", "CREATE", name, settings, kind="topic")
        return self.topic(name)

    async def topics(self, prefix: str = "") -> list[dict[str, object]]:
        """Settings and state of all topics whose name begins with `prefix`, by name."""
        return await self.query("topic", "", prefix)

    async def mqtt_sessions(self, prefix: str = "") -> list[dict[str, object]]:
        """MQTT sessions whose client identifier begins with `prefix`, by that.

        Those whose clients are here, and those that are kept. Takes the right to manage
        everything.
        """
        return await self.query("mqtt-session", "", prefix)

    async def mqtt_session(self, client_id: str) -> dict[str, object]:
        """One of them, with its topic filters; raises `NotFound`."""
        return await self.request("", "READ", client_id, {}, kind="mqtt-session")

    async def end_mqtt_session(self, client_id: str) -> None:
        """End it, with all that waits for it; its client is disconnected. Raises `NotFound`."""
        await self.request("", "DELETE", client_id, {}, kind="mqtt-session")

    async def mqtt_groups(self, prefix: str = "") -> list[dict[str, object]]:
        """Those who share a filter of signals, `$share/…/…`."""
        return await self.query("mqtt-group", "", prefix)

    async def query(self, kind: str, owner: str, prefix: str) -> list[dict[str, object]]:
        """Entities of a kind (queue, topic, mqtt-session, mqtt-group; subscription, rule,
        derivation).

        The latter three are those of an `owner`.
        """
        found: list[dict[str, object]] = []
        while True:
            page = await self.request(
                "",
                "QUERY",
                owner,
                {"prefix": prefix, "skip": len(found), "top": 100},
                kind=kind,
            )
            entities = page.get("entities")
            if not isinstance(entities, list) or not entities:
                return found
            found += entities

    async def stats(self) -> dict[str, object]:
        """The broker as a whole: connections, uptime, journal."""
        return await self.request("", "peeklock:stats", "", {})

    async def request(
        self,
        entity: str,
        operation: str,
        name: str,
        arguments: dict[str, object],
        *,
        kind: str = "",
    ) -> dict[str, object]:
        """One management operation, of an entity or (entity "") of the namespace.

        `kind` says which kind of entity it is about, where `name` does not.
        """
        requester = self._requesters.get(entity)
        if requester is None:
            requester = Requester(self, entity)
            self._requesters[entity] = requester
        return await requester.request(operation, name, arguments, kind)

    # ---- for endpoints

    def sender(self, address: str) -> Sender:
        """The sender to an address: all who send there share one link."""
        sender = self._senders.get(address)
        if sender is None:
            sender = Sender(self, address)
            self._senders[address] = sender
        return sender

    def add(self, endpoint: Endpoint) -> None:
        """Attach it now, and again after each reconnection. Raises when we have ended."""
        if self._ended is not None:
            raise self._ended
        self._endpoints.append(endpoint)
        if self._session is not None:
            endpoint.attach(self._session)
            self.flush_soon()

    def remove(self, endpoint: Endpoint) -> None:
        if endpoint in self._endpoints:
            self._endpoints.remove(endpoint)

    def flush_soon(self) -> None:
        if self._transport is not None:
            self._transport.flush_soon()

    # ---- connecting

    async def _connect(self) -> None:
        transport: AmqpTransport | None = None

        def on_event(event: Event) -> None:
            if transport is not None and transport is self._transport:
                self._on_event(event)

        transport = await open_transport(self.location, self.name, self._tls, on_event)
        if self._ended is not None:  # closed meanwhile
            transport.close()
            return
        self._transport = transport
        self._session = transport.connection.begin()
        for endpoint in list(self._endpoints):
            endpoint.attach(self._session)
        transport.flush()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, LinkDetached) and event.link.session.state is not MAPPED:
            return  # the session ends, and so does the connection: see below
        if isinstance(event, LINK_EVENTS):
            endpoint: Endpoint | None = event.link.context  # type: ignore[assignment]
            if endpoint is not None:
                endpoint.on_event(event)
        elif isinstance(event, SessionEnded | ConnectionClosed) and self._ended is None:
            self._on_lost()

    def _on_lost(self) -> None:
        transport = self._transport
        if transport is None:
            return
        self._transport = None
        self._session = None
        transport.abort()
        log.warning("connection to %s lost; trying again", self.location)
        for endpoint in list(self._endpoints):
            endpoint.on_connection_lost()
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(Unreachable),
                wait=wait_random_exponential(RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX),
                stop=stop_after_delay(self._patience),
                reraise=True,
            ):
                with attempt:
                    await self._connect()
            log.info("connected to %s again", self.location)
        except PeeklockError as error:
            self._end(error)

    def _end(self, error: PeeklockError) -> None:
        self._ended = error
        for endpoint in list(self._endpoints):
            endpoint.on_given_up(error)
        self._endpoints.clear()
