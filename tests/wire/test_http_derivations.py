"""Derivations over HTTP: made, changed, looked at and deleted, as JSON."""

import json

import pytest

from peeklock.limits import HTTP_BODY_BYTES_MAX
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer
from tests.wire.test_http_described import Reader

MANY, ONE = "/{entity}/derivations", "/{entity}/derivations/{name}"
FIRE = {
    "to": "",  # the test's queue
    "path": "building/{building}/#",
    "sql": "[data.alert] = TRUE",
    "body": {"building": "${path.building}"},
}


class Desk(Reader):
    """Asks about the derivations of one topic, whose name has a slash."""

    def __init__(self, process: BrokerProcess, queue: str) -> None:
        super().__init__(process)
        self.topic = f"site/{queue}"
        self.queue = queue

    def many(self) -> list[dict[str, object]]:
        answer = self.ask_as(MANY, "GET", f"/{self.topic}/derivations")
        assert answer.status == 200
        found = json.loads(answer.body)
        assert isinstance(found, list)
        return found

    def one(self, method: str, name: str = "fire", given: object = None) -> Answer:
        body = None if given is None else json.dumps(given)
        return self.ask_as(ONE, method, f"/{self.topic}/derivations/{name}", body)


@pytest.fixture
def desk(shared: BrokerProcess, operator: AmqpOperator, queue: str) -> Desk:
    found = Desk(shared, queue)
    operator.create(queue)
    operator.create_topic(found.topic)
    return found


def test_the_life_of_one(desk: Desk) -> None:
    assert desk.many() == []
    made = desk.one("PUT", given=FIRE | {"to": desk.queue})
    assert made.status == 201
    view = json.loads(made.body)
    assert (view["name"], view["topic"], view["keys"]) == ("fire", desk.topic, 0)
    assert desk.one("PUT", given=FIRE | {"to": desk.queue}).status == 409
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"alert": 1}}
    for alert in (False, True):
        event |= {"id": str(alert), "subject": "building/41", "data": {"alert": alert}}
        kind = "application/cloudevents+json"
        path = f"/{desk.topic}/events"
        assert desk.ask("POST", path, json.dumps(event), Content_Type=kind).status == 202
    job = desk.ask("DELETE", f"/{desk.queue}/messages/head?timeout=0")
    assert json.loads(job.body) == {"building": "41"}
    changed = desk.one("PATCH", "FIRE", {"sql": None, "subject": "evacuate"})
    assert changed.status == 200
    view = json.loads(changed.body)
    assert (view["sql"], view["subject"], view["path"]) == ("", "evacuate", FIRE["path"])
    assert desk.many() == [view] == [json.loads(desk.one("GET").body)]
    assert desk.one("DELETE").status == 204
    assert desk.one("DELETE").status == desk.one("GET").status == 404
    assert desk.many() == []
    assert desk.asked("derivations")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"nonsense": 1}, "derivation 'fire': there is no setting 'nonsense'"),
        ({"to": "nowhere"}, "to is 'nowhere'; expected a queue that is there"),
        ({"sql": "a ="}, "line 1, column 4"),
        ([], "no JSON object"),
    ],
)
def test_what_is_wrong_is_named(desk: Desk, given: object, said: str) -> None:
    whole = FIRE | {"to": desk.queue} | given if isinstance(given, dict) else given
    refused = desk.one("PUT", given=whole)
    assert (refused.status, said in str(refused.problem["detail"])) == (400, True)
    desk.one("PUT", given={"to": desk.queue})
    refused = desk.one("PATCH", given=given)
    assert (refused.status, said in str(refused.problem["detail"])) == (400, True)
    assert len(desk.many()) == 1


def test_no_json_no_topic_too_much(desk: Desk) -> None:
    place = f"/{desk.topic}/derivations/fire"
    assert desk.ask_as(ONE, "PUT", place, "{").status == 400
    large = json.dumps({"to": "x" * HTTP_BODY_BYTES_MAX})
    assert desk.ask_as(ONE, "PUT", place, large).status == 413
    body = json.dumps({"to": desk.queue})
    assert desk.ask_as(ONE, "PUT", "/nowhere/derivations/fire", body).status == 404
    assert desk.ask_as(ONE, "PATCH", place, body).status == 404
    assert desk.ask_as(MANY, "GET", "/nowhere/derivations").status == 404


def test_what_it_remembers_is_by_its_key(desk: Desk, operator: AmqpOperator) -> None:
    waits = {"kind": "absence", "period_ms": 100_000}
    assert desk.one("PUT", given={"to": desk.queue, **waits}).status == 201
    refused = desk.one("PATCH", given={"key": "${event.source}"})
    assert refused.status == 409
    assert "key cannot change" in str(refused.problem["detail"])


def test_entities_with_such_names_come_first(desk: Desk, operator: AmqpOperator) -> None:
    queue = f"{desk.topic}/derivations"
    operator.create(queue)
    answer = desk.ask("GET", f"/{queue}")
    assert b"QueueDescription" in answer.body
    operator.create(f"{queue}/fire")
    assert b"QueueDescription" in desk.ask("GET", f"/{queue}/fire").body
    operator.ask("DELETE", queue, {})
    operator.ask("DELETE", f"{queue}/fire", {})
    assert desk.many() == []
