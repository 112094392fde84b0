"""`make fuzz`: changed and random bytes into every decoder, and texts into every parser.

A decoder may answer or refuse; anything else it raises is a bug. The seed is printed, and
what failed is printed as hex: put it into a test.
"""

import argparse
import random
import time
from collections.abc import Callable

import orjson

from peeklock.cloudevents.attribute import string, uri_reference
from peeklock.cloudevents.avro_format import read_avro, write_avro
from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import (
    read_claimed,
    read_json,
    read_json_batch,
    write_json,
)
from peeklock.cloudevents.protobuf_format import (
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
)
from peeklock.cloudevents.transcode import Hop, write_exactly
from peeklock.entities.address import parse_address
from peeklock.entities.facts import QueueCreated
from peeklock.entities.queue import Queue
from peeklock.entities.residency import NobodyKeeps, Residency
from peeklock.entities.settings import QueueSettings
from peeklock.entities.topic_filter import TopicFilterTree, check_topic_name, is_match
from peeklock.errors import BrokerError, FilterError, InvalidEvent, ProtocolViolation
from peeklock.filters.actions import Changes, sql_action
from peeklock.filters.event_dialects import event_filters
from peeklock.filters.filter import Filter, cesql_filter, path_filter, selector, sql_filter
from peeklock.filters.path_pattern import PathPattern
from peeklock.filters.template import OF_A_SIGNAL, JsonTemplate, Template
from peeklock.filters.view import SystemProperty
from peeklock.frontends.amqp_message import (
    delivery_payload,
    peeked_payload,
    read_message,
    read_submission,
)
from peeklock.frontends.amqp_rewrite import rewritten
from peeklock.frontends.amqp_view import MessageView
from peeklock.frontends.http.subscription_objects import read_object
from peeklock.frontends.mqtt_message import contents_of
from peeklock.limits import MIB
from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.performatives import decode_performative, encode_performative
from peeklock.protocols.amqp10.primitives import encode_value, read_value
from peeklock.protocols.amqp10.sasl import decode_sasl
from peeklock.protocols.amqp10.sasl_layer import SaslServer
from peeklock.protocols.amqp10.sections import read_body, read_properties
from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.connection import Connection as MqttConnection
from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.packets import decode_packet, encode_packet
from peeklock.protocols.mqtt.publish import EncodedPublish
from peeklock.protocols.mqtt.settings import ConnectionSettings as MqttSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from peeklock.security.scram import ScramRefused, Verifier, dialogue, made_up_verifier
from peeklock.store.fact_codec import BadFact, FactReader
from peeklock.store.record import Scanner, encode_record
from peeklock.types import ElapsedMs, EntityPath, Lsn, QueueId, UnixMs
from tests.support import amqp_bytes as wire
from tests.support.facts import QUEUE, enqueued, removed
from tests.support.fake_ids import FakeIds
from tests.support.mqtt_corpus import cases, read_bytes

NOW = UnixMs(1)
ELAPSED = ElapsedMs(1)
SETTINGS = QueueSettings(requires_session=True, duplicate_window_ms=60_000)
CREATED = QueueCreated(QUEUE, EntityPath("q"), SETTINGS, QueueId(0), NOW)
REFUSALS = (ProtocolViolation, BrokerError, BadFact, FilterError)
PROGRESS_SECONDS = 5.0


def connection(data: bytes) -> None:
    """A whole connection: it never raises, and what it keeps of a hostile peer is bounded."""
    server = SaslServer(("ANONYMOUS",), required=False)
    one = Connection.server(ConnectionSettings("fuzzed"), ELAPSED, server)
    one.receive_data(wire.AMQP_HEADER + OPENING + data, ELAPSED)
    assert len(one.data_to_send()) < MIB
    one.receive_eof(ELAPSED)


def value(data: bytes) -> None:
    """What can be read can be written: the broker echoes a good deal of it."""
    encode_value(read_value(data, 0)[0])


def performative(data: bytes) -> None:
    encode_performative(decode_performative(data, 0, len(data))[0])


def message(data: bytes) -> None:
    """What is taken can be stored, handed out, shown and dead-lettered: nobody looks again."""
    fresh = Queue(CREATED, Residency(MIB, NobodyKeeps()))
    given = read_submission(data, fresh, NOW)
    facts = fresh.send(given, NOW)
    encode_record(facts, Lsn(0))
    for fact in facts:
        fresh.apply(fact)
    (entry,) = fresh.entries.values()
    dead = Queue(CREATED, Residency(MIB, NobodyKeeps()))
    dead.apply(dead.adopt(entry, EntityPath("q"), "reason", "why", NOW, 0))
    for one in (entry, *dead.entries.values()):
        delivery_payload(one, given.message, NOW)
        peeked_payload(one, given.message)
    read_properties(given.message.bare)
    read_body(given.message.bare)


