"""Filters of the Subscriptions API and paths of subjects: as rules, and as AMQP filters."""

import asyncio
from collections.abc import Iterator

import pytest

from peeklock.cloudevents.amqp_binding import write_amqp_binary, write_amqp_structured
from peeklock.cloudevents.structured import EventFormat
from peeklock.frontends.amqp_event import bare_of
from peeklock_client import Refused, cesql, connect, event_filters, subject_path
from tests.support.amqp_bytes import (
    ACCEPTED,
    Composite,
    Described,
    Raw,
    composite,
    data_section,
    fields_,
    list_,
    string,
    symbol,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer
from tests.support.soon import SOON

CONFIGURATION = """
[[topics]]
name = "building"

[[topics.subscriptions]]
name = "fires"

[[topics.subscriptions.rules]]
name = "fire"
filters = [{ suffix = { type = ".fire" } }, { not = { exact = { subject = "test" } } }]

[[topics.subscriptions]]
name = "floor2"

[[topics.subscriptions.rules]]
name = "below"
path = "north/2/#"

[[topics.subscriptions]]
name = "all"
"""
EVENTS = [
    write_amqp_binary(event(id="1", type="a.fire", subject="north/2/hall")),
    write_amqp_structured(event(id="2", type="a.fire", subject="south/2"), EventFormat.JSON),
    write_amqp_binary(event(id="3", type="a.fire", subject="test")),
    write_amqp_binary(event(id="4", type="a.gas", subject="north/2")),
]


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIGURATION) as process:
        yield process


def send_all(broker: BrokerProcess) -> None:
    """And one that is no event, with the subject that one of them has."""
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_sender("building")
        for number, parts in enumerate(EVENTS):
            peer.transfer(number, bare_of(parts))
        plain = composite("properties", message_id="5", subject="north/2/x") + data_section(b"")
        peer.transfer(len(EVENTS), plain)
        peer.hear_accepted(0, len(EVENTS))


def taken(broker: BrokerProcess, subscription: str) -> list[str]:
    """The ids of what the subscription has, which it has no more then."""
    http = HttpPeer(broker)
    found = []
    place = f"/building/subscriptions/{subscription}/events/head?timeout=0"
    while (answer := http.ask("DELETE", place)).status == 200:
        found.append(answer.headers.get("ce-id", "no event"))
    return found


def test_rules_of_the_configuration_also_after_a_crash(broker: BrokerProcess) -> None:
    for _ in range(2):
        send_all(broker)
        assert taken(broker, "fires") == ["1", "2"]
        assert taken(broker, "floor2") == ["1", "4", "no event"]
        broker.kill()
        broker.restart()


def test_rules_come_and_are_refused_while_it_runs(broker: BrokerProcess) -> None:
    async def change() -> None:
        async with connect(broker.url) as client:
            erp = await client.topic("building").subscribe("erp", rules=[])
            await erp.add_rule("gas", filters=[{"exact": {"type": "a.gas"}}])
            await erp.add_rule("text", filters='[ {"exact": {"type": "a.gas"}} ]')
            await erp.add_rule("south", path="south/+")
            gas, text, south = await erp.rules()
            assert gas["kind"] == text["kind"] == "events"
            assert gas["expression"] == '[{"exact":{"type":"a.gas"}}]'
            assert text["expression"] == '[ {"exact": {"type": "a.gas"}} ]'
            assert (south["kind"], south["expression"]) == ("path", "south/+")
            refused = r"filters\[0\].any\[0\].exact.type: a string.* not a number.*rule 'bad'"
            with pytest.raises(Refused, match=refused):
                await erp.add_rule("bad", filters=[{"any": [{"exact": {"type": 3}}]}])
            with pytest.raises(Refused, match=r"filters\[0\].sql: line 1, column 5"):
                await erp.add_rule("bad", filters=[{"sql": "a = = b"}])
            with pytest.raises(Refused, match=r"column 3: .*whole level"):
                await erp.add_rule("bad", path="a/b#")
            with pytest.raises(Refused, match="conditions in filters and path"):
                await erp.add_rule("bad", path="a", filters=[])
            assert len(await erp.rules()) == 3

    asyncio.run(change())
    send_all(broker)
    assert taken(broker, "erp") == ["2", "4"]


