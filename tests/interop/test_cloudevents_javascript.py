"""The CloudEvents SDK for JavaScript reads what we write, and we what it writes.

It has HTTP (binary, structured, and batches to read) and MQTT. Of a time it keeps milliseconds.
"""

import json
from typing import Any

import pytest

from peeklock.cloudevents.attribute import boolean, integer
from peeklock.cloudevents.data import json_data, text_data
from peeklock.cloudevents.http_binding import (
    HttpParts,
    http_mode,
    read_http,
    write_http_batch,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.mqtt_binding import (
    MqttParts,
    mqtt_mode,
    read_mqtt,
    write_mqtt_binary,
    write_mqtt_structured,
)
from peeklock.cloudevents.structured import ContentMode
from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer

pytestmark = pytest.mark.interop
if not (NODE_DIR / "node_modules" / "cloudevents").is_dir():
    why = "cloudevents is not installed (cd tests/interop/node && npm ci)"
    pytest.skip(why, allow_module_level=True)

OURS = event(
    json_data(b'{"degrees":21.5,"room":"4"}'), subject="room/4",
    datacontenttype="application/json", time="2018-04-05T17:31:00.123Z",
    level=integer(5), fresh=boolean(True), region="north",
)  # fmt: skip
THEIRS = {
    "specversion": "1.0",
    "id": "A234-1234",
    "source": "/site/berlin",
    "type": "com.example.opened",
    "subject": "room/4",
    "time": "2018-04-05T17:31:00.123Z",
    "datacontenttype": "application/json",
    "level": 5,
    "fresh": True,
    "region": "north",
    "data": {"degrees": 21.5, "room": "4"},
}
AS_TEXTS = THEIRS | {"level": "5", "fresh": "true"}


def texts_of(given: dict[str, Any]) -> list[tuple[str, str]]:
    """What JavaScript makes of numbers and truth values as text."""
    return [(n, v if isinstance(v, str) else json.dumps(v)) for n, v in given.items()]


def read_http_theirs(parts: HttpParts) -> Any:
    return play("events", "readHttp", headers=dict(parts.headers), body=parts.body.decode())


def test_it_reads_our_http() -> None:
    assert read_http_theirs(write_http_binary(OURS)) == AS_TEXTS
    assert read_http_theirs(write_http_structured(OURS)) == THEIRS
    other = event(
        text_data("é"), id="2", datacontenttype="text/plain", time="2018-04-05T17:31:00Z"
    )
    first, second = read_http_theirs(write_http_batch([OURS, other]))
    assert first == THEIRS
    assert (second["id"], second["data"]) == ("2", "é")


@pytest.mark.parametrize(
    ("mode", "found"), [("binary", ContentMode.BINARY), ("structured", ContentMode.STRUCTURED)]
)
def test_we_read_its_http(mode: str, found: ContentMode) -> None:
    written = play("events", "writeHttp", event=THEIRS, mode=mode)
    parts = HttpParts(texts_of(written["headers"]), written["body"].encode())
    assert http_mode(parts) is found
    assert OURS.says_the_same_as(read_http(parts))


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_over_http_through_a_running_broker(mode: str) -> None:
    """What it sends it works on, in either mode."""
    written = play("events", "writeHttp", event=THEIRS, mode=mode)
    with BrokerProcess() as broker:
        peer = HttpPeer(broker)
        for accept, expected in (
            ("*/*", AS_TEXTS),
            ("application/cloudevents+json", AS_TEXTS if mode == "binary" else THEIRS),
        ):
            headers = dict(texts_of(written["headers"]))
            sent = peer.ask_with("POST", "/q/events", written["body"].encode(), headers)
            assert sent.status == 202, sent.body
            got = peer.ask("POST", "/q/events/head?timeout=0", Accept=accept)
            assert got.status == 201
            assert read_http_theirs(HttpParts(got.headers.items(), got.body)) == expected
            assert peer.ask("DELETE", got.place).status == 200


def test_it_reads_our_mqtt() -> None:
    """Its binary mode takes datacontenttype from a user property, as the binding's example has
    it and its rule has not; so it does not see ours, which is in the Content Type."""
    for parts, expected in (
        (write_mqtt_binary(OURS), AS_TEXTS),
        (write_mqtt_structured(OURS), THEIRS),
    ):
        got = play(
            "events",
            "readMqtt",
            contentType=parts.content_type,
            properties=dict(parts.user_properties),
            body=parts.payload.decode(),
        )
        if isinstance(got["data"], str):
            got["data"] = json.loads(got["data"])
        got.setdefault("datacontenttype", "application/json")
        assert got == expected


@pytest.mark.parametrize(
    ("mode", "found"), [("binary", ContentMode.BINARY), ("structured", ContentMode.STRUCTURED)]
)
def test_we_read_its_mqtt(mode: str, found: ContentMode) -> None:
    written = play("events", "writeMqtt", event=THEIRS, mode=mode)
    properties = texts_of(written["properties"])
    parts = MqttParts(written["contentType"], properties, written["payload"].encode())
    assert mqtt_mode(parts) is found
    assert OURS.says_the_same_as(read_mqtt(parts))