def journal(data: bytes) -> None:
    scanner = Scanner(data, Lsn(0))
    while scanner.next_record() is not None:
        pass


def seen(payload: bytes) -> MessageView:
    return MessageView(read_message(payload), FakeIds(), NOW)


def sql(data: bytes) -> None:
    """A filter that is not refused is tried on a message, which may have no such thing."""
    one = sql_filter(data.decode("utf-8", "surrogateescape"))
    for view in VIEWS:
        one.matches(view)


def jms(data: bytes) -> None:
    """As above; selectors do not even fail on a message."""
    never_fails(selector(data.decode("utf-8", "surrogateescape")))


def cesql(data: bytes) -> None:
    never_fails(cesql_filter(data.decode("utf-8", "surrogateescape")))


def events(data: bytes) -> None:
    never_fails(event_filters(data.decode("utf-8", "surrogateescape")))


def subscription(data: bytes) -> None:
    read_object(data, "broker.example")


def path(data: bytes) -> None:
    never_fails(path_filter(data.decode("utf-8", "surrogateescape")))


def never_fails(one: Filter) -> None:
    for view in VIEWS:
        try:
            one.matches(view)
        except FilterError as error:
            raise AssertionError("a filter failed that never does") from error


def action(data: bytes) -> None:
    one = sql_action(data.decode("utf-8", "surrogateescape"))
    for view in VIEWS:
        rewritten(read_message(PAYLOAD), one.apply(view))


def topic_filter(data: bytes) -> None:
    """What is taken for a filter can be matched, and taken out again without a trace."""
    first, _comma, second = data.decode("utf-8", "surrogateescape").partition(",")
    tree: TopicFilterTree[int] = TopicFilterTree()
    tree.add("o", first, 1)
    tree.add("p", "a/+/#", 2)
    check_topic_name(second)
    assert (1 in tree.matching(second)) == is_match(first, second)
    tree.remove_all("o")
    tree.remove_all("p")
    assert tree.matching("a/b/c") == []
    assert tree.visited_count == 1


def path_pattern(data: bytes) -> None:
    """A match has all the levels that have names, as they are."""
    first, _comma, second = data.decode("utf-8", "surrogateescape").partition(",")
    pattern = PathPattern(first)
    found = pattern.match(second)
    assert found is None or set(found) == pattern.names
    assert found is None or set(found.values()) <= set(second.split("/"))


def template(data: bytes) -> None:
    """What is taken can be rendered; a document is JSON then, whatever the values are."""
    text = data.decode("utf-8", "surrogateescape")
    one = Template(text, OF_A_SIGNAL)
    values = {reference.text: 'a"b' for reference in one.references}
    one.render(values)
    orjson.loads(JsonTemplate(text, OF_A_SIGNAL).render(values))


def view(data: bytes) -> None:
    """What a hostile message shows to a filter, and what an action can make of it."""
    one = seen(data)
    for which in SystemProperty:
        one.system(which)
    one.user_any_case("A")
    one.has_user("b")
    changes = Changes()
    changes.set_user("A", 1)
    changes.remove_user("b")
    changes.set_system(SystemProperty.TO, "q")
    read_message(rewritten(read_message(data), changes).bare)


def told_by_mqtt(data: bytes) -> None:
    """What a hostile message is to a subscriber: it can be written."""
    found = read_message(data)
    for is_v5 in (True, False):
        payload, properties = contents_of(found.bare, found, is_v5=is_v5)
        EncodedPublish("a", payload, 1, False, properties, is_v5=is_v5)


def event(data: bytes) -> None:
    """What can be read in any format can be written for every protocol."""
    for read in (read_json, read_claimed, read_protobuf, read_avro):
        try:
            one = read(data)
        except InvalidEvent:
            continue
        if one is not None:
            for hop in Hop:
                write_exactly(one, hop)
    for read_batch in (read_json_batch, read_protobuf_batch):
        try:
            read_batch(data)
        except InvalidEvent:
            continue


def scram(data: bytes) -> None:
    """Either message of a login: nobody is let in by chance."""
    like = Verifier(bytes(16), 4096, bytes(32), bytes(32))
    for first in (data, b"n,,n=a,r=b"):
        one = dialogue(first, "c", lambda name: made_up_verifier(b"", name, like))
        try:
            next(one)
            one.send(data)
        except ScramRefused:
            pass


def mqtt_connection(data: bytes) -> None:
    """A whole connection, before and after it is open: as AMQP's, in both versions."""
    for opening in (b"", *MQTT_OPENINGS):
        one = MqttConnection.server(MQTT_SETTINGS, NOW)
        one.receive_data(opening, NOW)
        if opening:
            one.accept(Acceptance(), NOW)
        one.receive_data(data, NOW)
        assert len(one.data_to_send()) < MIB
        assert one.held_bytes < MIB
        one.receive_eof(NOW)
        assert one.closed


