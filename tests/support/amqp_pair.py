"""Two AMQP engines, ours at both ends, and the wire between them."""

from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import AttachReceived, Event, SaslInitReceived
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.link import ReceiverLink
from peeklock.protocols.amqp10.sasl_layer import SaslClient, SaslServer
from peeklock.types import ElapsedMs

NOW = ElapsedMs(1000)


class Pair:
    """A client and a server; `chunks` says how many bytes cross at a time."""

    def __init__(self, chunks: list[int], frame_bytes: int, window: int) -> None:
        mine = ConnectionSettings("c", max_frame_size=frame_bytes, window_frames=window)
        theirs = ConnectionSettings("s", max_frame_size=frame_bytes, window_frames=window)
        self.client = Connection.client(mine, NOW, SaslClient("ANONYMOUS"))
        self.server = Connection.server(theirs, NOW, SaslServer(("ANONYMOUS",)))
        self._chunks = chunks
        self._turn = 0
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []

    def _pass(self, data: bytes, to: Connection, events: list[Event]) -> None:
        while data:
            size = self._chunks[self._turn % len(self._chunks)]
            self._turn += 1
            events.extend(to.receive_data(data[:size], NOW))
            data = data[size:]

    def run(self) -> None:
        """Until nobody has anything to say."""
        while True:
            out = self.client.data_to_send()
            back = self.server.data_to_send()
            if not out and not back:
                return
            heard = len(self.server_events)
            self._pass(out, self.server, self.server_events)
            self._pass(back, self.client, self.client_events)
            for event in self.server_events[heard:]:
                if isinstance(event, SaslInitReceived):
                    self.server.sasl_outcome(0)
                    self.server_events.extend(self.server.take_events())
                elif isinstance(event, AttachReceived):
                    link = event.link
                    link.accept(source=link.source, target=link.target)
                    if isinstance(link, ReceiverLink):
                        link.grant(5)
