"""What `/openapi.json` says, and what is answered: no status that it does not know."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer, HttpPeer
from tests.support.mqtt_peer import mqtt_peer

EVIL = {"Host": "rebound.example"}
SCHEMA_GROUP = "/schemagroups/topics"
SCHEMAS = SCHEMA_GROUP + "/schemas"
TOKEN = "00000000-0000-0000-0000-000000000000"


class Reader(HttpPeer):
    """Holds each answer against the document."""

    def __init__(self, process: BrokerProcess) -> None:
        super().__init__(process)
        self.document = json.loads(super().ask_with("GET", "/openapi.json", None, {}).body)
        self.seen: set[tuple[str, str, int]] = set()

    def ask_as(
        self, template: str, method: str, path: str, body: str | None = None, **headers: str
    ) -> Answer:
        if template.endswith("messages"):
            body = "x"
        answer = self.ask(method, path, body, **headers)
        told = self.document["paths"][template][method.lower()]["responses"]
        assert str(answer.status) in told, answer.body
        self.check_body(answer, told[str(answer.status)].get("content", {}))
        for name, header in told[str(answer.status)].get("headers", {}).items():
            assert answer.headers[name] or header.get("required") is False, name
        self.seen.add((template, method, answer.status))
        return answer

    def asked(self, *tags: str) -> bool:
        """Was each operation of these pages, and no other?"""
        described = {
            (path, method.upper())
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if operation["tags"][0] in tags
        }
        assert {(template, method) for template, method, _status in self.seen} == described
        return described != set()

    def check_body(self, answer: Answer, told: dict[str, Any]) -> None:
        """Of one of the kinds that are told, and as its schema has it."""
        kind = answer.headers["Content-Type"] if answer.body else None
        if kind is None or "*/*" in told:
            assert told == {} or "*/*" in told, answer.body
            return
        assert kind in told or kind.partition(";")[0] in told, (kind, told)
        content = told.get(kind) or told[kind.partition(";")[0]]
        if kind.endswith("json"):
            schema = content["schema"] | {"components": self.document["components"]}
            Draft202012Validator(schema).validate(json.loads(answer.body))


def test_each_page_is_asked_here(shared: BrokerProcess) -> None:
    tags = [tag["name"] for tag in Reader(shared).document["tags"]]
    tags.remove("derivations")  # in test_http_derivations.py
    asked = "jobs events subscriptions registry metrics mqtt administration"
    assert tags == asked.split()


@pytest.fixture
def reader(shared: BrokerProcess) -> Reader:
    return Reader(shared)


def test_subscriptions_and_what_may_become_of_them(
    reader: Reader, operator: AmqpOperator, queue: str
) -> None:
    many, one = "/subscriptions", "/subscriptions/{id}"
    operator.ask("CREATE", queue, {}, "topic")
    wanted = {
        "protocol": "HTTP",
        "sink": "https://erp.example/events",
        "config": {"topic": queue, "name": "erp", "push_status": "paused"},
    }
    for body in (json.dumps(wanted), json.dumps(wanted), "{", "x" * 300_000):
        reader.ask_as(many, "POST", many, body)
    nowhere = wanted | {"config": {"topic": "no/such"}}
    reader.ask_as(many, "POST", many, json.dumps(nowhere))
    for query in ("", f"?topic={queue}", "?topic=no/such", "?skip=x"):
        reader.ask_as(many, "GET", many + query)
    for place in (f"{many}/{queue}/erp", f"{many}/{queue}/other", f"{many}/x"):
        for method, body in (("GET", None), ("PUT", json.dumps(wanted)), ("PUT", "[]")):
            reader.ask_as(one, method, place, body)
        for method in ("OPTIONS", "DELETE"):
            reader.ask_as(one, method, place)
    reader.ask_as(many, "OPTIONS", many)
    reader.ask_as(many, "GET", many, Host="rebound.example")
    assert reader.asked("subscriptions")
    statuses = {status for _template, _method, status in reader.seen}
    assert statuses == {200, 201, 204, 400, 401, 404, 409, 413}


def test_each_operation_and_what_may_become_of_it(
    reader: Reader, operator: AmqpOperator, queue: str
) -> None:
    at, head = "/{entity}/messages", "/{entity}/messages/head"
    number, locked = "/{entity}/messages/{number}", "/{entity}/messages/{which}/{token}"
    events, event = "/{entity}/events", {"ce_id": "1", "ce_source": "/a", "ce_type": "t"}
    for entity in (queue, "no/$such", f"{queue}/$deadletterqueue"):
        reader.ask_as(at, "POST", f"/{entity}/messages")
        reader.ask_as(at, "POST", f"/{entity}/messages", BrokerProperties="?")
        reader.ask_as(events, "POST", f"/{entity}/events", **event)
        reader.ask_as(events, "POST", f"/{entity}/events", ce_specversion="1.0", **event)
        cbor = {"Content_Type": "application/cloudevents+cbor"}
        reader.ask_as(events, "POST", f"/{entity}/events", **cbor)
        reader.ask_as(events, "GET", f"/{entity}/events", Accept="text/event-stream")
        for method in ("POST", "DELETE"):
            for _ in range(2):
                reader.ask_as(f"{events}/head", method, f"/{entity}/events/head?timeout=0")
            reader.ask_as(head, method, f"/{entity}/messages/head?timeout=0")
            reader.ask_as(head, method, f"/{entity}/messages/head?timeout=0")
            reader.ask_as(head, method, f"/{entity}/messages/head?timeout=x")
        reader.ask_as(number, "POST", f"/{entity}/messages/99")
        for method in ("POST", "PUT", "DELETE"):
            reader.ask_as(locked, method, f"/{entity}/messages/1/{TOKEN}")
            reader.ask_as(locked, method, f"/{entity}/messages/1/x")
    for method in ("POST", "PUT", "DELETE"):
        reader.send(queue)
        place = reader.ask_as(head, "POST", f"/{queue}/messages/head?timeout=0").place
        reader.ask_as(locked, method, place)
    last, below = "/{entity}/last", "/{entity}/last/{subject}"
    operator.create_topic("rooms", keep_last_value=True)
    for entity in ("rooms", "no/such"):
        for query in ("", "?limit=x"):
            reader.ask_as(last, "GET", f"/{entity}/last{query}")
            reader.ask_as(below, "GET", f"/{entity}/last/a{query}")
        for subject in ("a", "+"):
            reader.ask_as(below, "DELETE", f"/{entity}/last/{subject}")
    for origin in ("erp.example", "?"):
        headers = {"WebHook_Request_Origin": origin}
        reader.ask_as(events, "OPTIONS", f"/{queue}/events", **headers)
    reader.ask_as(events, "OPTIONS", f"/{queue}/events")
    reader.ask_as(at, "POST", f"/{queue}/messages", **EVIL)
    statuses = {status for _template, _method, status in reader.seen}
    assert statuses >= {200, 201, 204, 400, 401, 404}
    assert reader.asked("jobs", "events")


def test_metrics(reader: Reader) -> None:
    for headers in ({}, {"Accept": "application/openmetrics-text"}, EVIL):
        reader.ask_as("/metrics", "GET", "/metrics", **headers)
    assert reader.asked("metrics")


def test_mqtt(reader: Reader) -> None:
    sessions, session = "/mqtt/sessions", "/mqtt/sessions/{client_id}"
    with mqtt_peer(reader.process.mqtt_port, "described/1") as one:
        one.subscribe("$share/g/a")
        for many in (sessions, "/mqtt/groups"):
            for query in ("", "?limit=1", "?limit=x"):
                reader.ask_as(many, "GET", many + query)
            reader.ask_as(many, "GET", many, **EVIL)
        for name in ("described/1", "nobody"):
            for method in ("GET", "DELETE"):
                reader.ask_as(session, method, f"{sessions}/{name}")
    assert {status for _template, _method, status in reader.seen} == {200, 204, 400, 401, 404}
    assert reader.asked("mqtt")


def test_the_registry_the_administration_and_the_rest(
    reader: Reader, operator: AmqpOperator, queue: str
) -> None:
    operator.create_topic(queue, event_schema='{"type": "object"}')
    for path in ("/", "/capabilities", "/model", "/schemagroups", SCHEMA_GROUP, SCHEMAS):
        for headers in ({}, EVIL):
            reader.ask_as(path, "GET", path, **headers)
    for query in ("", "?limit=1", "?limit=x"):
        reader.ask("GET", f"/endpoints{query}")
    paged = reader.ask("GET", "/endpoints?limit=1")
    (one,) = json.loads(paged.body)
    reader.ask_as("/endpoints", "GET", "/endpoints")
    reader.ask_as("/endpoints", "GET", "/endpoints?limit=x")
    for name in (one, "none"):
        reader.ask_as("/endpoints/{endpoint}", "GET", f"/endpoints/{name}")
        messages = "/endpoints/{endpoint}/messages"
        reader.ask_as(messages, "GET", f"/endpoints/{name}/messages")
    for name in (queue, f"{queue}$details", "none"):
        reader.ask_as(SCHEMAS + "/{schema}", "GET", f"{SCHEMAS}/{name}")
    for path in ("/health", "/openapi.json"):
        reader.ask_as(path, "GET", path)
    for method in ("GET", "POST"):
        reader.ask_as("/$webhooks/{key}", method, "/$webhooks/none")
    at, new = "/{path}", "<entry><content><QueueDescription/></content></entry>"
    for body in (new, new, "<", "x" * 300_000):
        reader.ask_as(at, "PUT", f"/{queue}-new", body)
    reader.ask_as(at, "PUT", f"/{queue}-new", new, If_Match="*")
    for path in (f"/{queue}-new", "/$Resources/queues", "/$Resources/topics?$top=x", "/none"):
        reader.ask_as(at, "GET", path)
    for path in (f"/{queue}-new", "/none"):
        reader.ask_as(at, "DELETE", path)
    reader.ask_as(at, "GET", f"/{queue}", **EVIL)
    statuses = {status for _template, _method, status in reader.seen}
    assert statuses == {200, 201, 400, 401, 404, 409, 413}
    assert reader.asked("registry", "administration")