def mqtt_client(data: bytes) -> None:
    """Our own end, with a message and a request under way, against a hostile server."""
    for version, connack in MQTT_CONNACKS:
        one = MqttConnection.client(MQTT_SETTINGS, Connect("c", version), NOW)
        one.receive_data(connack, NOW)
        one.messages.publish("a", b"x", 1)
        one.messages.publish("a", b"x", 2)
        one.requests.subscribe((FilterRequest("a"),))
        one.receive_data(data, NOW)
        one.data_to_send()
        assert one.held_bytes < MIB
        one.receive_eof(NOW)
        assert one.closed


def mqtt_packets(data: bytes) -> None:
    """What can be read can be written: a message goes on to others."""
    for is_v5 in (False, True):
        reader = PacketReader(MIB)
        reader.feed(data)
        while reader.next_packet():
            packet = decode_packet(
                reader.first, reader.data, reader.at, reader.end, is_v5=is_v5
            )
            encode_packet(packet, is_v5=is_v5)


DECODERS: dict[str, Callable[[bytes], object]] = {
    "value": value,
    "performative": performative,
    "sasl": lambda data: decode_sasl(data, 0, len(data)),
    "connection": connection,
    "message": message,
    "address": lambda data: parse_address(data.decode("utf-8", "surrogateescape")),
    "facts": lambda data: FactReader(data, 0, len(data), Lsn(0)).read_all(),
    "journal": journal,
    "view": view,
    "told by MQTT": told_by_mqtt,
    "event": event,
}
# These take texts, and get a share of the inputs to themselves: bytes of AMQP would teach
# them little.
PARSERS: dict[str, Callable[[bytes], object]] = {
    "sql": sql,
    "action": action,
    "jms": jms,
    "cesql": cesql,
    "topic filter": topic_filter,
    "events": events,
    "path": path,
    "subscription": subscription,
    "path pattern": path_pattern,
    "template": template,
    "scram": scram,
}
PARSED_SHARE = 0.1
# And so do those of MQTT.
MQTT_DECODERS: dict[str, Callable[[bytes], object]] = {
    "mqtt connection": mqtt_connection,
    "mqtt client": mqtt_client,
    "mqtt packets": mqtt_packets,
}
MQTT_SHARE = 0.3
MQTT_SETTINGS = MqttSettings(packet_bytes_max=64 * 1024, topic_alias_maximum=4)
MQTT_CONNACKS = ((4, b"\x20\x02\x00\x00"), (5, b"\x20\x03\x00\x00\x00"))
MQTT_OPENINGS = (
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c",
    b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c",
)

EVENT = CloudEvent(
    {
        "specversion": string("1.0"),
        "id": string("1"),
        "source": uri_reference("/s"),
        "type": string("t"),
        "datacontenttype": string("application/json"),
        "level": string("5"),
    },
    json_data(b'{"a":[1.10,"x"]}'),
)
OPENING = wire.frame(wire.composite("open", container_id="fuzz")) + wire.frame(
    wire.composite("begin", next_outgoing_id=0, incoming_window=100, outgoing_window=100)
)


def corpus() -> list[bytes]:
    """What a well-behaved peer says: changes of it reach deeper than chance does."""
    attach = wire.composite(
        "attach", name="s", handle=0, role=False, source=wire.composite("source"),
        target=wire.composite("target", address="orders"), initial_delivery_count=0,
    )  # fmt: skip
    flow = wire.composite(
        "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9,
        handle=0, delivery_count=0, link_credit=5,
    )  # fmt: skip
    payload = (
        wire.composite("header", durable=True, ttl=5)
        + wire.annotations(x_opt_scheduled_enqueue_time=wire.timestamp(5))
        + wire.composite("properties", message_id="m", to="q", group_id="g")
        + wire.application_properties({"a": 1, "b": [1, "x"], "c": {"d": b"e"}})
        + wire.data_section(b"body")
    )
    transfer = wire.composite(
        "transfer", handle=0, delivery_id=0, delivery_tag=b"t", message_format=0
    )
    state = wire.rejected("amqp:not-found", "why", a=1)
    disposition = wire.composite("disposition", role=True, first=0, last=9, state=state)
    frames = [
        *(attach, flow, transfer + payload, disposition),
        wire.composite("detach", handle=0, closed=True),
        wire.composite("end"),
        wire.composite("close", error=wire.composite("error", condition="a:b")),
    ]
    sasl = wire.composite("sasl-init", mechanism="PLAIN", initial_response=b"\0a\0b")
    header, facts, _end = encode_record([enqueued(1), removed(1)], Lsn(0))
    events = [write(EVENT) for write in (write_json, write_protobuf, write_avro)]
    whole = b"".join(wire.frame(body) for body in frames)
    return [
        *frames,
        whole,
        payload,
        sasl,
        facts,
        header + facts,
        *events,
        b"sb://host/a%2Fb/$dlq",
    ]


