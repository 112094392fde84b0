"""The same message in by one protocol and out by the other: nothing of it is lost."""

import json
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    DEFERRED,
    Number,
    Raw,
    annotations,
    anything,
    application_properties,
    composite,
    data_section,
    described,
    int_,
    symbol,
    timestamp,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, Heard
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer

GUID = UUID("0f3c3e3a-5a5b-4d3e-8d2f-0123456789ab")
ODD_KEY = value_section({1: "x"})
AN_INSTANT = value_section(timestamp(1))
BATCH_TYPE = "application/vnd.microsoft.servicebus.json"


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def send(peer: AmqpPeer, queue: str, payload: bytes) -> None:
    peer.attach_sender(queue)
    peer.transfer(0, payload)
    peer.hear_accepted(0, 0)


def token_of(heard: Heard) -> str:
    tag = heard["delivery-tag"]
    assert isinstance(tag, bytes)
    return str(UUID(bytes_le=tag))


class TestAmqpInHttpOut:
    def test_properties(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        payload = (
            composite("header", durable=True, priority=7, ttl=90_000)
            + annotations(x_opt_partition_key="p")
            + composite(
                "properties",
                message_id=GUID,
                to="erp",
                subject="paid",
                reply_to="answers",
                correlation_id="c",
                content_type="application/x-order",
                content_encoding="zstd",
                group_id="s",
                reply_to_group_id="r",
            )
            + application_properties({
                "text": "ü",
                "number": 7,
                "small": int_(-7),
                "fraction": 0.5,
                "yes": True,
                "nothing": None,
                "at": timestamp(784_111_777_000),
                "id": GUID,
                "bytes": b"\0\xff",
                "word": symbol("red"),
            })
            + data_section(b"one ")
            + data_section(b"body")
        )  # fmt: skip
        send(ready, queue, payload)
        got = http.lock(queue)
        assert got.body == b"one body"
        assert got.headers["Content-Type"] == "application/x-order"
        assert got.headers["Content-Encoding"] == "zstd"
        assert (
            got.broker.items()
            >= {
                "MessageId": str(GUID),
                "To": "erp",
                "Label": "paid",
                "ReplyTo": "answers",
                "CorrelationId": "c",
                "SessionId": "s",
                "ReplyToSessionId": "r",
                "PartitionKey": "p",
                "TimeToLive": 90.0,
            }.items()
        )
        shown = {name: got.headers[name] for name in ("text", "number", "small", "fraction")}
        assert shown == {
            "text": '"\\u00fc"', "number": "7", "small": "-7", "fraction": "0.5",
        }  # fmt: skip
        assert (got.headers["yes"], got.headers["nothing"]) == ("true", "null")
        assert got.headers["at"] == '"Sun, 06 Nov 1994 08:49:37 GMT"'
        assert got.headers["id"] == f'"{GUID}"'
        assert got.headers["bytes"] == '"AP8="'
        assert got.headers["word"] == '"red"'

    @pytest.mark.parametrize(
        ("body", "content", "kind"),
        [
            (value_section("ü"), "ü".encode(), "text/plain; charset=utf-8"),
            (value_section(b"\0\1"), b"\0\1", None),
            (
                value_section({"a": [1, 0.5, None, True]}),
                b'{"a": [1, 0.5, null, true]}',
                "json",
            ),
            (value_section(None), b"null", "json"),
            (described(0x76, anything([1, "x"])), b'[1, "x"]', "json"),
            (ODD_KEY, ODD_KEY, "application/amqp"),
            (
                value_section(timestamp(1)),
                bytes(value_section(timestamp(1))),
                "application/amqp",
            ),
            (Raw(b""), b"", None),
        ],
    )
    def test_bodies_of_other_kinds(
        self,
        ready: AmqpPeer,
        http: HttpPeer,
        queue: str,
        body: Raw,
        content: bytes,
        kind: str | None,
    ) -> None:
        send(ready, queue, composite("properties", message_id="m") + body)
        got = http.take(queue)
        assert got.body == content
        wanted = "application/json" if kind == "json" else kind
        assert got.headers["Content-Type"] == wanted

    def test_it_stays_as_it_came(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        """A look over HTTP changes nothing of it."""
        bare = (
            composite("properties", message_id=GUID)
            + application_properties({"small": int_(7), "id": GUID})
            + value_section({1: GUID})
        )
        send(ready, queue, bare)
        place = http.lock(queue).place
        assert http.ask("PUT", place + "?disposition=release").status == 200
        ready.attach_receiver(queue, 1, credit=1)
        _heard, message = ready.receive()
        assert message.bare == bare


class TestHttpInAmqpOut:
    def test_properties(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        own = {
            "MessageId": "m",
            "To": "erp",
            "Label": "ü",
            "ReplyTo": "answers",
            "CorrelationId": "c",
            "SessionId": "s",
            "ReplyToSessionId": "r",
            "PartitionKey": "s",
            "ViaPartitionKey": "v",
            "TimeToLive": 90.5,
        }
        answer = http.ask_with(
            "POST",
            f"/{queue}/messages",
            b"\0\xff",
            {
                "Content-Type": "application/x-order",
                "BrokerProperties": json.dumps(own),
                "Text": '"7"',
                "Bare": "High, and so on",
                "Whole": "-7",
                "Huge": str(2**64 - 1),
                "Fraction": "5e-1",
                "No": "false",
                "Nothing": "null",
                "At": '"Sun, 06 Nov 1994 08:49:37 GMT"',
                "Quoted": '"say \\"hi\\" \\u00fc"',
                "Zeros": "007",
                "Peeklock-Properties": '{"cloudEvents:id": "7", "user-agent": 1.5}',
            },
        )
        assert answer.status == 201
        ready.attach_receiver(queue, 1, credit=1)
        _heard, message = ready.receive()
        assert message.header is not None
        assert (message.header["ttl"], message.header["durable"]) == (90_500, True)
        assert message.annotations["x-opt-partition-key"] == "s"
        assert message.annotations["x-opt-via-partition-key"] == "v"
        properties = dict(message.sections)[0x73]
        assert isinstance(properties, list)
        assert properties[:7] == ["m", None, "erp", "ü", "answers", "c", "application/x-order"]
        assert (properties[10], properties[12]) == ("s", "r")
        found = message.application_properties
        assert found == {
            "Text": "7",
            "Bare": "High, and so on",
            "Whole": -7,
            "Huge": 2**64 - 1,
            "Fraction": 0.5,
            "No": False,
            "Nothing": None,
            "At": 784_111_777_000,
            "Quoted": 'say "hi" ü',
            "Zeros": "007",
            "cloudEvents:id": "7",
            "user-agent": 1.5,
        }
        kinds = {name: value.kind for name, value in found.items() if isinstance(value, Number)}
        assert kinds == {"Whole": "long", "Huge": "ulong", "At": "timestamp"}
        assert message.body == b"\0\xff"

    def test_around(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        """What HTTP told of a message makes the same one again."""
        given = {"s": "x", "n": 7, "f": 0.5, "b": False, "at": timestamp(1000), "a:b": "c"}
        send(ready, queue, application_properties(given) + data_section(b"body"))
        got = http.take(queue)
        names = ("s", "n", "f", "b", "at", "Peeklock-Properties", "BrokerProperties")
        again = {name: got.headers[name] for name in names}
        assert http.ask_with("POST", f"/{queue}/messages", got.body, again).status == 201
        ready.attach_receiver(queue, 1, credit=1)
        _heard, message = ready.receive()
        assert message.application_properties == given | {"at": 1000}
        at = message.application_properties["at"]
        assert isinstance(at, Number)
        assert at.kind == "timestamp"

    def test_a_batch(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        batch = [{"Body": str(number), "UserProperties": {"n": number}} for number in range(3)]
        http.send(queue, json.dumps(batch), Content_Type=BATCH_TYPE)
        ready.attach_receiver(queue, 1, credit=3)
        for number in range(3):
            _heard, message = ready.receive()
            assert (message.body, message.application_properties["n"]) == (
                str(number).encode(),
                number,
            )


class TestOneQueueForBoth:
    def test_the_same_token(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        """What AMQP locked, HTTP may settle: who has the token is who holds the message."""
        http.send(queue)
        ready.attach_receiver(queue, 1, credit=1)
        heard, _message = ready.receive()
        place = f"/{queue}/messages/1/{token_of(heard)}"
        assert http.ask("POST", place).status == 200
        assert http.ask("DELETE", place).status == 200
        ready.dispose(heard["delivery-id"], ACCEPTED)
        late = ready.expect("disposition")["state"]
        assert getattr(late, "name", "") == "rejected"

    def test_in_one_line(self, ready: AmqpPeer, http: HttpPeer, queue: str) -> None:
        """An AMQP receiver that abandons leaves it to the next, who may come by HTTP."""
        http.send(queue)
        ready.attach_receiver(queue, 1, credit=1)
        heard, _message = ready.receive()
        ready.dispose(heard["delivery-id"], ABANDONED, settled=True)
        got = http.lock(queue, timeout=10)
        assert got.broker["DeliveryCount"] == 2
        assert got.broker["LockToken"] != token_of(heard)

    def test_deferred_by_one_and_fetched_by_the_other(
        self, ready: AmqpPeer, http: HttpPeer, queue: str
    ) -> None:
        http.send(queue)
        ready.attach_receiver(queue, 1, credit=1)
        heard, _message = ready.receive()
        ready.dispose(heard["delivery-id"], DEFERRED)
        ready.expect("disposition")
        fetched = http.ask("POST", f"/{queue}/messages/1")
        assert fetched.status == 201
        assert http.ask("DELETE", fetched.place).status == 200
