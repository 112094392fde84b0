"""Selectors on a receiver's source (§3.5.8): it has what matches, and others have the rest."""

import asyncio

import pytest

from peeklock_client import connect
from tests.support.amqp_bytes import (
    ACCEPTED,
    RELEASED,
    Composite,
    Described,
    Raw,
    application_properties,
    composite,
    data_section,
    described,
    fields_,
    string,
    symbol,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess

SELECTOR = "apache.org:selector-filter:string"
SELECTOR_CODE = 0x0000468C00000004


def by_symbol(text: str) -> Raw:
    return Raw(b"\x00" + symbol(SELECTOR) + string(text))


def selecting(address: str, value: Raw, key: str = "selector", **given: object) -> Raw:
    return composite("source", address=address, filter=fields_({key: value}), **given)


def attach(
    peer: AmqpPeer, address: str, text: str, handle: int = 1, credit: int = 10, **given: object
) -> object:
    """A receiver with a selector; returns the filters that the broker says are in force."""
    source = selecting(address, by_symbol(text), **given)
    answer = peer.attach_receiver(address, handle, credit, source=source)["source"]
    assert isinstance(answer, Composite)
    return answer["filter"]


def send(peer: AmqpPeer, *kinds: str, first: int = 0) -> None:
    """Messages with `kind` as property and body."""
    for number, kind in enumerate(kinds, first):
        payload = application_properties({"kind": kind}) + data_section(kind.encode())
        peer.transfer(number, payload, 0)
    peer.hear_accepted(first, first + len(kinds) - 1)


def receive(peer: AmqpPeer, count: int, state: Raw = ACCEPTED) -> list[bytes]:
    """Bodies, each settled."""
    bodies: list[bytes] = []
    for _ in range(count):
        heard, message = peer.receive()
        bodies.append(message.body)
        peer.dispose(heard["delivery-id"], state, settled=True)
    return bodies


@pytest.mark.parametrize(
    "value",
    [by_symbol("kind = 'a'"), described(SELECTOR_CODE, string("kind = 'a'"))],
    ids=["symbol", "code"],
)
def test_only_what_matches_comes_and_the_answer_says_so(
    ready: AmqpPeer, queue: str, value: Raw
) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "b", "a", "b", "a")
    source = selecting(queue, value, key="jms-selector")
    answer = ready.attach_receiver(queue, 1, credit=10, source=source)["source"]
    assert isinstance(answer, Composite)
    filters = answer["filter"]
    assert isinstance(filters, dict)
    (applied,) = filters.values()
    assert list(filters) == ["jms-selector"]
    assert isinstance(applied, Described)
    assert applied.descriptor in (SELECTOR, SELECTOR_CODE)
    assert applied.value == "kind = 'a'"
    assert receive(ready, 2) == [b"a", b"a"]
    ready.expect_silence()
    for kind in ("b", "a"):
        payload = application_properties({"kind": kind}) + data_section(kind.encode())
        ready.transfer(4, payload, 0, settled=True)
    assert receive(ready, 1) == [b"a"]


def test_others_have_the_rest_in_its_order(
    ready: AmqpPeer, queue: str, shared: BrokerProcess
) -> None:
    ready.attach_sender(queue, 0)
    attach(ready, queue, "kind = 'a'")
    send(ready, "b", "b", "c")
    ready.expect_silence()
    with ready_peer(shared.amqp_port) as other:
        other.attach_receiver(queue, 0, credit=10)
        assert receive(other, 3) == [b"b", b"b", b"c"]


def test_what_is_given_back_comes_again_to_who_wants_it(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "a", "b", "a")
    attach(ready, queue, "kind = 'a'", credit=1)
    assert receive(ready, 1, RELEASED) == [b"a"]
    ready.credit(2, 1, count=1)
    assert receive(ready, 2) == [b"a", b"a"]


