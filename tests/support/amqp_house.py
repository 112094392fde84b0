"""An AMQP front-end in a house, without a socket: a test says when the disk syncs."""

from peeklock.engine.link_desk import LinkDesk
from peeklock.engine.signal_desk import SignalDesk
from peeklock.frontends.amqp10 import AmqpFrontend, AmqpHost
from peeklock.frontends.amqp_management import ManagementNode
from peeklock.management.mqtt_sessions import MqttSessions
from peeklock.security.authenticators import AnyoneIn
from peeklock.security.tokens import Tokens
from tests.support.amqp_bytes import AMQP_HEADER, Composite, composite, decode, frame
from tests.support.amqp_peer import Heard
from tests.support.house import House


def no_sessions(house: House) -> MqttSessions:
    """Of MQTT: nobody is here."""
    return MqttSessions(house.namespace, SignalDesk(house.engine), {})


class AmqpHouse(House):
    """With one peer, which says frames and hears some. Nothing is durable until `sync`."""

    def __init__(self) -> None:
        super().__init__()
        host = AmqpHost(
            engine=self.engine,
            link_desk=LinkDesk(self.engine),
            management=ManagementNode(self.engine, dict, no_sessions(self)),
            authenticator=AnyoneIn(),
            tokens=Tokens([]),
            container_id="broker",
            creates_queues=False,
        )
        self.frontend = AmqpFrontend(host, self.now, self.clock.elapsed(), "peer")

    # ---- what the peer says and hears

    def say_bytes(self, data: bytes) -> None:
        self.frontend.receive_data(data, self.now, self.clock.elapsed())

    def say(self, performative: str, **given: object) -> None:
        self.say_bytes(frame(composite(performative, **given)))

    def open(self) -> None:
        """With a session on channel 0."""
        self.say_bytes(AMQP_HEADER)
        self.say("open", container_id="peer")
        self.say("begin", next_outgoing_id=0, incoming_window=2048, outgoing_window=2048)
        assert self.frontend.data_to_send().startswith(AMQP_HEADER)

    def attach_receiver(self, address: str, **given: object) -> None:
        source = composite("source", address=address)
        wanted: dict[str, object] = {"name": "r", "handle": 0, "role": True, "source": source}
        self.say("attach", **(wanted | {"target": composite("target")} | given))

    def credit(self, credit: int, *, count: int = 0, drain: bool = False) -> None:
        """Its flow: from `count` deliveries on, it takes so many."""
        self.say(
            "flow", handle=0, delivery_count=count, link_credit=credit, drain=drain,
            next_incoming_id=0, incoming_window=2048, next_outgoing_id=0, outgoing_window=2048,
        )  # fmt: skip

    def hear(self) -> list[Heard]:
        """What it is told since the last time."""
        heard: list[Heard] = []
        data = self.frontend.data_to_send()
        while data:
            size = int.from_bytes(data[:4], "big")
            performative, at = decode(data[8:size])
            assert isinstance(performative, Composite)
            heard.append(
                Heard(int.from_bytes(data[6:8], "big"), performative, data[8:size][at:])
            )
            data = data[size:]
        return heard

    # ---- what happens around it

    def is_cut_after(self, ms: int) -> bool:
        """Time passes; has the connection been ended by then?"""
        self.clock.advance(ms)
        self.frontend.tick(self.now, self.clock.elapsed())
        return self.frontend.closed

    def tell(self) -> None:
        """Make durable, and tell everybody what may be told."""
        self.turn()
        self.journal.sync()
        for effect in self.engine.take_effects():
            effect.peer.on_effect(effect)
