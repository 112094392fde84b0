"""Outcomes that change application properties: Service Bus' `propertiesToModify`."""

import time
from collections.abc import Mapping
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    ACCEPTED,
    Composite,
    Message,
    Raw,
    array,
    binary,
    composite,
    data_section,
    described,
    int_,
    list_,
    long,
    map_,
    read_message,
    rejected,
    string,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer, Heard
from tests.support.amqp_sessions import Desk

COLOR = (symbol("color"), string("red"))  # a key as no sender should write it
PROPERTIES = composite("properties", message_id="m", subject="booking")
REST = (
    described(0x75, binary(b"one"))
    + described(0x75, binary(b""))
    + described(0x78, map_([(symbol("x-sum"), ulong(5))]))
)
WRITTEN = PROPERTIES + described(0x74, map_([(string("tries"), ubyte(1)), COLOR])) + REST


def modified(*, aside: bool = False, **annotations: object) -> Raw:
    keyed = {name.replace("__", "-"): value for name, value in annotations.items()}
    return composite("modified", undeliverable_here=aside, message_annotations=keyed)


def hold(peer: AmqpPeer, queue: str, payload: bytes = WRITTEN, *, credit: int = 10) -> Heard:
    """Send it, and have it on handle 1."""
    peer.attach_sender(queue, 0)
    peer.transfer(0, payload)
    peer.hear_accepted(0, 0)
    peer.attach_receiver(queue, 1, credit=credit)
    return peer.receive()[0]


def settle(peer: AmqpPeer, heard: Heard, state: Raw) -> Composite:
    """Returns the broker's answer."""
    peer.dispose(heard["delivery-id"], state)
    return answered(peer)


def answered(peer: AmqpPeer) -> Composite:
    answer = peer.expect("disposition", settled=True)["state"]
    assert isinstance(answer, Composite)
    return answer


def annotation(message: Message, name: str) -> object:
    return {str(key): value for key, value in message.annotations.items()}[name]


