"""A ring through a running broker: events go from one protocol and mode to the next.

A way is how somebody sends events, and how the same somebody receives them: an AMQP client that
writes protobuf, say, or one of HTTP that sends batches. Each has an entity of its own, to which
the one before it in the ring sends.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from peeklock.cloudevents.amqp_binding import AmqpParts, read_amqp
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    read_http,
    read_http_batch,
    write_http_batch,
)
from peeklock.cloudevents.json_format import read_json
from peeklock.cloudevents.mqtt_binding import Mqtt311Parts, MqttParts, read_mqtt
from peeklock.cloudevents.structured import BatchFormat
from peeklock.cloudevents.transcode import FORMATS, Form, Hop, write_exactly
from peeklock.frontends.amqp_event import bare_of, parts_of
from peeklock.protocols.mqtt.properties import CONTENT_TYPE, Properties
from tests.support.amqp_bytes import read_message
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

WINDOW = 1 << 30  # of an AMQP session: more than any test sends
SETTLED = 1  # snd-settle-mode: what is handed out is gone
JOB, SIGNAL, BATCH = "job", "signal", "batch"


@dataclass(frozen=True)
class Way:
    hop: Hop
    form: Form
    kind: str = JOB  # SIGNAL: from a topic, over MQTT; BATCH: sends them so

    def __str__(self) -> str:
        return f"{self.hop.name}-{self.form.name}-{self.kind}".lower()


WAYS = [
    *(Way(hop, form) for hop in (Hop.AMQP, Hop.MQTT, Hop.HTTP) for form in Form),
    Way(Hop.MQTT_311, Form.JSON),
    Way(Hop.MQTT, Form.BINARY, SIGNAL),
    Way(Hop.MQTT_311, Form.JSON, SIGNAL),
    Way(Hop.HTTP, Form.JSON, BATCH),
    Way(Hop.HTTP, Form.PROTOBUF, BATCH),
]
BATCHES = {Form.JSON: BatchFormat.JSON, Form.PROTOBUF: BatchFormat.PROTOBUF}


def every_pair(ways: Sequence[Way]) -> list[Way]:
    """A walk from each way to each, itself included, which every step takes once and no more:
    a de Bruijn sequence of pairs."""
    walk: list[Way] = []
    for at, one in enumerate(ways):
        walk.append(one)
        for other in ways[at + 1 :]:
            walk += [one, other]
    return [*walk, walk[0]]


@dataclass
class Ring:
    """All clients, connected to one broker. `number` is in the names of their entities: what
    went wrong in one ring leaves nothing behind for the next."""

    number: int
    sender: AmqpPeer
    receiver: AmqpPeer
    http: HttpPeer
    mqtt: dict[Hop, MqttPeer]
    _handles: dict[tuple[AmqpPeer, str], int] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)  # what a link has received
    _sent: int = 0

    def name(self, way: Way) -> str:
        """Of its entity."""
        return f"{way}-{self.number}"

    # ---- AMQP

    def _handle(self, peer: AmqpPeer, name: str, attach: Callable[[int], object]) -> int:
        known = self._handles.get((peer, name))
        if known is not None:
            return known
        handle = sum(one is peer for one, _name in self._handles)
        attach(handle)
        self._handles[peer, name] = handle
        return handle

    def send_amqp(self, parts: AmqpParts, to: Way) -> None:
        peer = self.sender
        handle = self._handle(
            peer, self.name(to), lambda free: peer.attach_sender(self.name(to), free)
        )
        number = self._sent
        self._sent += 1
        peer.transfer(number, bare_of(parts), handle)
        peer.hear_accepted(number, number)

    def receive_amqp(self, way: Way) -> AmqpParts:
        peer = self.receiver
        handle = self._handle(
            peer,
            self.name(way),
            lambda free: peer.attach_receiver(self.name(way), free, snd_settle_mode=SETTLED),
        )
        count = self._counts.get(handle, 0)
        peer.credit(1, handle, count, incoming_window=WINDOW)
        self._counts[handle] = count + 1
        while (heard := peer.next_frame()).name != "transfer":
            assert heard.name == "flow", heard
        return parts_of(read_message(heard.payload).bare)

    # ---- HTTP

    def send_http(self, parts: HttpParts, to: Way) -> None:
        answer = self.http.ask_with(
            "POST", f"/{self.name(to)}/events", parts.body, dict(parts.headers)
        )
        assert answer.status == 202, answer.body

    def receive_http(self, way: Way) -> HttpParts:
        accept = "*/*" if way.form is Form.BINARY else FORMATS[way.form].value
        path = f"/{self.name(way)}/events/head?timeout=20"
        answer = self.http.ask_with("DELETE", path, None, {"Accept": accept})
        assert answer.status == 200, answer.body
        return HttpParts(answer.headers.items(), answer.body)

    # ---- MQTT

    def send_mqtt(self, parts: MqttParts, by: Way, to: Way) -> None:
        name = f"{self.name(to)}/it" if to.kind == SIGNAL else f"$queue/{self.name(to)}"
        values = {} if parts.content_type is None else {CONTENT_TYPE: parts.content_type}
        found = Properties(dict(values), parts.user_properties)
        self.mqtt[by.hop].put(name, parts.payload, properties=found)

    def receive_mqtt(self, way: Way) -> MqttParts:
        peer = self.mqtt[way.hop]
        publish = peer.take()
        assert publish.topic_name.removeprefix("$queue/").startswith(self.name(way))
        if publish.qos:
            peer.acknowledge(publish)
        found = publish.properties
        return MqttParts(found.text(CONTENT_TYPE), found.user, publish.payload)

    # ---- events

    def send(self, events: Sequence[CloudEvent], by: Way, to: Way) -> None:
        if by.kind == BATCH:
            self.send_http(batch_of(events, BATCHES[by.form]), to)
            return
        for event in events:
            parts = write_exactly(event, by.hop, by.form)
            if isinstance(parts, AmqpParts):
                self.send_amqp(parts, to)
            elif isinstance(parts, HttpParts):
                self.send_http(parts, to)
            elif isinstance(parts, Mqtt311Parts):
                self.send_mqtt(MqttParts(None, (), parts.payload), by, to)
            else:
                self.send_mqtt(parts, by, to)

    def receive(self, way: Way) -> CloudEvent:
        if way.hop is Hop.AMQP:
            return read_amqp(self.receive_amqp(way))
        if way.hop is Hop.HTTP:
            return read_http(self.receive_http(way))
        if way.hop is Hop.MQTT:
            return read_mqtt(self.receive_mqtt(way))
        return read_json(self.receive_mqtt(way).payload)

    def carry(self, events: Sequence[CloudEvent], walk: Sequence[Way]) -> None:
        """Along all of it: each way reads what the one before has sent, and sends it in its
        own form. At each it is the same."""
        now = list(events)
        for by, to in itertools.pairwise(walk):
            self.send(now, by, to)
            now = [self.receive(to) for _event in events]
            for event, found in zip(events, now, strict=True):
                assert event.says_the_same_as(found), (by, to, event, found)

    def close(self) -> None:
        for one in (self.sender, self.receiver, *self.mqtt.values()):
            one.socket.close()


def batch_of(events: Sequence[CloudEvent], batch_format: BatchFormat) -> HttpParts:
    """In JSON, where another format would lose something of one (a timestamp's offset, say)."""
    parts = write_http_batch(list(events), batch_format)
    again = read_http_batch(parts)
    if all(
        isinstance(two, CloudEvent) and one.says_the_same_as(two)
        for one, two in zip(events, again, strict=True)
    ):
        return parts
    return write_http_batch(list(events))


def ring_of(broker: BrokerProcess, number: int) -> Ring:
    peers = []
    for _ in range(2):
        peer = AmqpPeer(broker.amqp_port)
        peer.open()
        peer.begin(incoming_window=WINDOW)
        peers.append(peer)
    mqtt = {
        Hop.MQTT: mqtt_peer(broker.mqtt_port),
        Hop.MQTT_311: mqtt_peer(broker.mqtt_port, v5=False),
    }
    ring = Ring(number, peers[0], peers[1], HttpPeer(broker), mqtt)
    for way in WAYS:
        name = ring.name(way)
        if way.kind == SIGNAL:
            body = "<entry><content><TopicDescription/></content></entry>"
            assert ring.http.ask("PUT", f"/{name}", body).status == 201
            mqtt[way.hop].subscribe(f"{name}/#", qos=0)
        elif way.hop in mqtt:
            mqtt[way.hop].subscribe(f"$queue/{name}")
    return ring


class Rings:
    """One after the other; a new one when one is broken."""

    def __init__(self, broker: BrokerProcess) -> None:
        self._broker = broker
        self._ring = ring_of(broker, 0)

    def carry(self, events: Sequence[CloudEvent], walk: Sequence[Way]) -> None:
        try:
            self._ring.carry(events, walk)
        except BaseException:
            self.close()
            self._ring = ring_of(self._broker, self._ring.number + 1)
            raise

    def close(self) -> None:
        self._ring.close()
