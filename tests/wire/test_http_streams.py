"""A topic's events as they come: server-sent events over real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from peeklock.limits import EVENT_FILTERED_BYTES_MAX, HTTP_STREAMS_MAX
from tests.support.amqp_bytes import application_properties, composite, data_section
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer

SMALL_BUFFER = 65_536


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture
def topic(http: HttpPeer, queue: str) -> str:
    make_topic(http, queue)
    return queue


def make_topic(http: HttpPeer, topic: str) -> None:
    body = "<entry><content><TopicDescription/></content></entry>"
    assert http.ask("PUT", f"/{topic}", body).status == 201


class Follower:
    """Reads a stream as a browser does."""

    def __init__(self, http: HttpPeer, path: str, buffer_bytes: int = 0) -> None:
        self.socket = http.connect()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        self._received = b""
        self.head = self._until(b"\r\n\r\n")
        assert b" 200 " in self.head, self.head
        self._text = b""
        assert self._next_block() == b":", "it is told that it is heard"

    def _more(self) -> None:
        part = self.socket.recv(65536)
        assert part, "the stream has ended"
        self._received += part

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        found, _end, self._received = self._received.partition(end)
        return found

    def _next_block(self) -> bytes:
        """Of the text in chunks (RFC 9112 §7.1)."""
        while b"\n\n" not in self._text:
            size = int(self._until(b"\r\n"), 16)
            assert size, "the stream has ended"
            while len(self._received) < size + 2:
                self._more()
            self._text += self._received[:size]
            self._received = self._received[size + 2 :]
        block, _end, self._text = self._text.partition(b"\n\n")
        return block

    def next(self) -> tuple[str, dict[str, object]]:
        """The name of the next event, and its data."""
        while (block := self._next_block()) == b":":
            pass
        name, data = "message", []
        for line in block.decode().split("\n"):
            field, _colon, value = line.partition(": ")
            if field == "event":
                name = value
            else:
                assert field == "data"
                data.append(value)
        return name, json.loads("\n".join(data))

    def next_id(self) -> object:
        name, data = self.next()
        assert name == "message"
        return data["id"]


@contextmanager
def following(http: HttpPeer, path: str, buffer_bytes: int = 0) -> Iterator[Follower]:
    follower = Follower(http, path, buffer_bytes)
    try:
        yield follower
    finally:
        follower.socket.close()


def post(http: HttpPeer, topic: str, body: bytes = b"", **attributes: object) -> None:
    given = {"specversion": "1.0", "source": "/a", "type": "t", "id": "1"} | attributes
    headers = {f"ce-{name}": str(value) for name, value in given.items()}
    if body:
        headers["content-type"] = "application/json"
    answer = http.ask_with("POST", f"/{topic}/events", body, headers)
    assert answer.status == 202, answer.body


def test_what_comes_is_told(http: HttpPeer, topic: str) -> None:
    post(http, topic, id="before")
    with following(http, f"{topic}/events") as one, following(http, f"{topic}/events") as two:
        assert b"text/event-stream" in one.head
        post(http, topic, b'{"degrees":\n 21.50,\r\n "b": [ ]}', id="7", subject="a/b")
        for follower in (one, two):
            name, data = follower.next()
            assert name == "message"
            assert (data["id"], data["subject"]) == ("7", "a/b")
            assert data["data"] == {"degrees": 21.5, "b": []}


def test_what_came_by_amqp_is_told_and_what_is_no_event_is_not(
    http: HttpPeer, ready: AmqpPeer, topic: str
) -> None:
    with following(http, f"{topic}/events") as follower:
        ready.attach_sender(topic)
        required = {"specversion": "1.0", "id": "amqp", "source": "/a", "type": "t"}
        event = application_properties({f"cloudEvents:{n}": v for n, v in required.items()})
        ready.transfer(0, data_section(b"plain"))
        ready.transfer(1, composite("properties", subject="s") + event + data_section(b""))
        ready.hear_accepted(0, 1)
        assert follower.next_id() == "amqp"


def test_a_filter(http: HttpPeer, topic: str) -> None:
    expression = quote("type = 'fire' AND level > 2")
    with following(http, f"{topic}/events?filter={expression}") as follower:
        post(http, topic, id="1", type="fire", level=1)
        post(http, topic, id="2", type="gas", level=9)
        post(http, topic, id="3", type="fire")
        post(http, topic, id="4", type="fire", level=3)
        assert follower.next_id() == "4"


def test_a_path_of_subjects(http: HttpPeer, topic: str) -> None:
    with following(http, f"{topic}/events?subject=floor/%2B/room/%23") as follower:
        for number, subject in enumerate(
            ["floor/3", "floor/3/room", "floor/3/room/4/fire", "cellar/1/room/2"]
        ):
            post(http, topic, id=str(number), subject=subject)
        post(http, topic, id="none")
        post(http, topic, id="end", subject="floor/9/room/9")
        assert [follower.next_id() for _ in range(3)] == ["1", "2", "end"]


def test_refusals(http: HttpPeer, topic: str) -> None:
    wants = {"Accept": "text/event-stream"}
    answer = http.ask("GET", f"/{topic}/events?filter={quote('a = = 1')}", **wants)
    assert answer.status == 400
    assert "line 1, column 5" in answer.problem["detail"]
    assert http.ask("GET", f"/{topic}/events?subject=a%23", **wants).status == 400
    assert http.ask("GET", f"/{topic}-not/events", **wants).status == 404
    http.send(f"{topic}-queue")
    assert http.ask("GET", f"/{topic}-queue/events", **wants).status == 409
    without = http.ask("GET", f"/{topic}/events")
    assert "xml" in without.headers["content-type"], "administration's"


def test_what_is_not_yet_due_is_not_told(http: HttpPeer, topic: str) -> None:
    with following(http, f"{topic}/events") as follower:
        later = '{"ScheduledEnqueueTimeUtc": "2100-01-01T00:00:00Z"}'
        headers = {"ce-specversion": "1.0", "ce-id": "later", "ce-source": "/", "ce-type": "t"}
        headers["BrokerProperties"] = later
        assert http.ask_with("POST", f"/{topic}/events", b"", headers).status == 202
        post(http, topic, id="now")
        assert follower.next_id() == "now"


def test_a_long_event_is_skipped_with_a_word(http: HttpPeer, topic: str) -> None:
    with following(http, f"{topic}/events") as follower:
        post(http, topic, b'"' + b"x" * EVENT_FILTERED_BYTES_MAX + b'"')
        assert follower.next() == ("skipped", {"skipped": 1})


def test_who_does_not_read_is_told_how_much_is_missing(http: HttpPeer, topic: str) -> None:
    """And holds up neither senders nor other readers."""
    with (
        following(http, f"{topic}/events", SMALL_BUFFER) as slow,
        following(http, f"{topic}/events") as fast,
    ):
        count = 200
        body = b'"' + b"x" * 40_000 + b'"'
        for number in range(count):
            post(http, topic, body, id=str(number))
            assert fast.next_id() == str(number)
        seen = skipped = 0
        while seen + skipped < count:
            name, data = slow.next()
            if name == "skipped":
                missing = data["skipped"]
                assert isinstance(missing, int)
                skipped += missing
            else:
                assert data["id"] == str(seen + skipped), "in order, with no other gap"
                seen += 1
        assert skipped > 0
        assert seen > 0


def test_those_who_went_are_forgotten(http: HttpPeer, topic: str) -> None:
    """More come, one after the other, than may be there at a time."""
    for _ in range(HTTP_STREAMS_MAX + 20):
        with following(http, f"{topic}/events"):
            pass
    time.sleep(0.5)
    open_ones = [Follower(http, f"{topic}/events") for _ in range(HTTP_STREAMS_MAX)]
    answer = http.ask("GET", f"/{topic}/events", Accept="text/event-stream")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    post(http, topic, id="to all")
    assert {one.next_id() for one in open_ones} == {"to all"}
    for one in open_ones:
        one.socket.close()


def test_a_broker_that_ends_ends_its_streams() -> None:
    with BrokerProcess() as process:
        http = HttpPeer(process)
        make_topic(http, "topic")
        with following(http, "topic/events") as follower:
            began = time.monotonic()
            assert process.terminate() == 0
            assert time.monotonic() - began < 5
            follower.socket.settimeout(5)
            assert follower.socket.recv(100).startswith(b"0\r\n")
