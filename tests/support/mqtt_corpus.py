"""Reads and plays tests/corpus/mqtt: sequences of raw MQTT packets, and what comes of them.

A case begins with a line `server 5 [MQTT-3.1.2-3] words`: which end is ours, which version the
other speaks (`45`: the case is played in both), the statement that it shows. Then, a line each:

    with receive_maximum=2       settings of ours, before anything else
    connect clean_start=False    our CONNECT, where we are the client
    open {27 00000014}           the login, with these properties of the peer's
    > 30 {'a' P "x"}             the peer sends this
    do publish 1                 we send a message with QoS 1; also: subscribe, unsubscribe,
                                 auth, accept
    < 40 02 0001                 we have sent exactly this since the last such line
    ! Publish                    this event has come up since the last such line
    = disconnect 82              how it ends: connack, disconnect (with the code), or close; the
                                 reason names the statement. `= open`: it goes on

Bytes are hex; "x" is raw text, 'x' has its two bytes of length in front, {…} is preceded by its
length as a Variable Byte Integer, P is an empty set of properties in 5.0 and nothing in 3.1.1,
V is the version's byte.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.clauses import clause_for
from peeklock.protocols.mqtt.connect import MQTT_5_0, Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import (
    ConnectionClosed,
    ConnectReceived,
    Event,
    SubscribeReceived,
    UnsubscribeReceived,
)
from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.packets import CONNACK, DISCONNECT
from peeklock.protocols.mqtt.properties import AUTHENTICATION_METHOD, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from peeklock.protocols.mqtt.varint import write_varint
from peeklock.types import ElapsedMs

FOLDER = Path(__file__).parent.parent / "corpus" / "mqtt"
NOW = ElapsedMs(1_000)
HEAD = re.compile(r"(server|client) (4|5|45) \[([^\]]+)\] (.+)")
TOKEN = re.compile(r"""\s*(?:([0-9a-f]+)\b|"([^"]*)"|'([^']*)'|(\{)|(\})|(P)|(V))""")


@dataclass(frozen=True)
class Case:
    is_server: bool
    version: int
    clause: str
    words: str
    lines: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        end = "server" if self.is_server else "client"
        return f"{end}-{self.version}-{self.clause}-{self.words}"


def cases() -> Iterator[Case]:
    for file in sorted(FOLDER.glob("*.txt")):
        for block in re.split(r"\n\s*\n", file.read_text()):
            lines = [line for line in block.splitlines() if line and not line.startswith("#")]
            if lines:
                yield from read_case(lines, file)


def read_case(lines: list[str], file: Path) -> Iterator[Case]:
    found = HEAD.fullmatch(lines[0])
    assert found, f"{file.name}: {lines[0]}"
    end, versions, clause, words = found.groups()
    for version in versions:
        yield Case(end == "server", int(version), clause, words, lines[1:])


def read_bytes(text: str, *, is_v5: bool) -> bytes:
    """The bytes of a line."""
    nested: list[bytes] = [b""]
    at = 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        assert found, f"what is {text[at:]!r}"
        at = found.end()
        digits, raw, prefixed, opens, closes, empty, version = found.groups()
        if digits is not None:
            nested[-1] += bytes.fromhex(digits)
        elif raw is not None:
            nested[-1] += raw.encode()
        elif prefixed is not None:
            nested[-1] += len(prefixed.encode()).to_bytes(2) + prefixed.encode()
        elif opens:
            nested.append(b"")
        elif closes:
            inner = nested.pop()
            nested[-1] += write_varint(len(inner)) + inner
        elif version:
            nested[-1] += b"\5" if is_v5 else b"\4"
        elif empty and is_v5:
            nested[-1] += b"\0"
    (out,) = nested
    return out


