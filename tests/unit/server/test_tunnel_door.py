"""Which pages may open a WebSocket, and what is spoken in it."""

from typing import cast

import pytest

from peeklock.server.connection import SocketConnection
from peeklock.server.tunnel_door import AMQP, MQTT, NoEntry, TunnelDoor


def door(*origins: str, local_pages: bool = False) -> TunnelDoor:
    def make() -> SocketConnection:
        return cast(SocketConnection, None)

    return TunnelDoor({AMQP: make, MQTT: make}, origins, local_pages, bool, lambda: False)


def enters(one: TunnelDoor, origin: str | None, host: str = "broker.example:8180") -> bool:
    try:
        one.open("/ws", ["mqtt"], host, origin)
    except NoEntry as refused:
        return refused.status != 403
    return True


@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        (None, "broker.example:8180", True),  # no browser
        ("http://broker.example:8180", "broker.example:8180", True),
        ("https://Broker.Example:8180", "broker.example:8180", True),
        ("https://broker.example", "broker.example", True),
        ("http://broker.example:3000", "broker.example:8180", False),
        ("https://broker.example", "broker.example:8180", False),
        ("https://broker.example", "broker.example:443", True),
        ("https://evil.example", "broker.example:8180", False),
        ("https://broker.example.evil.example:8180", "broker.example:8180", False),
        ("http://[::1]:8180", "[::1]:8180", True),
        ("null", "broker.example:8180", False),
        ("", "broker.example:8180", False),
        ("http://[::1", "broker.example:8180", False),
        ("http://broker.example:99999", "broker.example:8180", False),
        ("file://", "broker.example:8180", False),
    ],
)
def test_origins(origin: str | None, host: str, answer: bool) -> None:
    assert enters(door(), origin, host) is answer


def test_origins_that_are_named() -> None:
    one = door("https://console.example", "http://localhost:3000")
    assert enters(one, "https://console.example")
    assert enters(one, "HTTPS://console.example")
    assert enters(one, "http://localhost:3000")
    assert not enters(one, "http://console.example")
    assert not enters(one, "http://localhost:3001")
    assert enters(door("*"), "https://anybody.example")
    assert enters(door(local_pages=True), "http://localhost:3001")
    assert enters(door(local_pages=True), "http://127.0.0.1:3001")
    assert not enters(door(local_pages=True), "https://evil.example")


def test_names_of_protocols() -> None:
    assert door().open("/ws", ["x", "AMQPWSB10", "mqtt"], "a", None)[0] == "AMQPWSB10"
    for offered in ([], ["MQTT"], ["mqttv3.1"], ["amqp10"]):
        with pytest.raises(NoEntry, match="there are AMQPWSB10, amqp, mqtt"):
            door().open("/ws", offered, "a", None)
    with pytest.raises(NoEntry, match="WebSockets are at"):
        door().open("/wss", ["mqtt"], "a", None)