def test_a_drain_is_answered_when_nothing_more_matches(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "b", "a", "b")
    attach(ready, queue, "kind = 'a'", credit=0)
    ready.credit(5, 1, drain=True)
    assert receive(ready, 1) == [b"a"]
    heard = ready.expect("flow", link_credit=0)
    assert heard["delivery-count"] == 5


def test_a_browser_sees_what_matches_and_takes_nothing(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "a", "b", "a", "b")
    attach(ready, queue, "kind = 'b'", 1, 1, distribution_mode="copy")
    _heard, message = ready.receive()
    assert message.annotations["x-opt-sequence-number"] == 2
    ready.credit(5, 1, count=1)
    _heard, message = ready.receive()
    assert message.annotations["x-opt-sequence-number"] == 4
    ready.attach_receiver(queue, 2, credit=10)
    assert receive(ready, 4) == [b"a", b"b", b"a", b"b"]


def test_receive_and_delete_deletes_what_matches(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "a", "b")
    source = selecting(queue, by_symbol("kind = 'a'"))
    ready.attach_receiver(queue, 1, credit=10, source=source, snd_settle_mode=1)
    heard, message = ready.receive()
    assert heard["settled"]
    assert message.body == b"a"
    ready.attach_receiver(queue, 2, credit=10)
    assert receive(ready, 1) == [b"b"]


def test_on_a_subscription(shared: BrokerProcess, ready: AmqpPeer, queue: str) -> None:
    async def prepare() -> None:
        async with connect(shared.url) as client:
            await (await client.create_topic(queue)).subscribe("all")

    asyncio.run(prepare())
    ready.attach_sender(queue, 0)
    send(ready, "a", "b")
    attach(ready, f"{queue}/Subscriptions/all", "kind = 'b'")
    assert receive(ready, 1) == [b"b"]
    ready.expect_silence()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind = ", "line 1, column"),
        ("kind = 'a' AND\n OR", "line 2, column 2: expected"),
        ("kind LIKE 5", "line 1, column 11"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place(
    ready: AmqpPeer, queue: str, text: str, words: str
) -> None:
    ready.attach_sender(queue, 0)
    ready.send(
        "attach", name="r", handle=1, role=True,
        source=selecting(queue, by_symbol(text)), target=composite("target"),
    )  # fmt: skip
    assert ready.expect("attach")["source"] is None
    assert words in ready.expect_error("detach", "amqp:invalid-field")


def test_an_empty_one_and_unknown_filters_hold_nothing_back(
    ready: AmqpPeer, queue: str
) -> None:
    ready.attach_sender(queue, 0)
    send(ready, "a", "b")
    filters = fields_({"selector": by_symbol(""), "other": described(0x99, string("x"))})
    source = composite("source", address=queue, filter=filters)
    answer = ready.attach_receiver(queue, 1, credit=10, source=source)["source"]
    assert isinstance(answer, Composite)
    applied = answer["filter"]
    assert isinstance(applied, dict)
    assert list(applied) == ["selector"]
    assert receive(ready, 2) == [b"a", b"b"]


def test_many_selectors_on_one_queue_each_have_their_own(ready: AmqpPeer, queue: str) -> None:
    """As in request and response with one queue for all replies."""
    ready.attach_sender(queue, 0)
    for number in range(1, 30):
        attach(ready, queue, f"JMSCorrelationID = 'c{number}'", number, 1)
    for number in range(29):
        properties = composite("properties", correlation_id=f"c{29 - number}")
        ready.transfer(number, properties + data_section(b"x"), 0)
    seen: dict[object, str] = {}
    settled = 0
    while len(seen) < 29 or settled < 29:
        heard = ready.next_frame()
        if heard.name == "transfer":
            from tests.support.amqp_bytes import read_message

            found = dict(read_message(heard.payload).sections)[0x73]
            assert isinstance(found, list)
            seen[heard["handle"]] = str(found[5])
        elif heard.name == "disposition":
            last = heard["last"] if heard["last"] is not None else heard["first"]
            assert isinstance(last, int)
            settled = last + 1
    assert seen == {number: f"c{number}" for number in range(1, 30)}
