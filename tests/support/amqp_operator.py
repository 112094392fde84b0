"""Somebody who makes and changes entities over `$management`, on a connection of its own."""

from __future__ import annotations

from tests.support.amqp_bytes import (
    application_properties,
    composite,
    read_message,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer


class AmqpOperator:
    """Asks one thing after another; each is done when its method returns."""

    def __init__(self, port: int) -> None:
        self.peer: AmqpPeer = ready_peer(port)
        self.peer.attach_sender("$management", 0)
        self.peer.attach_receiver("$management", 1, credit=1000)
        self._asked = 0

    def ask(
        self, operation: str, name: str, arguments: dict[str, object], kind: str = ""
    ) -> object:
        """The reply's body; asserts that it is no refusal."""
        number = self._asked
        self._asked += 1
        payload = (
            composite("properties", message_id=f"ask-{number}")
            + application_properties({"operation": operation, "name": name, "type": kind})
            + value_section(arguments)
        )
        self.peer.transfer(number, payload)
        while True:
            heard = self.peer.next_frame()
            if heard.name == "transfer":
                break
        message = read_message(heard.payload)
        status = message.application_properties["statusCode"]
        assert status in (200, 201), message.application_properties
        return dict(message.sections)[0x77]

    def create(self, queue: str, **settings: object) -> object:
        return self.ask("CREATE", queue, settings)

    def create_topic(self, topic: str, **settings: object) -> object:
        return self.ask("CREATE", topic, settings, "topic")

    def change(self, queue: str, **settings: object) -> object:
        return self.ask("UPDATE", queue, settings)

    def close(self) -> None:
        self.peer.socket.close()