class Stage:
    """One case as it is played. The owner says yes to everything, at once."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.is_v5 = case.version == MQTT_5_0
        self.settings = ConnectionSettings()
        self.connect = Connect("c", case.version)
        self.sent = b""
        self.events: list[Event] = []
        self.closed: ConnectionClosed | None = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            if self.case.is_server:
                self._connection = Connection.server(self.settings, NOW)
            else:
                self._connection = Connection.client(
                    self.settings, self.connect, NOW, has_session=not self.connect.clean_start
                )
                self.connection.data_to_send()
        return self._connection

    def play(self) -> None:
        for line in self.case.lines:
            verb, _space, rest = line.partition(" ")
            {
                "with": self.choose, "connect": self.choose_connect, "open": self.open,
                ">": self.receive, "do": self.act, "<": self.expect_sent,
                "!": self.expect_event, "=": self.expect_end,
            }[verb](rest)  # fmt: skip

    def choose(self, rest: str) -> None:
        self.settings = replace(self.settings, **arguments(rest))

    def choose_connect(self, rest: str) -> None:
        chosen = arguments(rest)
        texts = {int(key[1:], 16): chosen.pop(key) for key in list(chosen) if key[0] == "x"}
        self.connect = replace(self.connect, properties=Properties(texts), **chosen)

    def open(self, rest: str) -> None:
        told = read_bytes(rest or ("{}" if self.is_v5 else ""), is_v5=self.is_v5)
        if self.case.is_server:
            body = b"\0\4MQTT" + bytes((self.case.version, 2, 0, 0)) + told + b"\0\1c"
            self.feed(b"\x10" + write_varint(len(body)) + body)
        else:
            self.feed(b"\x20" + write_varint(2 + len(told)) + b"\0\0" + told)
        assert self.connection.is_open
        self.sent = b""
        self.events.clear()

    def receive(self, rest: str) -> None:
        self.feed(read_bytes(rest, is_v5=self.is_v5))

    def feed(self, data: bytes) -> None:
        events = self.connection.receive_data(data, NOW)
        while events:
            self.events += events
            for event in events:
                self.answer(event)
            events = self.connection.take_events()
        self.sent += self.connection.data_to_send()

    def answer(self, event: Event) -> None:
        one = self.connection
        if isinstance(event, ConnectionClosed):
            assert self.closed is None, "told twice"
            self.closed = event
        elif one.closed:
            return
        elif isinstance(event, ConnectReceived):
            if not event.connect.properties.has(AUTHENTICATION_METHOD):  # else: do auth
                given = None if event.connect.client_id else "assigned"
                one.accept(Acceptance(assigned_client_id=given), NOW)
        elif isinstance(event, Publish):
            if event.qos:
                one.messages.acknowledge(event.packet_id)
        elif isinstance(event, SubscribeReceived):
            codes = tuple(wanted.qos for wanted in event.subscribe.filters)
            one.requests.suback(event.subscribe.packet_id, codes)
        elif isinstance(event, UnsubscribeReceived):
            codes = (0,) * len(event.unsubscribe.topic_filters)
            one.requests.unsuback(event.unsubscribe.packet_id, codes)

    def act(self, rest: str) -> None:
        verb, _space, what = rest.partition(" ")
        if verb == "publish":
            qos, _space, payload = what.partition(" ")
            self.connection.messages.publish("a", payload.encode() or b"x", int(qos))
        elif verb == "subscribe":
            filters = tuple(FilterRequest(one) for one in what.split())
            self.connection.requests.subscribe(filters)
        elif verb == "unsubscribe":
            self.connection.requests.unsubscribe(tuple(what.split()))
        elif verb == "auth":
            code, _space, data = what.partition(" ")
            self.connection.authenticate(int(code, 16), data.encode())
        else:
            assert verb == "accept"
            self.connection.accept(Acceptance(), NOW)
        self.sent += self.connection.data_to_send()

    def expect_sent(self, rest: str) -> None:
        assert self.sent.hex(" ") == read_bytes(rest, is_v5=self.is_v5).hex(" ")
        self.sent = b""

    def expect_event(self, rest: str) -> None:
        assert rest in [type(event).__name__ for event in self.events]
        self.events.clear()

    def expect_end(self, rest: str) -> None:
        how, _space, code = rest.partition(" ")
        if how == "open":
            assert self.closed is None
            assert self.connection.is_open
            return
        assert self.closed is not None, "it goes on"
        assert self.connection.closed
        clause = clause_for(self.case.clause, is_v5=self.is_v5)
        if self.connection.connect is None:  # whose version is not known
            assert self.case.clause in self.closed.what or clause in self.closed.what
        else:
            assert f"[{clause}]" in self.closed.what
        if how == "close":
            assert self.sent == b""
            return
        kind, place = {"disconnect": (DISCONNECT, 0), "connack": (CONNACK, 1)}[how]
        reader = PacketReader(len(self.sent))
        reader.feed(self.sent)
        while reader.next_packet():
            pass
        assert reader.first >> 4 == kind, self.sent.hex(" ")
        assert reader.data[reader.at + place] == int(code, 16), self.sent.hex(" ")
        if self.is_v5:
            assert clause.encode() in self.sent, "the peer is told, too"


def arguments(text: str) -> dict[str, Any]:
    """`a=1 b=False` as keyword arguments."""
    pairs = [one.partition("=") for one in text.split()]
    return {key: ast.literal_eval(value) for key, _equals, value in pairs}
