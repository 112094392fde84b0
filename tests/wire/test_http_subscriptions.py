"""CloudEvents' Subscriptions API: made over HTTP, filtered, pushed, and there after a crash."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.http_binding import write_http_structured
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import PATIENCE_SECONDS, Answer, HttpPeer
from tests.support.webhook_receiver import WebhookReceiver, answer
from tests.wire.test_http import signature

SINK = "https://erp.example/events"
PAUSED = {"push_status": "paused"}
TOLD = {"credentialtype": "ACCESSTOKEN"}
TOKEN = TOLD | {"accesstoken": "s3cret"}


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
    found = told_in(answered)
    assert answered.headers["Location"] == f"/subscriptions/{found['id']}"
    return found


def told_in(answered: Answer) -> dict[str, Any]:
    """Without how it goes, which changes by itself."""
    found: dict[str, Any] = json.loads(answered.body)
    assert found.pop("status")["state"]
    return found


def status_when(http: HttpPeer, id_: str, **wanted: object) -> dict[str, Any]:
    """How it goes, once it goes so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found: dict[str, Any] = json.loads(ask(http, "GET", f"/subscriptions/{id_}").body)
        status: dict[str, Any] = found["status"]
        if status | wanted == status:
            return status
        assert time.monotonic() < until, status
        time.sleep(0.02)


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
    assert told_in(ask(http, "GET", place)) == told
    listed = ask(http, "GET", f"/subscriptions?topic={topic}")
    assert [one["id"] for one in json.loads(listed.body)] == [told["id"]]
    assert told["id"] in [
        one["id"] for one in json.loads(ask(http, "GET", "/subscriptions").body)
    ]

    assert ask(http, "POST", "/subscriptions", wanted(topic, config=config)).status == 409
    changed = told | {"types": ["b"], "config": told["config"] | {"max_delivery_count": 4}}
    answered = ask(http, "PUT", place, changed)
    assert answered.status == 200, answered.body
    told = told_in(answered)
    assert (told["types"], told["config"]["max_delivery_count"]) == (["b"], 4)
    assert told["sinkcredential"] == {"credentialtype": "ACCESSTOKEN"}

    gone = ask(http, "DELETE", place)
    assert (gone.status, told_in(gone)) == (200, told)
    for method in ("GET", "DELETE"):
        assert ask(http, method, place).problem["status"] == 404
    assert b"s3cret" not in answered.body + listed.body + gone.body


def test_a_name_is_chosen_where_none_is_given(http: HttpPeer, topic: str) -> None:
    one = made(http, wanted(topic, config=PAUSED))
    two = made(http, wanted(topic, config=PAUSED, id="ignored"))
    assert one["id"] != two["id"]
    assert told_in(ask(http, "GET", f"/subscriptions/{two['id']}")) == two


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
    assert told_in(ask(http, "GET", f"/subscriptions/{told['id']}")) == told


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
    assert json.loads(ask(http, "GET", f"/subscriptions/{ruled['id']}").body) == ruled


def test_what_can_be_asked(http: HttpPeer, topic: str) -> None:
    assert ask(http, "OPTIONS", "/subscriptions").headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    told = ask(http, "OPTIONS", f"/subscriptions/{topic}/x").headers["Allow"]
    assert told == "GET, HEAD, PUT, DELETE, OPTIONS"
    made(http, wanted(topic, config=PAUSED | {"name": "x"}))
    for path in ("/subscriptions", f"/subscriptions/{topic}/x"):
        looked = ask(http, "HEAD", path)
        assert (looked.status, looked.body) == (200, b"")


