"""Qpid Proton against the broker: what a message is comes back as it went in.

The measure is what Proton itself reads of its own encoding. Values are compared by what
`shown` makes of them, with their AMQP types: a `ushort` that came back as an `int` would be
equal and wrong.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.interop.proton_client import ACCEPTED, REJECTED, Client, message, proton
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

SOME_UUID = UUID("0123456789abcdef0123456789abcdef")
# AMQP's primitive types (§1.6), at their ends where they have ends.
SIMPLE = {
    "boolean": True,
    "ubyte": proton.ubyte(2**8 - 1),
    "ushort": proton.ushort(2**16 - 1),
    "uint": proton.uint(2**32 - 1),
    "ulong": proton.ulong(2**64 - 1),
    "byte": proton.byte(-(2**7)),
    "short": proton.short(-(2**15)),
    "int": proton.int32(-(2**31)),
    "long": -(2**63),
    "float": proton.float32(-1.5),
    "double": 1e300,
    "decimal32": proton.decimal32(2**31),
    "decimal64": proton.decimal64(2**63),
    "decimal128": proton.decimal128(bytes(range(16))),
    "char": proton.char("\N{SNOWMAN}"),
    "timestamp": proton.timestamp(-1),
    "uuid": SOME_UUID,
    "binary": bytes(range(256)),
    "string": "Grüße \N{SNOWMAN}" * 50,
    "symbol": proton.symbol("com.example:word"),
}
COMPOUND = {
    "list": [1, "two", proton.symbol("three"), None, [], [4.5]],
    "empty list": [],
    "map": {"a": 1, proton.symbol("b"): [2], proton.ulong(3): {"c": None}, 4: b"d"},
    "array": proton.Array(proton.UNDESCRIBED, proton.Data.INT, 1, 2, 3),
    "array of described": proton.Array(proton.symbol("celsius"), proton.Data.LONG, 20, 21),
    "described": proton.Described(proton.symbol("com.example:point"), [1, 2]),
    "described by number": proton.Described(proton.ulong(2**40), "x"),
}


@pytest.fixture
def client(open_broker: BrokerProcess) -> Iterator[Client]:
    with Client(open_broker.url) as one:
        yield one


def there_and_back(client: Client, queue: str, sent: Any) -> Any:
    assert client.sender(queue).send(sent).remote_state == ACCEPTED
    receiver = client.receiver(queue)
    got, delivery = receiver.take()
    receiver.settle(delivery, ACCEPTED)
    return got


def by_way_of_the_dead(client: Client, queue: str, sent: Any) -> Any:
    """Sent, rejected with a reason, and read from the dead-letter queue."""
    client.sender(queue).send(sent)
    receiver = client.receiver(queue)
    _message, delivery = receiver.take()
    delivery.local.condition = proton.Condition("app:bad", "as a test")
    receiver.settle(delivery, REJECTED)
    return client.receiver(f"{queue}/$DeadLetterQueue").take()[0]


def as_written(sent: Any) -> Any:
    """The message as Proton reads what it would send.

    Keep it while you look at what is in it: Proton's binary values are views into it.
    """
    copy = proton.Message()
    copy.decode(sent.encode())
    return copy


def shown(value: Any) -> str:
    """A value with its type, and those of what is in it."""
    match value:
        case memoryview() | bytes():  # Proton reads binary as the one, and writes the other
            return f"binary {bytes(value)!r}"
        case proton.Described(descriptor=descriptor, value=inner):
            return f"({shown(descriptor)}: {shown(inner)})"
        case proton.Array(descriptor=descriptor, type=kind, elements=elements):
            return f"array of {kind} ({shown(descriptor)}) {[shown(one) for one in elements]}"
        case dict():
            items = [f"{shown(key)}: {shown(one)}" for key, one in value.items()]
            return f"map {sorted(items)}"
        case list():
            return f"list {[shown(one) for one in value]}"
        case _:
            return f"{type(value).__name__} {value!r}"


class TestBodies:
    @pytest.mark.parametrize("value", (SIMPLE | COMPOUND).values(), ids=SIMPLE | COMPOUND)
    def test_amqp_value(self, client: Client, queue: str, value: object) -> None:
        sent = message(value)
        wanted, got = as_written(sent), there_and_back(client, queue, sent)
        assert shown(got.body) == shown(wanted.body)
        assert not got.inferred

    def test_null(self, client: Client, queue: str) -> None:
        assert there_and_back(client, queue, message(None)).body is None

    @pytest.mark.parametrize("body", [b"", b"a", bytes(70_000)], ids=["empty", "short", "long"])
    def test_data(self, client: Client, queue: str, body: bytes) -> None:
        got = there_and_back(client, queue, message(body, inferred=True))
        assert got.body == body
        assert got.inferred

    def test_amqp_sequence(self, client: Client, queue: str) -> None:
        sent = message([*SIMPLE.values(), *COMPOUND.values()], inferred=True)
        wanted, got = as_written(sent), there_and_back(client, queue, sent)
        assert shown(got.body) == shown(wanted.body)
        assert got.inferred


class TestSections:
    @pytest.mark.parametrize("path", [there_and_back, by_way_of_the_dead])
    def test_application_properties(self, client: Client, queue: str, path: Any) -> None:
        """Also where the broker adds its own: a dead letter's reason."""
        sent = message(properties=dict(SIMPLE))
        wanted, got = as_written(sent), path(client, queue, sent)
        if path is by_way_of_the_dead:
            assert got.properties.pop("DeadLetterReason") == "app:bad"
            assert got.properties.pop("DeadLetterErrorDescription") == "as a test"
        assert shown(got.properties) == shown(wanted.properties)

    @pytest.mark.parametrize("path", [there_and_back, by_way_of_the_dead])
    def test_message_annotations(self, client: Client, queue: str, path: Any) -> None:
        """The broker adds its own to these, and leaves the others alone."""
        values = SIMPLE | COMPOUND
        annotations = {proton.symbol(f"x-{name}"): value for name, value in values.items()}
        sent = message(annotations=annotations | {proton.ulong(7): "by number"})
        wanted, got = as_written(sent), path(client, queue, sent)
        kept = {name: got.annotations[name] for name in wanted.annotations}
        assert shown(kept) == shown(wanted.annotations)
        added = {str(name) for name in got.annotations if name not in kept}
        assert "x-opt-sequence-number" in added
        assert all(name.startswith("x-opt-") for name in added)

    @pytest.mark.parametrize("id_", ["order-1", SOME_UUID, proton.ulong(2**63), b"\0\xff"])
    def test_properties(self, client: Client, queue: str, id_: object) -> None:
        fields = {
            "id": id_,
            "correlation_id": id_,
            "user_id": b"\0user",
            "address": "to/somebody",
            "subject": "booked",
            "reply_to": "replies",
            "content_type": "application/json",
            "content_encoding": "identity",
            "expiry_time": 4_000_000_000.0,
            "creation_time": 1_700_000_000.0,
            "group_id": "customer-1",
            "group_sequence": 2**32 - 1,
            "reply_to_group_id": "customer-2",
        }
        sent = message("body", **fields)
        wanted, got = as_written(sent), there_and_back(client, queue, sent)
        assert {name: getattr(got, name) for name in fields} == fields
        assert shown(got.id) == shown(wanted.id)

    def test_header(self, client: Client, queue: str) -> None:
        fields = {"durable": True, "priority": 9, "ttl": 60.0}
        got = there_and_back(client, queue, message("body", **fields))
        assert {name: getattr(got, name) for name in fields} == fields
        assert (got.first_acquirer, got.delivery_count) == (True, 0)
