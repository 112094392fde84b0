"""Two MQTT engines, ours at both ends, and the wire between them."""

from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import (
    ConnectReceived,
    Event,
    SubscribeReceived,
    UnsubscribeReceived,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.types import ElapsedMs

NOW = ElapsedMs(1_000)
ORDINARY = ConnectionSettings()


class Pair:
    """A client and a server; `chunks` says how many bytes cross at a time.

    The owners say yes to everything, but for what `answers` leaves to the test.
    """

    def __init__(
        self,
        connect: Connect | None = None,
        *,
        client: ConnectionSettings = ORDINARY,
        server: ConnectionSettings = ORDINARY,
        chunks: tuple[int, ...] = (100_000,),
        acceptance: Acceptance | None = None,
        answers: bool = True,
        kept_sent: tuple[int, ...] = (),
        kept_received: tuple[int, ...] = (),
        has_session: bool = False,
    ) -> None:
        given = Connect("c") if connect is None else connect
        self.client = Connection.client(
            *(client, given, NOW),
            kept_sent=kept_sent,
            kept_received=kept_received,
            has_session=has_session,
        )
        self.server = Connection.server(server, NOW)
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []
        self._acceptance = acceptance or Acceptance(
            assigned_client_id=None if given.client_id else "a"
        )
        self._answers = answers
        self._chunks = chunks
        self._turn = 0

    def run(self) -> None:
        """Until nobody has anything to say."""
        while True:
            out = self.client.data_to_send()
            back = self.server.data_to_send()
            if not out and not back:
                return
            self._pass(out, self.server, self.server_events)
            self._pass(back, self.client, self.client_events)

    def _pass(self, data: bytes, to: Connection, events: list[Event]) -> None:
        while data:
            size = self._chunks[self._turn % len(self._chunks)]
            self._turn += 1
            fresh = to.receive_data(data[:size], NOW)
            while fresh:
                events.extend(fresh)
                for event in fresh:
                    self._answer(to, event)
                fresh = to.take_events()
            data = data[size:]

    def _answer(self, one: Connection, event: Event) -> None:
        if isinstance(event, ConnectReceived):
            one.accept(self._acceptance, NOW)
        elif isinstance(event, Publish):
            if event.qos and self._answers:
                one.messages.acknowledge(event.packet_id)
        elif isinstance(event, SubscribeReceived):
            codes = tuple(wanted.qos for wanted in event.subscribe.filters)
            one.requests.suback(event.subscribe.packet_id, codes)
        elif isinstance(event, UnsubscribeReceived):
            codes = (0,) * len(event.unsubscribe.topic_filters)
            one.requests.unsuback(event.unsubscribe.packet_id, codes)

    def take(self, kind: type[Event], *, at_server: bool) -> list[Event]:
        """The events of this kind since the last call, at one end; the others are forgotten."""
        events = self.server_events if at_server else self.client_events
        found = [event for event in events if isinstance(event, kind)]
        events.clear()
        return found