def test_one_is_there_after_a_crash(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as process, WebhookReceiver(answer(204)) as receiver:
        operator = AmqpOperator(process.amqp_port)
        operator.ask("CREATE", "building", {}, "topic")
        operator.close()
        told = made(HttpPeer(process), wanted("building", receiver.url, types=["a"]))
        process.kill()
        process.restart()
        http = HttpPeer(process)
        assert told_in(ask(http, "GET", f"/subscriptions/{told['id']}")) == told
        send(http, "building", id="1", type="a")
        receiver.wait_for_posts(1)


def test_headers_of_its_own_are_sent(http: HttpPeer, topic: str) -> None:
    with WebhookReceiver() as receiver:
        headers = {"X-Tenant": "seven", "Cookie": "a=b"}
        told = made(http, wanted(topic, receiver.url, protocolsettings={"headers": headers}))
        assert told["protocolsettings"] == {"method": "POST", "headers": headers}
        send(http, topic, id="1")
        (posted,) = receiver.wait_for_posts(1)
        assert (posted.headers["x-tenant"], posted.headers["cookie"]) == ("seven", "a=b")
        assert "x-tenant" not in receiver.asked[0].headers, "it has given no leave yet"
        ask(http, "PUT", f"/subscriptions/{told['id']}", wanted(topic, receiver.url))
        send(http, topic, id="2")
        assert "x-tenant" not in receiver.wait_for_posts(2)[1].headers


def test_a_token_that_has_lapsed_is_not_sent_and_the_next_one_is(
    http: HttpPeer, topic: str
) -> None:
    lapsed = {"accesstokenexpiresutc": "2020-01-01T00:00:00Z"}
    with WebhookReceiver() as receiver:
        asked = wanted(topic, receiver.url, sinkcredential=TOKEN | lapsed)
        told = made(http, asked)
        assert told["sinkcredential"] == {"credentialtype": "ACCESSTOKEN"} | lapsed
        send(http, topic, id="1")
        status = status_when(http, told["id"], state="not authorized", messages=1)
        assert "another push_authorization is wanted" in status["error"]
        assert status["errorat"].startswith("20")
        place = f"/subscriptions/{told['id']}"
        same = told | {"sinkcredential": told["sinkcredential"]}
        assert ask(http, "PUT", place, same).status == 200
        assert status_when(http, told["id"], state="not authorized")["messages"] == 1
        longer = lapsed | {"accesstokenexpiresutc": "2021-01-01T00:00:00Z"}
        still = ask(http, "PUT", place, told | {"sinkcredential": TOLD | longer})
        assert told_in(still)["sinkcredential"] == TOLD | longer
        later = TOKEN | {"accesstoken": "new", "accesstokenexpiresutc": "2999-01-01T00:00:00Z"}
        assert ask(http, "PUT", place, asked | {"sinkcredential": later}).status == 200
        (posted,) = receiver.wait_for_posts(1)
        assert posted.headers["authorization"] == "Bearer new"
        status_when(http, told["id"], state="pushes", messages=0, delivered=1)


def test_a_token_lapses_while_nothing_is_sent(http: HttpPeer, topic: str) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    with WebhookReceiver() as receiver:
        until = {"accesstokenexpiresutc": soon.isoformat().replace("+00:00", "Z")}
        told = made(http, wanted(topic, receiver.url, sinkcredential=TOKEN | until))
        status_when(http, told["id"], state="not authorized")
        send(http, topic, id="1")
        assert status_when(http, told["id"], messages=1)["state"] == "not authorized"


def test_how_it_goes_is_told(http: HttpPeer, topic: str) -> None:
    with WebhookReceiver(answer(500), answer(204)) as receiver:
        told = made(http, wanted(topic, receiver.url))
        status_when(http, told["id"], state="pushes")
        send(http, topic, id="1")
        failed = status_when(http, told["id"], state="waits")
        assert "500" in failed["error"]
        well = status_when(http, told["id"], state="pushes", delivered=1)
        assert "error" not in well
    paused = made(http, wanted(topic, config=PAUSED))
    status_when(http, paused["id"], state="paused", messages=0)
    disabled = made(http, wanted(topic, config={"status": "disabled"}))
    status_when(http, disabled["id"], state="disabled")


@pytest.mark.parametrize(
    ("before", "given"),
    [(None, TOLD), (TOKEN, TOLD | {"sink": "elsewhere"}), (None, {"sink": SINK} | TOLD)],
)
def test_a_credential_without_its_secret_is_none(
    http: HttpPeer, topic: str, before: object, given: dict[str, str]
) -> None:
    sink = "https://elsewhere.example/" if given.pop("sink", "") == "elsewhere" else SINK
    assert (
        ask(http, "POST", "/subscriptions", wanted(topic, sinkcredential=given)).status == 400
    )
    told = made(http, wanted(topic, config=PAUSED, sinkcredential=before))
    refused = ask(
        *(http, "PUT", f"/subscriptions/{told['id']}"),
        wanted(topic, sink, sinkcredential=given),
    )
    assert refused.status == 400
    assert "has no secret" in refused.problem["detail"]


class TestByAmqp:
    def test_events_go_to_a_queue_of_ours(
        self, http: HttpPeer, operator: AmqpOperator, topic: str
    ) -> None:
        jobs = f"{topic}-jobs"
        operator.create(jobs)
        told = made(http, wanted(topic, f"amqp:///{jobs}", protocol="AMQP", types=["a"]))
        assert (told["protocol"], told["sink"]) == ("AMQP", f"amqp:///{jobs}")
        place = f"/subscriptions/{told['id']}"
        assert told_in(ask(http, "GET", place)) == told
        assert told_in(ask(http, "PUT", place, told)) == told
        send(http, topic, id="1", type="a")
        send(http, topic, id="2", type="b")
        http.send(topic, b"no event")
        taken = http.ask("DELETE", f"/{jobs}/events/head?timeout=20")
        assert taken.headers["ce-id"] == "1"
        assert http.take(jobs).status == 204
        assert status_when(http, told["id"], state="forwards") == {
            "state": "forwards",
            "messages": 0,
        }
        operator.ask("DELETE", jobs, {})
        assert jobs in status_when(http, told["id"])["error"]

    def test_by_the_name_that_the_broker_was_asked_by(
        self, http: HttpPeer, operator: AmqpOperator, topic: str
    ) -> None:
        operator.create(f"{topic}-jobs")
        asked = wanted(topic, f"amqp://127.0.0.1:5672/{topic}-jobs", protocol="AMQP")
        assert made(http, asked)["sink"] == f"amqp:///{topic}-jobs"

    def test_what_was_pushed_may_be_forwarded_from_then_on(
        self, http: HttpPeer, operator: AmqpOperator, topic: str
    ) -> None:
        operator.create(f"{topic}-jobs")
        told = made(http, wanted(topic, config=PAUSED, sinkcredential=TOKEN))
        send(http, topic, id="1", type="a")
        place = f"/subscriptions/{told['id']}"
        asked = wanted(topic, f"/{topic}-jobs", protocol="AMQP")
        assert ask(http, "PUT", place, asked).status == 200
        assert http.take(f"{topic}-jobs", timeout=20).status == 200
        back = ask(http, "PUT", place, wanted(topic, config=PAUSED))
        assert (back.status, told_in(back)["protocol"]) == (200, "HTTP")
        assert "sinkcredential" not in told_in(back), "it went with the sink"

    @pytest.mark.parametrize(
        ("sink", "why"),
        [
            ("amqp:///nowhere", "no queue or topic is there"),
            ("amqp://elsewhere.example/orders", "queue or topic of this broker"),
            ("mqtt://127.0.0.1/a", "queue or topic of this broker"),
        ],
    )
    def test_what_is_elsewhere_is_refused(
        self, http: HttpPeer, topic: str, sink: str, why: str
    ) -> None:
        refused = ask(http, "POST", "/subscriptions", wanted(topic, sink, protocol="AMQP"))
        assert refused.status == 400
        assert why in refused.problem["detail"]

    def test_a_loop_is_refused(self, http: HttpPeer, topic: str) -> None:
        asked = wanted(topic, f"amqp:///{topic}", protocol="AMQP")
        refused = ask(http, "POST", "/subscriptions", asked)
        assert refused.status == 400
        assert "would make a loop" in refused.problem["detail"]


class TestWhoMay:
    @pytest.fixture
    def guarded(self) -> Iterator[BrokerProcess]:
        config = (
            '[[topics]]\nname = "building"\n[[queues]]\nname = "jobs"\n'
            '[[access_keys]]\nname = "looker"\nkey = "0123456789abcdef"\nrights = ["listen"]\n'
            '[[access_keys]]\nname = "owner"\nkey = "fedcba9876543210"\n'
            'entity = "building"\n'
            '[[access_keys]]\nname = "root"\nkey = "00112233445566778899"\n'
        )
        with BrokerProcess(config=config, dev=False) as process:
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
        elsewhere = wanted("building", "amqp:///jobs", protocol="AMQP")
        assert self.ask(guarded, "PUT", place, owner, elsewhere) == 401, (
            "no right to send there"
        )
        # What looks like the scheme of an address is left out of it.
        hidden = wanted("building", "amqp:///building/Subscriptions/erp/:%2F%2Fx/jobs")
        assert self.ask(guarded, "PUT", place, owner, hidden | {"protocol": "AMQP"}) == 401
        derived = "/building/derivations/fire"
        for name in ("jobs", "building/Derivations/fire/://x/jobs"):
            assert self.ask(guarded, "PUT", derived, owner, {"to": name}) == 401
        assert self.ask(guarded, "GET", "/subscriptions", looker, None) == 200
        assert self.ask(guarded, "DELETE", place, owner, None) == 200

    def test_a_token_for_all_is_one_for_where_it_goes_too(self, guarded: BrokerProcess) -> None:
        root = signature("https://localhost/", "root", key="00112233445566778899")
        forwards = wanted("building", "amqp:///jobs", protocol="AMQP")
        assert self.ask(guarded, "POST", "/subscriptions", root, forwards) == 201
        derived = "/building/derivations/fire"
        assert self.ask(guarded, "PUT", derived, root, {"to": "jobs"}) == 201
