"""The endpoint registry: what is there, for whom, page by page; and that it is true."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peeklock.protocols.mqtt.publish import Publish
from peeklock.security.passwords import hash_password
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer, HttpPeer
from tests.support.mqtt_peer import mqtt_peer

SCHEMA = '{"type":  "object"}'
CONFIGURATION = f"""
[[topics]]
name = "site/readings"
event_schema = '{SCHEMA}'

[[queues]]
name = "orders"

[[queues]]
name = "shop/returns"

[[topics]]
name = "tickets"

[[topics.subscriptions]]
name = "erp"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "peeklock.toml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture(scope="module")
def broker(file: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess("--config", str(file)) as process:
        yield process


@pytest.fixture
def http(broker: BrokerProcess) -> HttpPeer:
    return HttpPeer(broker)


def read(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def test_the_root_leads_to_all_endpoints(broker: BrokerProcess, http: HttpPeer) -> None:
    root = read(http.ask("GET", "/"))
    base = f"http://127.0.0.1:{broker.http_port}"
    assert (root["specversion"], root["registryid"], root["xid"]) == (
        "1.0-rc4",
        "peeklock",
        "/",
    )
    assert root["self"] == f"{base}/"
    assert root["endpointsurl"] == f"{base}/endpoints"
    found = read(http.ask("GET", "/endpoints"))
    assert len(found) == root["endpointscount"]
    assert {one["channel"] for one in found.values()} == {
        *("orders", "shop/returns", "site/readings", "tickets", "tickets/Subscriptions/erp"),
    }
    for name, one in found.items():
        assert one["endpointid"] == name
        assert one["self"] == base + one["xid"] == f"{base}/endpoints/{name}"
        assert read(http.ask("GET", one["xid"])) == one
        assert read(http.ask("GET", f"{one['xid']}/messages")) == {}
        assert one["usage"] in (["producer"], ["consumer"], ["subscriber", "consumer"])
        if one["protocol"] == "HTTP":
            assert len(one["usage"]) == 1
    assert read(http.ask("GET", "/endpoints/ORDERS.amqp-1.0.PRODUCER"))["name"] == "orders"


def test_what_it_says_is_true(broker: BrokerProcess, http: HttpPeer) -> None:
    """A job goes in and out by nothing but what the endpoints of a queue say."""
    found = read(http.ask("GET", "/endpoints"))

    def way(protocol: str, usage: str) -> dict[str, Any]:
        name = f"shop~2freturns.{protocol}.{usage}"
        return found[name]["protocoloptions"]  # type: ignore[no-any-return]

    def port(options: dict[str, Any]) -> int:
        return int(options["endpoints"][0]["uri"].rpartition(":")[2])

    http_in, http_out = way("http", "producer"), way("http", "consumer")
    amqp_in, mqtt_out = way("amqp-1.0", "producer"), way("mqtt-5.0", "consumer")
    with ready_peer(port(amqp_in)) as peer:
        peer.attach_sender(amqp_in["node"])
        peer.put(b"by amqp")
    with mqtt_peer(port(mqtt_out)) as client:
        client.subscribe(mqtt_out["topicfilter"], qos=0)
        assert client.expect(Publish).payload == b"by amqp"
    base = f"http://127.0.0.1:{broker.http_port}"
    path = http_in["endpoints"][0]["uri"].removeprefix(base)
    event = {"ce_id": "1", "ce_source": "/a", "ce_type": "t", "ce_specversion": "1.0"}
    assert http.ask(http_in["method"], path, b"x", **event).status == 202
    path = http_out["endpoints"][0]["uri"].removeprefix(base)
    assert http.ask(http_out["method"], path + "?timeout=1").headers["ce-id"] == "1"


def test_websockets_are_named_beside_sockets(broker: BrokerProcess, http: HttpPeer) -> None:
    uris = {
        "amqp-1.0": ["amqp", broker.amqp_port, "ws", broker.http_port, "/amqp"],
        "mqtt-5.0": ["mqtt", broker.mqtt_port, "ws", broker.http_port, "/mqtt"],
    }
    for protocol, (scheme, port, web, web_port, path) in uris.items():
        one = read(http.ask("GET", f"/endpoints/orders.{protocol}.producer"))
        assert one["protocoloptions"]["endpoints"] == [
            {"uri": f"{scheme}://127.0.0.1:{port}"},
            {"uri": f"{web}://127.0.0.1:{web_port}{path}"},
        ]


def test_pages(http: HttpPeer) -> None:
    whole = read(http.ask("GET", "/endpoints"))
    seen: dict[str, Any] = {}
    path = "/endpoints?limit=7"
    pages = 0
    while True:
        answer = http.ask("GET", path)
        seen |= read(answer)
        pages += 1
        link = answer.headers["link"]
        if link is None:
            break
        address, _semicolon, relation = link.partition("; ")
        assert relation == 'rel="next"'
        path = "/" + address.strip("<>").split("/", 3)[3]
    assert seen == whole
    assert pages == -(-len(whole) // 7)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "limit=%C2%B2"]
)
def test_pages_that_are_none(http: HttpPeer, query: str) -> None:
    answer = http.ask("GET", f"/endpoints?{query}")
    assert answer.status == 400
    assert answer.problem["condition"] == "amqp:invalid-field"


def test_there_is_no_other(http: HttpPeer) -> None:
    for path in ("/endpoints/no", "/endpoints/no/messages"):
        assert http.ask("GET", path).problem["status"] == 404


def test_what_it_is_able_to_do(http: HttpPeer) -> None:
    assert read(http.ask("GET", "/capabilities"))["mutable"] == []
    assert set(read(http.ask("GET", "/model"))["groups"]) == {"endpoints", "schemagroups"}


def test_schemas_of_topics(http: HttpPeer) -> None:
    groups = read(http.ask("GET", "/schemagroups"))
    assert list(groups) == ["topics"]
    assert groups["topics"]["schemascount"] == 1
    assert read(http.ask("GET", "/schemagroups/topics")) == groups["topics"]
    found = read(http.ask("GET", "/schemagroups/topics/schemas"))
    (one,) = found.values()
    assert (one["schemaid"], one["format"]) == ("site~2freadings", "JsonSchema/2020-12")
    assert one["isdefault"] is True
    assert read(http.ask("GET", f"{one['xid']}$details")) == one
    answer = http.ask("GET", one["xid"])
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.body == SCHEMA.encode()
    assert http.ask("GET", "/schemagroups/topics/schemas/tickets").status == 404
    assert http.ask("GET", "/schemagroups/other/schemas").status != 200


def test_service_bus_clients_keep_their_paths(http: HttpPeer) -> None:
    """An entity may be called as the registry is; they always say an api-version."""
    for path in ("/endpoints", "/model", "/"):
        answer = http.ask("GET", f"{path}?api-version=2021-05")
        assert b"endpointsurl" not in answer.body
        assert "json" not in (answer.headers["content-type"] or "xml")


def test_nobody_is_told_of_what_he_may_not_use() -> None:
    hashed = hash_password("secret")
    config = CONFIGURATION + "".join(
        f'[[users]]\nname = "{right}"\nrights = ["{right}"]\npassword_hash = "{hashed}"\n'
        for right in ("send", "listen")
    )
    with BrokerProcess(config=config, dev=False) as broker:
        http = HttpPeer(broker)
        assert http.ask("GET", "/endpoints").status == 401
        for right, usages in (
            ("send", {"producer"}),
            ("listen", {"consumer", "subscriber"}),
        ):
            header = "Basic " + b64encode(f"{right}:secret".encode()).decode()
            found = read(http.ask("GET", "/endpoints", Authorization=header))
            assert {usage for one in found.values() for usage in one["usage"]} == usages
            root = read(http.ask("GET", "/", Authorization=header))
            assert root["endpointscount"] == len(found)