PAYLOAD = (
    wire.composite("properties", message_id="m", to="q", subject="s")
    + wire.application_properties(
        {"a": 1, "b": "x", "c": True, "d": -2, "cloudEvents:type": "fire"}
    )
    + wire.data_section(b"body")
)
VIEWS = [seen(PAYLOAD), seen(wire.data_section(b""))]


def mqtt_corpus() -> list[bytes]:
    """What tests/corpus/mqtt has the peers send."""
    return [
        read_bytes(line[2:], is_v5=case.version == 5)
        for case in cases()
        for line in case.lines
        if line.startswith("> ")
    ]


TEXTS = [
    b"n,,n=us=2Cer,r=fyko+d2lbbFgONRv9qkxdawL",
    b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b'{"protocol": "HTTP", "sink": "https://a/", "source": "/", "filters": [{"sql": "TRUE"}]}',
    b'{"floor": "${path.floor}", "t": ["${data.t.0}", "$$ ${event.type}"]}',
    b"site/{building}/+/{floor}/#,site/41/unit/3/room/4",
    b"a = 1 AND b <> 'it''s' OR NOT c",
    b"sys.Label LIKE 's%_' ESCAPE '!' AND [a] NOT IN (1, -2, 0x3)",
    b"(a + 2) * 3 % 4 - d / 0.5E1 >= 0 AND EXISTS(user.b)",
    b"property('sys.' + 'To') IS NOT NULL AND newid() = a",
    b"a NOT BETWEEN -1L AND 0x5 OR JMSType LIKE 's%' AND b IN ('x', 'y') OR \"d\" < 07.5f",
    b"NOT type LIKE 'f%\\\\_' XOR SUBSTRING(id, -2, 1) IN (\"a\", 'b\\'c') AND -level % 3 < +5",
    b"a/+/$b//#,a/x/$b//c/d",
    b"SET a = a / 2; REMOVE [b]; SET sys.To = sys.To + 'x', set c = (a > 1) REMOVE sys.Label",
]


def changed(data: bytes, chance: random.Random) -> bytes:
    """A few bytes set, taken out, doubled or put in."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        place = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0 and out:
            out[place % len(out)] = chance.randrange(256)
        elif kind == 1 and out:
            out[place % len(out)] = chance.choice((0, 1, 0x7F, 0x80, 0xD0, 0xF0, 0xFF))
        elif kind == 2:
            del out[place : place + chance.randrange(1, 9)]
        elif kind == 3:
            out[place:place] = out[place : place + chance.randrange(1, 40)]
        else:
            out[place:place] = chance.randbytes(chance.randrange(1, 9))
    return bytes(out)


def fuzz(seconds: float, seed: int) -> int:
    """How many inputs there were; raises what a decoder or parser should not have raised."""
    chance = random.Random(seed)
    kinds = (
        (PARSED_SHARE, TEXTS, PARSERS),
        (MQTT_SHARE, mqtt_corpus(), MQTT_DECODERS),
        (1 - PARSED_SHARE - MQTT_SHARE, corpus(), DECODERS),
    )
    shares = [share for share, _seeds, _decoders in kinds]
    count = 0
    end = time.monotonic() + seconds
    told = time.monotonic() + PROGRESS_SECONDS
    while time.monotonic() < end:
        for _ in range(200):
            ((_share, seeds, decoders),) = chance.choices(kinds, shares)
            data = changed(chance.choice(seeds), chance)
            if chance.random() < 0.05:
                data = chance.randbytes(chance.randrange(100))
            for name, decode in decoders.items():
                try:
                    decode(data)
                except REFUSALS:
                    pass
                except Exception as error:
                    error.add_note(f"decoder {name}, seed {seed}, input {data.hex()}")
                    raise
            count += 1
        if time.monotonic() > told:
            told += PROGRESS_SECONDS
            print(
                f"  {count:,} inputs, {max(0, end - time.monotonic()):.0f} s to go", flush=True
            )
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = parser.parse_args()
    names = ", ".join([*DECODERS, *MQTT_DECODERS, *PARSERS])
    print(f"fuzzing {names} for {given.seconds:g} s, seed {given.seed}")
    count = fuzz(given.seconds, given.seed)
    print(f"{count:,} inputs, texts for parsers and MQTT among them: answered or refused, all")


if __name__ == "__main__":
    main()