class TestModified:
    def test_the_rest_of_the_message_is_the_bytes_that_it_was(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        heard = hold(ready, queue, credit=1)
        answer = settle(ready, heard, modified(tries=int_(2), seen=True))
        assert (answer.name, answer["message-annotations"]) == ("modified", None)
        ready.credit(1, 1, count=1)
        again, message = ready.receive()
        two = Raw(b"\x54\x02")  # an int in its short form
        changed = [(string("tries"), two), COLOR, (string("seen"), Raw(b"\x41"))]
        assert message.bare == PROPERTIES + described(0x74, map_(changed)) + REST
        assert message.header is not None
        assert message.header["delivery-count"] == 1
        assert annotation(message, "x-opt-sequence-number") == 1
        settle(ready, again, ACCEPTED)

    def test_what_it_does_not_name_is_not_touched(self, ready: AmqpPeer, queue: str) -> None:
        heard = hold(ready, queue, credit=1)
        settle(ready, heard, modified(x__opt__whatever="x", parts=list_([int_(1)])))
        ready.credit(1, 1, count=1)
        assert ready.receive()[1].bare == WRITTEN

    def test_a_time_is_none_of_them(self, ready: AmqpPeer, queue: str) -> None:
        heard = hold(ready, queue)
        due = int(time.time() * 1000) + 300
        ready.dispose(
            heard["delivery-id"],
            modified(x__opt__delivery__time=timestamp(due), seen=True),
            settled=True,
        )
        found = ready.receive()[1].application_properties
        assert time.time() * 1000 >= due
        assert set(found) == {"tries", "color", "seen"}

    def test_a_range_of_them(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1, credit=3)
        ids = [ready.receive()[0]["delivery-id"] for _ in range(3)]
        ready.dispose(ids[0], modified(seen=True), last=ids[-1], settled=True)
        ready.credit(3, 1, count=3)
        for body in (b"a", b"b", b"c"):
            message = ready.receive()[1]
            assert (message.body, message.application_properties) == (body, {"seen": True})


class TestRejected:
    def test_the_rest_of_its_info_goes_to_the_dead_letter(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        heard = hold(ready, queue)
        info = {"DeadLetterReason": "bad", "DeadLetterErrorDescription": "why"}
        more = {"seen": True, "parts": map_([]), "x-opt-own": 1}
        answer = settle(ready, heard, rejected("com.microsoft:dead-letter", "", **info, **more))
        assert (answer.name, answer["error"]) == ("rejected", None)
        ready.attach_receiver(f"{queue}/$DeadLetterQueue", 2, credit=1)
        message = ready.receive()[1]
        expected = {"tries": 1, "color": "red", "seen": True, **info}
        assert message.application_properties == expected
        assert message.bare.endswith(REST)


class TestRefusals:
    @pytest.fixture
    def small(self, operator: AmqpOperator, queue: str) -> str:
        operator.create(queue, max_message_bytes=200)
        return queue

    def test_too_large(self, ready: AmqpPeer, small: str) -> None:
        """It is told, and nothing happens to the message until its lock ends."""
        heard = hold(ready, small)
        answer = settle(ready, heard, modified(log="x" * 200))
        assert answer.name == "rejected"
        error = answer["error"]
        assert isinstance(error, Composite)
        assert error["condition"] == "amqp:link:message-size-exceeded"
        assert "up to 200" in str(error["description"])
        ready.expect_silence()
        ready.send("detach", handle=1, closed=True)
        ready.expect("detach")
        ready.attach_receiver(small, 2, credit=1)
        message = ready.receive()[1]
        assert message.bare == WRITTEN
        assert message.header is not None
        assert not message.header["delivery-count"]

    def test_a_message_whose_properties_are_none(self, ready: AmqpPeer, queue: str) -> None:
        """Nobody looked into them when it came."""
        odd = described(0x74, map_([(string("a"), Raw(b"\x41"))])[:-1] + b"\x03")
        heard = hold(ready, queue, odd + data_section(b"x"))
        answer = settle(ready, heard, modified(seen=True))
        assert answer.name == "rejected"
        error = answer["error"]
        assert isinstance(error, Composite)
        assert error["condition"] == "amqp:invalid-field"


class TestUpdateDisposition:
    """`properties-to-modify` of a management node's request."""

    @pytest.mark.parametrize(
        ("status", "where"),
        [("abandoned", ""), ("defered", ""), ("suspended", "/$DeadLetterQueue")],
    )
    def test_each_that_changes(
        self, ready: AmqpPeer, queue: str, status: str, where: str
    ) -> None:
        token = deferred_token(ready, queue)
        desk = Desk(ready, queue)
        asked = asking(token, status, map_([(string("seen"), int_(7))]))
        assert desk.ask("update-disposition", asked)[0] == 200
        leave_desk(ready)
        found = peeked(Desk(ready, queue + where))
        assert found.application_properties["seen"] == 7
        assert found.application_properties["tries"] == 1
        assert found.bare.endswith(REST)

    def test_completing_has_no_use_for_it(self, ready: AmqpPeer, queue: str) -> None:
        token = deferred_token(ready, queue)
        asked = asking(token, "completed", map_([(string("seen"), int_(7))]))
        assert Desk(ready, queue).ask("update-disposition", asked)[0] == 200

    @pytest.mark.parametrize("given", [string("seen"), list_([int_(1)])])
    def test_what_is_no_map(self, ready: AmqpPeer, queue: str, given: Raw) -> None:
        token = deferred_token(ready, queue)
        desk = Desk(ready, queue)
        status, condition, _body = desk.ask(
            "update-disposition", asking(token, "abandoned", given)
        )
        assert (status, condition) == (400, "com.microsoft:argument-error")
        assert desk.ask("update-disposition", asking(token, "completed"))[0] == 200

    def test_too_large(self, ready: AmqpPeer, operator: AmqpOperator, queue: str) -> None:
        operator.create(queue, max_message_bytes=200)
        token = deferred_token(ready, queue)
        desk = Desk(ready, queue)
        large = map_([(string("log"), string("x" * 200))])
        status, condition, _body = desk.ask(
            "update-disposition", asking(token, "defered", large)
        )
        assert (status, condition) == (413, "amqp:link:message-size-exceeded")
        assert peeked(desk).bare == WRITTEN
        assert desk.ask("update-disposition", asking(token, "completed"))[0] == 200


def deferred_token(peer: AmqpPeer, queue: str) -> UUID:
    """The lock token of a message that was deferred, and fetched by its number."""
    heard = hold(peer, queue)
    assert settle(peer, heard, modified(aside=True)).name == "modified"
    peer.send("detach", handle=0, closed=True)
    peer.expect("detach")
    status, _condition, body = Desk(peer, queue).ask(
        "receive-by-sequence-number",
        {
            "sequence-numbers": array(0x81, [(1).to_bytes(8, "big")]),
            "receiver-settle-mode": uint(1),
        },
    )
    assert status == 200
    assert isinstance(body, dict)
    token = body["messages"][0]["lock-token"]
    assert isinstance(token, UUID)
    leave_desk(peer)
    return token


def leave_desk(peer: AmqpPeer) -> None:
    for handle in (20, 21):
        peer.send("detach", handle=handle, closed=True)
        peer.expect("detach")


def asking(token: UUID, status: str, properties: Raw | None = None) -> Mapping[str, object]:
    given = {} if properties is None else {"properties-to-modify": properties}
    return {
        "disposition-status": status,
        "lock-tokens": array(0x98, [token.bytes]),
        **given,
    }


def peeked(desk: Desk) -> Message:
    asked = {"from-sequence-number": long(1), "message-count": int_(1)}
    status, _condition, body = desk.ask("peek-message", asked)
    assert status == 200
    assert isinstance(body, dict)
    return read_message(body["messages"][0]["message"])
