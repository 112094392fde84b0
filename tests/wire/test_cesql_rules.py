"""Rules in CESQL: over events in any mode, refused with their place, there after a crash."""

import asyncio
from collections.abc import Iterator

import pytest

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    Separator,
    write_amqp_binary,
    write_amqp_structured,
)
from peeklock.cloudevents.attribute import boolean, integer
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.structured import EventFormat
from peeklock.frontends.amqp_event import bare_of
from peeklock_client import Refused, connect
from tests.support.amqp_bytes import data_section
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer

EXPRESSION = "type LIKE '%.fire' AND level > 2 AND urgent AND EXISTS subject"
CONFIGURATION = f"""
[[topics]]
name = "building"

[[topics.subscriptions]]
name = "evacuation"

[[topics.subscriptions.rules]]
name = "fire"
cesql = "{EXPRESSION}"
"""
FORMS = {
    **{
        f"binary {one.name}": lambda given, one=one: write_amqp_binary(given, separator=one)
        for one in Separator
    },
    **{
        one.name: lambda given, one=one: write_amqp_structured(given, one)
        for one in EventFormat
    },
}


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIGURATION) as process:
        yield process


def fire(identity: str, level: int = 3, **more: str) -> CloudEvent:
    given = {"id": identity, "type": "com.example.fire", "subject": "a"} | more
    return event(level=integer(level), urgent=boolean(True), **given)


def send_all(peer: AmqpPeer, all_parts: list[AmqpParts]) -> None:
    peer.attach_sender("building")
    for number, parts in enumerate(all_parts):
        peer.transfer(number, bare_of(parts))
    peer.hear_accepted(0, len(all_parts) - 1)


def taken(broker: BrokerProcess) -> list[str]:
    """The ids of the events that the subscription has, which it has no more then."""
    http = HttpPeer(broker)
    found = []
    place = "/building/subscriptions/evacuation/events/head?timeout=0"
    while (answer := http.ask("DELETE", place)).status == 200:
        found.append(answer.headers["ce-id"])
    return found


def test_events_in_each_mode(broker: BrokerProcess) -> None:
    with ready_peer(broker.amqp_port) as peer:
        sent = []
        for name, write in FORMS.items():
            identity = name.replace(" ", "-")
            sent += [
                write(fire(identity)),
                write(fire("low", 2)),
                write(fire("no", subject="")),
            ]
        send_all(peer, sent)
        peer.transfer(len(sent), data_section(b"no event"))
        peer.hear_accepted(len(sent), len(sent))
    assert taken(broker) == [name.replace(" ", "-") for name in FORMS]


def test_over_http(broker: BrokerProcess) -> None:
    """Binary mode has texts alone, which CESQL casts."""
    http = HttpPeer(broker)
    for number, level in enumerate(("1", "3", "many")):
        answer = http.ask(
            "POST", "/building/events", ce_specversion="1.0", ce_id=str(number),
            ce_source="/a", ce_type="com.example.fire", ce_level=level, ce_urgent="true",
            ce_subject="a",
        )  # fmt: skip
        assert answer.status == 202
    assert taken(broker) == ["1"]


def test_it_is_there_after_a_crash(broker: BrokerProcess) -> None:
    broker.kill()
    broker.restart()
    with ready_peer(broker.amqp_port) as peer:
        send_all(peer, [write_amqp_binary(fire("7")), write_amqp_binary(fire("8", 1))])
    assert taken(broker) == ["7"]


def test_rules_come_and_are_refused_while_it_runs(broker: BrokerProcess) -> None:
    async def change() -> None:
        async with connect(broker.url) as client:
            erp = await client.topic("building").subscribe("erp", rules=[])
            await erp.add_rule("gas", cesql="type = 'gas'", action="SET seen = TRUE")
            (rule,) = await erp.rules()
            assert (rule["kind"], rule["expression"]) == ("cesql", "type = 'gas'")
            with pytest.raises(Refused, match=r"line 2, column 5.*of rule 'bad'"):
                await erp.add_rule("bad", cesql="a = 1\nAND = 2")
            with pytest.raises(Refused, match="conditions in sql and cesql"):
                await erp.add_rule("bad", cesql="TRUE", sql="TRUE")
            with pytest.raises(Refused, match="kind 'sql'"):
                await erp.add_rule("bad", cesql="TRUE", kind="sql")
            await erp.update_rule("gas", cesql="type = 'fire'")
            (rule,) = await erp.rules()
            assert rule["expression"] == "type = 'fire'"

    asyncio.run(change())
