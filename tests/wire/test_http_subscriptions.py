"""CloudEvents' Subscriptions API: made over HTTP, filtered, pushed, and there after a crash."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.http_binding import write_http_structured
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import Answer, HttpPeer
from tests.support.webhook_receiver import WebhookReceiver, answer
from tests.wire.test_http import signature

SINK = "https://erp.example/events"
PAUSED = {"push_status": "paused"}


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture
def topic(operator: AmqpOperator, queue: str) -> str:
    operator.ask("CREATE", queue, {}, "topic")
    return queue


def ask(http: HttpPeer, method: str, path: str, document: object = None) -> Answer:
    body = None if document is None else json.dumps(document)
    return http.ask(method, path, body, Content_Type="application/json")


def wanted(topic: str, sink: str = SINK, **members: Any) -> dict[str, Any]:
    config = {"topic": topic} | members.pop("config", {})
    return {"protocol": "HTTP", "sink": sink, "config": config} | members


def made(http: HttpPeer, document: dict[str, Any]) -> dict[str, Any]:
    answered = ask(http, "POST", "/subscriptions", document)
    assert answered.status == 201, answered.body
    found: dict[str, Any] = json.loads(answered.body)
    assert answered.headers["Location"] == f"/subscriptions/{found['id']}"
    return found


def send(http: HttpPeer, topic: str, **attributes: str) -> None:
    data = json_data(b"1")
    parts = write_http_structured(event(data, datacontenttype="application/json", **attributes))
    answered = http.ask_with("POST", f"/{topic}/events", parts.body, dict(parts.headers))
    assert answered.status == 202, answered.body


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        ({}, "1234"),
        ({"filters": [{"exact": {"type": "a.opened"}}]}, "1"),
        ({"filters": [{"prefix": {"type": "a."}}]}, "12"),
        ({"filters": [{"suffix": {"type": ".opened"}}]}, "13"),
        ({"filters": [{"prefix": {"type": "a."}}, {"exact": {"source": "/x"}}]}, "1"),
        (
            {"filters": [{"all": [{"prefix": {"type": "a."}}, {"exact": {"source": "/y"}}]}]},
            "2",
        ),
        ({"filters": [{"any": [{"exact": {"type": "a.opened"}}, {"sql": "id = '4'"}]}]}, "14"),
        ({"filters": [{"not": {"suffix": {"type": ".opened"}}}]}, "24"),
        ({"filters": [{"sql": "type LIKE '%.closed' AND source = '/y'"}]}, "24"),
        ({"types": ["a.opened", "b.closed"]}, "14"),
        ({"source": "/x"}, "13"),
        ({"source": "/y", "types": ["a.closed"], "filters": [{"sql": "TRUE"}]}, "2"),
    ],
)
def test_what_its_filters_take_is_pushed(
    http: HttpPeer, topic: str, members: dict[str, Any], taken: str
) -> None:
    with WebhookReceiver() as receiver:
        asked = wanted(topic, receiver.url, **members)
        told = made(http, asked)
        assert {name: told[name] for name in members} == members
        send(http, topic, id="1", type="a.opened", source="/x")
        send(http, topic, id="2", type="a.closed", source="/y")
        send(http, topic, id="3", type="b.opened", source="/x")
        send(http, topic, id="4", type="b.closed", source="/y")
        posted = receiver.wait_for_posts(len(taken))
        assert "".join(one.headers["ce-id"] for one in posted) == taken


def test_only_events_are_pushed(http: HttpPeer, topic: str) -> None:
    with WebhookReceiver() as receiver:
        made(http, wanted(topic, receiver.url))
        http.send(topic, b"a plain message")
        send(http, topic, id="an event")
        (posted,) = receiver.wait_for_posts(1)
        assert posted.headers["ce-id"] == "an%20event"


def test_the_life_of_one(http: HttpPeer, topic: str) -> None:
    config = PAUSED | {"name": "erp", "max_delivery_count": 3}
    secret = {"credentialtype": "ACCESSTOKEN", "accesstoken": "s3cret"}
    told = made(http, wanted(topic, types=["a"], config=config, sinkcredential=secret))
    place = f"/subscriptions/{topic}/erp"
    assert told["id"] == f"{topic}/erp"
    assert told["sinkcredential"] == {"credentialtype": "ACCESSTOKEN"}
    assert json.loads(ask(http, "GET", place).body) == told
    listed = ask(http, "GET", f"/subscriptions?topic={topic}")
    assert json.loads(listed.body) == [told]
    assert told in json.loads(ask(http, "GET", "/subscriptions").body)

    assert ask(http, "POST", "/subscriptions", wanted(topic, config=config)).status == 409
    changed = told | {"types": ["b"], "config": told["config"] | {"max_delivery_count": 4}}
    del changed["sinkcredential"]
    answered = ask(http, "PUT", place, changed)
    assert answered.status == 200, answered.body
    told = json.loads(answered.body)
    assert (told["types"], told["config"]["max_delivery_count"]) == (["b"], 4)
    assert "sinkcredential" in told, "it was not told, so it cannot be said again"

    gone = ask(http, "DELETE", place)
    assert (gone.status, json.loads(gone.body)) == (200, told)
    for method in ("GET", "DELETE"):
        assert ask(http, method, place).problem["status"] == 404
    assert b"s3cret" not in answered.body + listed.body + gone.body


def test_a_name_is_chosen_where_none_is_given(http: HttpPeer, topic: str) -> None:
    one = made(http, wanted(topic, config=PAUSED))
    two = made(http, wanted(topic, config=PAUSED, id="ignored"))
    assert one["id"] != two["id"]
    assert json.loads(ask(http, "GET", f"/subscriptions/{two['id']}").body) == two


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "other/erp"}, "those it was made with"),
        ({"config": {"topic": "other"}}, "those it was made with"),
        ({"config": {"name": "other"}}, "those it was made with"),
        ({"config": {"rules": ["other"]}}, "config.rules are those it has"),
        ({"filters": [{"exakt": {"type": "a"}}]}, "exakt"),
        ({"sink": "ftp://erp.example/"}, "push_to begins with"),
        ({"config": {"interval": 5}}, "no setting 'interval'"),
    ],
)
def test_a_change_that_is_wrong_changes_nothing(
    http: HttpPeer, topic: str, change: dict[str, Any], why: str
) -> None:
    told = made(http, wanted(topic, types=["a"], config=PAUSED | {"name": "erp"}))
    asked = wanted(topic) | change
    refused = ask(http, "PUT", f"/subscriptions/{told['id']}", asked)
    assert refused.status == 400
    assert why in refused.problem["detail"]
    assert json.loads(ask(http, "GET", f"/subscriptions/{told['id']}").body) == told


def test_what_does_not_push_is_not_there(
    http: HttpPeer, operator: AmqpOperator, topic: str
) -> None:
    operator.ask("CREATE", f"{topic}/Subscriptions/pulled", {})
    rules = [{"name": "large", "sql": "amount > 5"}]
    operator.ask(
        "CREATE", f"{topic}/Subscriptions/ruled", {"rules": rules, "push_to": SINK, **PAUSED}
    )
    (ruled,) = json.loads(ask(http, "GET", f"/subscriptions?topic={topic}").body)
    assert ruled["config"]["rules"] == ["large"]
    assert ask(http, "GET", f"/subscriptions/{topic}/pulled").status == 404
    assert ask(http, "PUT", f"/subscriptions/{ruled['id']}", ruled).status == 200
    assert (
        ask(http, "GET", f"/subscriptions/{ruled['id']}").body
        == json.dumps(ruled).replace(": ", ":").replace(", ", ",").encode()
    )


def test_what_can_be_asked(http: HttpPeer, topic: str) -> None:
    assert ask(http, "OPTIONS", "/subscriptions").headers["Allow"] == "GET, POST, OPTIONS"
    told = ask(http, "OPTIONS", f"/subscriptions/{topic}/x").headers["Allow"]
    assert told == "GET, PUT, DELETE, OPTIONS"


def test_one_is_there_after_a_crash(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as process, WebhookReceiver(answer(204)) as receiver:
        operator = AmqpOperator(process.amqp_port)
        operator.ask("CREATE", "building", {}, "topic")
        operator.close()
        told = made(HttpPeer(process), wanted("building", receiver.url, types=["a"]))
        process.kill()
        process.restart()
        http = HttpPeer(process)
        assert json.loads(ask(http, "GET", f"/subscriptions/{told['id']}").body) == told
        send(http, "building", id="1", type="a")
        receiver.wait_for_posts(1)


class TestWhoMay:
    @pytest.fixture
    def guarded(self, tmp_path: Path) -> Iterator[BrokerProcess]:
        config = tmp_path / "peeklock.toml"
        config.write_text(
            '[[topics]]\nname = "building"\n'
            '[[access_keys]]\nname = "looker"\nkey = "0123456789abcdef"\nrights = ["listen"]\n'
            '[[access_keys]]\nname = "owner"\nkey = "fedcba9876543210"\n'
            'entity = "building"\n'
        )
        with BrokerProcess(
            "--config", str(config), data_dir=tmp_path / "data", dev=False
        ) as process:
            yield process

    def ask(
        self, process: BrokerProcess, method: str, path: str, who: str, body: object
    ) -> int:
        headers = {"Authorization": who} if who else {}
        return HttpPeer(process).ask_with(method, path, json.dumps(body), headers).status

    def test_rights(self, guarded: BrokerProcess) -> None:
        looker = signature("https://localhost/", "looker", key="0123456789abcdef")
        owner = signature("https://localhost/building", "owner", key="fedcba9876543210")
        asked = wanted("building", config=PAUSED | {"name": "erp"})
        place = "/subscriptions/building/erp"
        for who in ("", looker):
            assert self.ask(guarded, "POST", "/subscriptions", who, asked) == 401
        assert self.ask(guarded, "POST", "/subscriptions", owner, asked) == 201
        assert self.ask(guarded, "GET", place, "", None) == 401
        assert self.ask(guarded, "GET", place, looker, None) == 200
        for method in ("PUT", "DELETE"):
            assert self.ask(guarded, method, place, looker, asked) == 401
        assert self.ask(guarded, "PUT", place, owner, asked) == 200
        assert self.ask(guarded, "GET", "/subscriptions", looker, None) == 200
        assert self.ask(guarded, "DELETE", place, owner, None) == 200
