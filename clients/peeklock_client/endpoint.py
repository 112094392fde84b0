"""What a client keeps attached over reconnections: senders, receivers, requesters."""

from typing import Protocol

from peeklock.protocols.amqp10.events import Event
from peeklock.protocols.amqp10.session import Session
from peeklock_client.errors import PeeklockError


class Endpoint(Protocol):
    """One or two links with a purpose. All methods are called on the event loop."""

    def attach(self, session: Session) -> None:
        """A connection is there, the first or the next one: attach your links."""
        ...

    def on_event(self, event: Event) -> None:
        """Something happened to one of your links, whose `context` you are."""
        ...

    def on_connection_lost(self) -> None:
        """Your links are gone; `attach` follows when there is a connection again."""
        ...

    def on_given_up(self, error: PeeklockError) -> None:
        """There will be no connection any more: tell everybody who waits."""
        ...
