"""One signal has one subject, whoever looks: its message's own, and else its event's."""

import json

import pytest

from peeklock.protocols.mqtt.properties import Properties
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import MqttPeer
from tests.wire.test_http_streams import Follower

LABELLED, OF_EVENT = "labelled/1", "event/1"


class Site:
    """A topic in which each look at `first/#` has something of its own that takes it."""

    def __init__(self, http: HttpPeer, operator: AmqpOperator, topic: str, first: str) -> None:
        self.http = http
        self.topic = topic
        self.first = first
        operator.create_topic(topic, keep_last_value=True)
        operator.create(f"{topic}-jobs")
        rules = [{"name": "path", "path": f"{first}/#"}]
        operator.ask("CREATE", f"{topic}/Subscriptions/ruled", {"rules": rules})
        derivation = {"to": f"{topic}-jobs", "path": f"{first}/{{number}}"}
        operator.ask("CREATE", f"{topic}/Derivations/one", derivation, "derivation")
        self.follower = Follower(http, f"{topic}/events?subject={first}/%23")

    def send(self, id_: str, **attributes: str) -> None:
        event = {"specversion": "1.0", "id": id_, "source": "/a", "type": "t"} | attributes
        broker = {"Label": LABELLED} if self.first == "labelled" else {}
        answer = self.http.ask(
            *("POST", f"/{self.topic}/events", json.dumps(event)),
            Content_Type="application/cloudevents+json",
            BrokerProperties=json.dumps(broker),
        )
        assert answer.status == 202, answer.body

    def assert_all_saw(self, id_: str) -> None:
        ruled = self.http.ask("DELETE", f"/{self.topic}/subscriptions/ruled/events/head")
        assert ruled.headers["ce-id"] == id_
        kept = json.loads(self.http.ask("GET", f"/{self.topic}/last/{self.first}").body)
        assert [one["id"] for one in kept] == [id_]
        assert self.http.take(f"{self.topic}-jobs").status == 200
        assert self.follower.next_id() == id_

    def close(self) -> None:
        self.follower.socket.close()

    def assert_nobody_else_did(self) -> None:
        assert self.http.take(f"{self.topic}/subscriptions/ruled").status == 204
        assert self.http.take(f"{self.topic}-jobs").status == 204


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture
def listening(client: MqttPeer, queue: str) -> MqttPeer:
    client.subscribe(f"{queue}/#", qos=0)
    return client


@pytest.mark.parametrize(
    ("first", "subject"), [("labelled", LABELLED), ("event", OF_EVENT)], ids=["own", "event's"]
)
def test_all_see_the_same_subject(
    http: HttpPeer,
    operator: AmqpOperator,
    queue: str,
    listening: MqttPeer,
    first: str,
    subject: str,
) -> None:
    site = Site(http, operator, queue, first)
    site.send("1", subject=OF_EVENT)
    site.assert_all_saw("1")
    site.close()
    assert listening.take().topic_name == f"{queue}/{subject}"


def test_a_label_hides_the_events_subject(
    http: HttpPeer, operator: AmqpOperator, queue: str
) -> None:
    site = Site(http, operator, queue, "event")
    site.first = "labelled"  # which is said beside the event
    site.send("hidden", subject=OF_EVENT)
    site.first = "event"
    site.send("seen", subject=OF_EVENT)
    site.assert_all_saw("seen")
    site.assert_nobody_else_did()
    site.close()


def test_what_mqtt_published_to_the_topics_name_is_the_topics_own_in_its_tree_alone(
    http: HttpPeer, operator: AmqpOperator, queue: str, listening: MqttPeer
) -> None:
    site = Site(http, operator, queue, "event")
    attributes = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
    user = tuple((attributes | {"subject": OF_EVENT}).items())
    listening.put(queue, b"{}", properties=Properties({}, user))
    ruled = http.ask("DELETE", f"/{queue}/subscriptions/ruled/events/head?timeout=20")
    assert ruled.headers["ce-id"] == "1"
    assert http.take(f"{queue}-jobs", timeout=20).status == 200
    assert site.follower.next_id() == "1"
    assert json.loads(http.ask("GET", f"/{queue}/last/event").body) == []
    assert len(json.loads(http.ask("GET", f"/{queue}/last").body)) == 1
    assert listening.take().topic_name == queue
    site.close()
