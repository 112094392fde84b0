"""Topics whose data have to conform to a JSON Schema: on every protocol, and after a crash."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import ConnectionClosed, PublishAcknowledged
from peeklock.protocols.mqtt.properties import REASON_STRING
from peeklock_client import Refused, connect
from tests.support.amqp_bytes import application_properties, data_section
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerFailed, BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import mqtt_peer

SCHEMA = {
    "type": "object",
    "required": ["level"],
    "properties": {"level": {"type": "integer", "maximum": 10}},
}
GOOD = b'{"level": 3}'
BAD = b'{"level": "high"}'
PLACE = "$.level: 'high' is not of type 'integer' (#/properties/level/type)"


def configuration(schema: str) -> str:
    return f"""
[[topics]]
name = "readings"
{schema}

[[topics.subscriptions]]
name = "all"

[[queues]]
name = "inbox"
forward_to = "readings"
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    schema = tmp_path / "reading.json"
    schema.write_text(json.dumps(SCHEMA))
    config = configuration(f'event_schema_file = "{schema}"')
    with BrokerProcess(config=config, data_dir=tmp_path / "data") as process:
        yield process


def taken(broker: BrokerProcess, source: str = "readings/subscriptions/all") -> list[bytes]:
    http = HttpPeer(broker)
    found = []
    while (answer := http.ask("DELETE", f"/{source}/messages/head?timeout=0")).status == 200:
        found.append(answer.body)
    return found


def test_amqp_and_after_a_crash(broker: BrokerProcess) -> None:
    for _ in range(2):
        with ready_peer(broker.amqp_port) as peer:
            peer.attach_sender("readings")
            peer.put(GOOD)
            peer.transfer(1, data_section(BAD))
            state = peer.expect("disposition")["state"]
            assert state["error"]["condition"] == "amqp:invalid-field"  # type: ignore[index]
            assert PLACE in state["error"]["description"]  # type: ignore[index]
        assert taken(broker) == [GOOD]
        broker.kill()
        broker.restart()


def test_mqtt(broker: BrokerProcess) -> None:
    with mqtt_peer(broker.mqtt_port) as client:
        client.publish("readings/hall", GOOD)
        assert client.expect(PublishAcknowledged).reason_code in (0, 0x10)
        client.publish("readings/hall", BAD)
        refused = client.expect(PublishAcknowledged)
        assert refused.reason_code == 0x83
        assert PLACE in (refused.properties.text(REASON_STRING) or "")
        client.publish("readings/hall", GOOD)
        assert client.expect(PublishAcknowledged).reason_code in (0, 0x10)
    with mqtt_peer(broker.mqtt_port, v5=False) as older:
        older.publish("readings/hall", BAD)
        older.expect(ConnectionClosed)
    assert taken(broker) == [GOOD, GOOD]


def test_http(broker: BrokerProcess) -> None:
    http = HttpPeer(broker)
    event = {
        "ce_id": "1", "ce_source": "/a", "ce_type": "t", "ce_specversion": "1.0",
        "Content_Type": "application/json",
    }  # fmt: skip
    assert http.ask("POST", "/readings/events", GOOD, **event).status == 202
    answer = http.ask("POST", "/readings/events", BAD, **event)
    assert answer.status == 400
    assert answer.problem["attribute"] == "data"
    assert PLACE in answer.problem["detail"]
    batch = [
        {"specversion": "1.0", "id": str(n), "source": "/a", "type": "t", "data": {"level": n}}
        for n in (9, 11)
    ]
    kind = {"Content_Type": "application/cloudevents-batch+json"}
    answer = http.ask("POST", "/readings/events", json.dumps(batch), **kind)
    assert answer.status == 400
    assert "11 is greater than the maximum of 10" in answer.problem["detail"]
    assert http.ask("POST", "/readings/messages", BAD).status == 400
    assert http.ask("POST", "/readings/messages", GOOD).status == 201
    assert taken(broker) == [GOOD, GOOD]


def test_what_is_forwarded_is_held_against_it(broker: BrokerProcess) -> None:
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_sender("inbox")
        peer.put(GOOD)
        peer.transfer(1, data_section(BAD))
        peer.expect("disposition")
    assert taken(broker) == [GOOD]


def test_it_changes_while_it_runs(broker: BrokerProcess) -> None:
    async def change() -> None:
        async with connect(broker.url) as client:
            topic = client.topic("readings")
            with pytest.raises(Refused, match="is not of type"):
                await topic.send(BAD)
            for schema, told in (
                ("{", "event_schema: #: no JSON"),
                ('{"type": "x"}', "event_schema: #/type"),
                ('{"pattern": "a"}', "event_schema: #/pattern: not taken"),
            ):
                with pytest.raises(Refused, match=told):
                    await topic.update(event_schema=schema)
            assert json.loads((await topic.info())["event_schema"]) == SCHEMA
            await topic.update(event_schema="")
            await topic.send(BAD)
            await topic.update(event_schema='{"type": "string"}')
            await topic.send('"text"')
            with pytest.raises(Refused, match="is not of type 'string'"):
                await topic.send(GOOD)

    asyncio.run(change())
    assert taken(broker) == [BAD, b'"text"']


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ('event_schema_file = "/no/such"', "/no/such: No such file"),
        ('event_schema = "{"', "topic 'readings': event_schema: #: no JSON"),
        ("event_schema = '{\"type\": 3}'", "event_schema: #/type: 3 is not valid"),
    ],
)
def test_a_configuration_that_has_none(tmp_path: Path, schema: str, told: str) -> None:
    with pytest.raises(BrokerFailed) as failed:
        BrokerProcess(config=configuration(schema), data_dir=tmp_path).start()
    assert told in str(failed.value)


def test_a_topic_of_events_alone() -> None:
    """Over every protocol, and after a crash."""
    wrong = {f"cloudEvents:{name}": "1.0" for name in ("specversion", "id", "source", "type")}
    with BrokerProcess(config=configuration("events_only = true")) as broker:
        for _ in range(2):
            yesterday = application_properties(wrong | {"cloudEvents:time": "yesterday"})
            told = {
                data_section(b"{}"): "CloudEvents specversion: missing",
                yesterday + data_section(b"x"): "CloudEvents time: 'yesterday' is no Timestamp",
            }
            with ready_peer(broker.amqp_port) as peer:
                peer.attach_sender("readings")
                for number, (sent, why) in enumerate(told.items()):
                    peer.transfer(number, sent)
                    state = peer.expect("disposition")["state"]
                    assert why in state["error"]["description"]  # type: ignore[index]
            http = HttpPeer(broker)
            refused = http.ask("POST", "/readings/messages", b"{}")
            assert (refused.status, refused.problem["attribute"]) == (400, "specversion")
            assert http.ask("POST", "/inbox/messages", b"{}").status == 400
            with mqtt_peer(broker.mqtt_port) as client:
                client.publish("readings/a", b"{}", qos=1)
                answered = client.expect(PublishAcknowledged)
                assert answered.reason_code >= 0x80
            assert taken(broker) == []
            event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}
            assert http.ask_with("POST", "/readings/events", b"1", event).status == 202
            assert taken(broker) == [b"1"]
            broker.kill()
            broker.restart()