def test_the_client_receives_by_them(broker: BrokerProcess) -> None:
    send_all(broker)

    async def receive() -> None:
        async with connect(broker.url) as client:
            source = client.subscription("building", "all")

            async def ids(selector: object) -> list[int]:
                found = []
                async for job in source.receive(selector=selector, wait=SOON):  # type: ignore[arg-type]
                    found.append(job.sequence_number)
                    await job.complete()
                return found

            assert await ids(event_filters([{"prefix": {"subject": "south/"}}])) == [2]
            assert await ids(subject_path("north/2/#")) == [1, 4, 5]
            assert await ids(cesql("type = 'a.fire'")) == [3]
            for bad in (event_filters([{"all": []}]), subject_path("#/a"), cesql("a = ")):
                with pytest.raises(Refused):
                    await ids(bad)

    asyncio.run(receive())


def on_the_wire(descriptor: str, value: Raw) -> Raw:
    return Raw(b"\x00" + symbol(descriptor) + value)


JSON = string('[{"exact": {"type": "a.gas"}}]')
LIST = list_([fields_({"exact": fields_({"type": string("a.gas")})})])


@pytest.mark.parametrize(
    "given",
    [
        on_the_wire("peeklock:cesql-filter:string", string("type = 'a.gas'")),
        on_the_wire("peeklock:event-filters:list", JSON),
        on_the_wire("peeklock:event-filters:list", LIST),
        on_the_wire("peeklock:path-filter:string", string("+/2")),
    ],
    ids=["cesql", "json", "list", "path"],
)
def test_a_receivers_filter_is_in_force_and_the_answer_says_so(
    broker: BrokerProcess, given: Raw
) -> None:
    send_all(broker)
    address = "building/Subscriptions/all"
    with ready_peer(broker.amqp_port) as peer:
        source = composite("source", address=address, filter=fields_({"mine": given}))
        answer = peer.attach_receiver(address, 1, credit=10, source=source)["source"]
        assert isinstance(answer, Composite)
        in_force = answer["filter"]
        assert isinstance(in_force, dict)
        assert list(in_force) == ["mine"]
        assert isinstance(in_force["mine"], Described)
        heard, message = peer.receive()
        if b"+/2" in given:
            assert message.annotations["x-opt-sequence-number"] == 2
            peer.dispose(heard["delivery-id"], ACCEPTED, settled=True)
            heard, message = peer.receive()
        assert message.annotations["x-opt-sequence-number"] == 4
        peer.dispose(heard["delivery-id"], ACCEPTED, settled=True)
        peer.expect_silence()


def refused(peer: AmqpPeer, handle: int, given: Raw) -> str:
    address = "building/Subscriptions/all"
    source = composite("source", address=address, filter=fields_({"mine": given}))
    peer.send(
        "attach", name=f"r{handle}", handle=handle, role=True, source=source,
        target=composite("target"),
    )  # fmt: skip
    assert peer.expect("attach")["source"] is None
    return peer.expect_error("detach", "amqp:invalid-field")


def test_a_filter_that_is_none_is_refused_and_nothing_else_happens(
    broker: BrokerProcess,
) -> None:
    with ready_peer(broker.amqp_port) as peer:
        bad = list_([fields_({"exact": fields_({"Type": string("a")})})])
        told = refused(peer, 1, on_the_wire("peeklock:event-filters:list", bad))
        assert "filters[0].exact.Type: no attribute's name" in told
        told = refused(peer, 2, on_the_wire("peeklock:cesql-filter:string", string("a =")))
        assert "line 1, column 4" in told
        deep = string("[" * 10_000)
        told = refused(peer, 3, on_the_wire("peeklock:event-filters:list", deep))
        assert "nested more than" in told
    send_all(broker)
    assert len(taken(broker, "all")) == 5
