"""MQTT sessions through the client and the command, against a real broker."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from peeklock.protocols.mqtt.properties import SESSION_EXPIRY_INTERVAL, Properties
from peeklock_client import Client, NotFound, connect
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

MODULE = (sys.executable, "-m", "peeklock_client.cli.main")
KEPT = Properties({SESSION_EXPIRY_INTERVAL: 3600})


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
def gateway(broker: BrokerProcess) -> Iterator[MqttPeer]:
    with mqtt_peer(broker.mqtt_port, "gateway-1", properties=KEPT) as one:
        one.subscribe("a/+", "$share/g/b")
        yield one


def run(broker: BrokerProcess, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [*MODULE, *words], capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PEEKLOCK_URL": broker.url},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


async def test_the_client(client: Client, gateway: MqttPeer) -> None:
    (view,) = await client.mqtt_sessions("gateway-")
    assert view["client_id"] == "gateway-1"
    assert view["connected"] is True
    assert await client.mqtt_sessions("other") == []
    found = await client.mqtt_session("gateway-1")
    assert found["filters"] == {"a/+": 1, "$share/g/b": 1}
    (group,) = await client.mqtt_groups()
    assert (group["group"], group["sessions"]) == ("$share/g/b", 1)
    await client.end_mqtt_session("gateway-1")
    gateway.expect_closed(0x98)
    with pytest.raises(NotFound, match="gateway-1"):
        await client.mqtt_session("gateway-1")
    assert await client.mqtt_groups() == []


async def test_more_than_a_page(client: Client, broker: BrokerProcess) -> None:
    peers = [mqtt_peer(broker.mqtt_port, f"many-{number:03}") for number in range(101)]
    found = await client.mqtt_sessions("many-")
    assert [view["client_id"] for view in found] == [f"many-{one:03}" for one in range(101)]
    for peer in peers:
        peer.socket.close()


def test_the_command(broker: BrokerProcess, gateway: MqttPeer) -> None:
    gateway.put("c", b"makes the built-in topic")
    heads, line = run(broker, "mqtt", "sessions").splitlines()
    assert heads.split()[:4] == ["client", "connected", "since", "expires"]
    words = line.split()
    assert words[:2] == ["gateway-1", "True"]
    assert words[2].startswith("20")
    assert words[2].endswith("Z")
    assert words[3:] == ["-", "2", "0", "0", "0"]
    assert run(broker, "mqtt", "sessions", "--prefix", "x").splitlines()[1:] == []
    shown = json.loads(run(broker, "mqtt", "show", "gateway-1", "--json"))
    assert shown["lifetime_ms"] == 3_600_000
    assert "a/+" in run(broker, "mqtt", "show", "gateway-1")
    group = json.loads(run(broker, "mqtt", "groups", "--json"))
    assert (group["filter"], group["connected"]) == ("b", 1)
    assert "nobody can be asked" in run(broker, "mqtt", "end", "gateway-1", code=2)
    said = run(broker, "mqtt", "end", "gateway-1", "--yes")
    assert said == "ended the session of gateway-1\n"
    assert "gateway-1" in run(broker, "mqtt", "end", "gateway-1", "--yes", code=1)
