"""What an operator sees of MQTT sessions and groups by AMQP and HTTP, and ending a session."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peeklock.frontends.http.openapi_mqtt import SCHEMAS
from peeklock.protocols.mqtt.connect import Will
from peeklock.protocols.mqtt.properties import WILL_DELAY_INTERVAL, Properties
from peeklock.protocols.mqtt.settings import ConnectionSettings
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_http import KEY, signature
from tests.wire.test_mqtt_publish import CONFIG
from tests.wire.test_mqtt_sessions import connect, is_present

SESSION = "mqtt-session"
MANUAL = ConnectionSettings(receive_maximum=2)


class Desk:
    """Asks the same by both protocols, and that they say the same."""

    def __init__(self, broker: BrokerProcess, operator: AmqpOperator) -> None:
        self.broker = broker
        self.operator = operator
        self.http = HttpPeer(broker)

    def page(self, kind: str, prefix: str, **more: int) -> list[dict[str, Any]]:
        skip, top = more.get("skip", 0), more.get("top", 100)
        asked = {"prefix": prefix, "skip": skip, "top": top}
        found = self.operator.ask("QUERY", "", asked, f"mqtt-{kind}")
        assert isinstance(found, dict)
        by_http = self.http.ask(
            "GET", f"/mqtt/{kind}s?prefix={prefix}&offset={skip}&limit={top}"
        )
        assert by_http.status == 200, by_http.body
        views = json.loads(by_http.body)
        assert views == found["entities"]
        for view in views:
            check(view, f"Mqtt{kind.title()}")
        return views

    def session(self, client_id: str) -> dict[str, Any]:
        view = self.operator.ask("READ", client_id, {}, SESSION)
        by_http = self.http.ask("GET", f"/mqtt/sessions/{client_id}")
        assert json.loads(by_http.body) == view
        check(view, "MqttSession")
        assert isinstance(view, dict)
        return view

    def glance(self, path: str) -> Any:
        """By HTTP alone: what is about to change, both cannot be asked at once."""
        return json.loads(self.http.ask("GET", f"/mqtt/{path}").body)

    def is_there(self, client_id: str) -> bool:
        return self.http.ask("GET", f"/mqtt/sessions/{client_id}").status == 200

    def end(self, client_id: str, way: str) -> None:
        if way == "amqp":
            self.operator.ask("DELETE", client_id, {}, SESSION)
        else:
            answer = self.http.ask("DELETE", f"/mqtt/sessions/{client_id}")
            assert (answer.status, answer.body) == (204, b"")


def check(view: object, schema: str) -> None:
    """As /openapi.json has it."""
    assert isinstance(view, dict)
    described = SCHEMAS[schema]
    assert set(described["required"]) <= set(view) <= set(described["properties"])


@pytest.fixture
def desk(shared: BrokerProcess, operator: AmqpOperator) -> Iterator[Desk]:
    return Desk(shared, operator)


def until(found: Any) -> None:
    """A broker hears a moment later that a socket is closed."""
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestListing:
    def test_one_that_is_here_and_goes(self, desk: Desk, shared: BrokerProcess) -> None:
        before = time.time_ns() // 1_000_000
        with mqtt_peer(shared.mqtt_port, "list/here", v5=False) as one:
            one.subscribe("list/a", "list/b", qos=0)
            view = desk.session("list/here")
            assert before <= view.pop("since") <= time.time_ns() // 1_000_000
            host, _colon, port = view.pop("peer").rpartition(":")
            assert (host, int(port)) == one.socket.getsockname()
            assert view == {
                "client_id": "list/here", "user": "anonymous", "protocol": "3.1.1",
                "connected": True, "expires_at": 0, "kept": False, "lifetime_ms": 0,
                "subscriptions": 2, "filters": {"list/a": 0, "list/b": 0},
                "stored": 0, "stored_bytes": 0, "oldest_enqueued_at": 0,
                "in_flight": 0, "dropped": 0,
            }  # fmt: skip
            (listed,) = desk.page("session", "list/here")
            assert "filters" not in listed
        until(lambda: desk.glance("sessions?prefix=list/here") == [])
        assert not desk.is_there("list/here")

    def test_one_that_is_kept(
        self, desk: Desk, shared: BrokerProcess, client: MqttPeer
    ) -> None:
        with connect(shared, "list/kept", 60, settings=MANUAL) as one:
            one.subscribe("kept/#")
            client.put("kept/a", b"1", b"2", b"3")
            one.take()
            until(lambda: desk.glance("sessions/list/kept")["in_flight"] == 2)
            view = desk.session("list/kept")
            assert (view["stored"], view["kept"], view["lifetime_ms"]) == (3, True, 60_000)
            assert view["stored_bytes"] > 0
            assert view["since"] <= view["oldest_enqueued_at"]
            assert view["protocol"] == "5.0"
        until(lambda: not desk.glance("sessions/list/kept")["connected"])
        view = desk.session("list/kept")
        assert view["expires_at"] == view["since"] + 60_000
        assert (view["peer"], view["protocol"], view["in_flight"]) == ("", "", 0)
        assert (view["stored"], view["filters"]) == (3, {"kept/#": 1})

    def test_what_was_dropped(
        self, desk: Desk, shared: BrokerProcess, client: MqttPeer
    ) -> None:
        small = ConnectionSettings(packet_bytes_max=1000)
        with connect(shared, "list/small", settings=small) as one:
            one.subscribe("small/#")
            client.put("small/a", bytes(2000), b"x")
            assert one.take().payload == b"x"
            assert desk.session("list/small")["dropped"] == 1

    def test_pages_and_their_links(self, desk: Desk, shared: BrokerProcess) -> None:
        peers = [mqtt_peer(shared.mqtt_port, f"page-{number}") for number in (3, 1, 2)]
        names = [view["client_id"] for view in desk.page("session", "page-")]
        assert names == ["page-1", "page-2", "page-3"]
        assert desk.page("session", "PAGE-") == []
        (last,) = desk.page("session", "page-", skip=2, top=2)
        assert last["client_id"] == "page-3"
        path = "/mqtt/sessions?prefix=page-&limit=2"
        seen = []
        while path:
            answer = desk.http.ask("GET", path)
            seen += [view["client_id"] for view in json.loads(answer.body)]
            link = answer.headers.get("link", "")
            path = link.partition(">")[0].partition(f":{shared.http_port}")[2]
        assert seen == names
        for peer in peers:
            peer.socket.close()

    def test_groups(self, desk: Desk, shared: BrokerProcess, client: MqttPeer) -> None:
        group = "$share/workers/shared/+"
        with connect(shared, "group/kept") as kept:
            kept.subscribe(group)
        with mqtt_peer(shared.mqtt_port, "group/here") as one:
            one.subscribe(group)
            until(lambda: desk.glance("groups?prefix=$share/workers")[0]["connected"] == 1)
            client.put("shared/a", b"1")
            taken = one.take()
            (view,) = desk.page("group", "$share/workers")
            assert view.pop("oldest_enqueued_at") > 0
            assert view.pop("stored_bytes") > 0
            assert view == {
                "group": group, "filter": "shared/+", "sessions": 2, "connected": 1,
                "stored": 1, "in_flight": 1, "dropped": 0,
            }  # fmt: skip
            one.acknowledge(taken)
        desk.end("group/kept", "http")
        until(lambda: desk.glance("groups?prefix=$share/workers") == [])


@pytest.mark.parametrize("way", ["amqp", "http"])
class TestEnding:
    @pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
    def test_of_a_client_that_is_here(
        self, desk: Desk, shared: BrokerProcess, way: str, v5: bool
    ) -> None:
        name = f"end/here-{way}-{v5}"
        with connect(shared, name, v5=v5) as one:
            one.subscribe(f"{name}/#")
            desk.end(name, way)
            why = one.expect_closed(0x98 if v5 else None)
            assert not v5 or "operator" in why
        assert not desk.is_there(name)
        with connect(shared, name, v5=v5) as again:
            assert not is_present(again)

    def test_of_one_that_is_away(
        self, desk: Desk, shared: BrokerProcess, client: MqttPeer, way: str
    ) -> None:
        """With what waits for it; and its will, which waited, is published."""
        name = f"end/away-{way}"
        client.subscribe(f"wills/{way}")
        soon = Properties({WILL_DELAY_INTERVAL: 3600})
        will = Will(f"wills/{way}", b"gone", 1, properties=soon)
        with connect(shared, name, will=will) as one:
            one.subscribe(f"{name}/#")
        until(lambda: not desk.glance(f"sessions/{name}")["connected"])
        client.put(f"{name}/a", b"never had")
        desk.end(name, way)
        assert not desk.is_there(name)
        heard = client.take()
        assert heard.payload == b"gone"
        client.acknowledge(heard)
        with connect(shared, name) as again:
            assert not is_present(again)

    def test_of_nobody(self, desk: Desk, way: str) -> None:
        if way == "http":
            answer = desk.http.ask("DELETE", "/mqtt/sessions/nobody")
            assert answer.status == 404
            assert "nobody" in answer.problem["detail"]
        else:
            with pytest.raises(AssertionError, match="nobody"):
                desk.end("nobody", way)


def test_it_stays_ended_through_a_crash(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        with connect(broker, "kept"), connect(broker, "ended"):
            pass
        operator = AmqpOperator(broker.amqp_port)
        Desk(broker, operator).end("ended", "http")
        operator.close()
        broker.kill()
        broker.start()
        operator = AmqpOperator(broker.amqp_port)
        desk = Desk(broker, operator)
        assert [view["client_id"] for view in desk.page("session", "")] == ["kept"]
        assert not desk.session("kept")["connected"]
        operator.close()


def test_an_entity_of_that_name_is_the_administrations(desk: Desk) -> None:
    desk.operator.create("mqtt/sessions")
    answer = desk.http.ask("GET", "/mqtt/sessions?api-version=2021-05")
    assert b"<QueueDescription" in answer.body
    desk.operator.ask("DELETE", "mqtt/sessions", {})


def test_it_takes_the_right_to_manage() -> None:
    """They tell who is here, and from where."""
    with BrokerProcess(config=CONFIG, dev=False) as broker:
        http = HttpPeer(broker)
        worker = {"Authorization": "Basic d29ya2VyOnNlY3JldA=="}  # worker:secret
        for method, path in (
            *(("GET", "/mqtt/sessions"), ("GET", "/mqtt/groups")),
            *(("GET", "/mqtt/sessions/a"), ("DELETE", "/mqtt/sessions/a")),
        ):
            assert http.ask(method, path).status == 401
            answer = http.ask(method, path, **worker)
            assert answer.status == 401
            assert "manage" in answer.problem["detail"]


def test_it_takes_the_right_to_manage_the_broker() -> None:
    """A topic may be called as they are; who has a key to it has none to them."""
    keys = "".join(
        f'[[access_keys]]\nname = "{name}"\nkey = "{KEY}"\n{more}\n'
        for name, more in (("boss", ""), ("one", 'entity = "mqtt"'))
    )
    with BrokerProcess(config=CONFIG + keys, dev=False) as broker:
        for name, status in (("boss", 200), ("one", 401)):
            allowed = signature(f"http://localhost:{broker.http_port}/", name)
            for path in ("/mqtt/sessions", "/mqtt/groups"):
                answer = HttpPeer(broker).ask("GET", path, Authorization=allowed)
                assert answer.status == status, answer.body
