"""Last values over HTTP: how things are, at any level of a topic's tree of subjects."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from peeklock.limits import (
    EVENT_DOCUMENT_BYTES_MAX,
    HTTP_BATCH_BYTES_MAX,
    LAST_VALUES_SLICE,
)
from tests.support.amqp_bytes import (
    application_properties,
    composite,
    data_section,
    value_section,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer, HttpPeer
from tests.wire.test_http import CONFIG, signature

JSON_EVENT = "application/cloudevents+json"
JSON_BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture
def rooms(operator: AmqpOperator, queue: str) -> str:
    """A topic that keeps last values; its name has a slash in it."""
    name = f"site/{queue}"
    operator.create_topic(name, keep_last_value=True)
    return name


def tell(
    http: HttpPeer, topic: str, subject: str, data: object = None, **attributes: object
) -> None:
    document = {
        "specversion": "1.0", "id": "1", "source": "/sensors", "type": "occupancy",
        "subject": subject, "data": data, **attributes,
    }  # fmt: skip
    answer = http.ask("POST", f"/{topic}/events", json.dumps(document), Content_Type=JSON_EVENT)
    assert answer.status == 202, answer.body


def batch(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == JSON_BATCH
    found = json.loads(answer.body)
    assert isinstance(found, list)
    return found


def subjects(http: HttpPeer, path: str) -> list[str | None]:
    return [one.get("subject") for one in batch(http.ask("GET", path))]


def next_of(answer: Answer) -> str | None:
    link = answer.headers["link"]
    if link is None:
        return None
    place, _semicolon, relation = link.partition(">; ")
    assert relation == 'rel="next"'
    parts = urlsplit(place[1:])
    return f"{parts.path}?{parts.query}"


def pages(http: HttpPeer, path: str) -> Iterator[list[dict[str, Any]]]:
    following: str | None = path
    while following is not None:
        answer = http.ask("GET", following)
        yield batch(answer)
        following = next_of(answer)


def put(peer: AmqpPeer, topic: str, payload: bytes) -> None:
    peer.attach_sender(topic)
    peer.transfer(0, payload)
    peer.hear_accepted(0, 0)


class TestWhich:
    @pytest.fixture(autouse=True)
    def site(self, http: HttpPeer, rooms: str) -> None:
        for subject in ("41/1/lobby", "41/2/lobby", "41/2/attic", "42/1/lobby", "41"):
            tell(http, rooms, subject, occupied=subject != "41/2/attic")

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("", ["41", "41/1/lobby", "41/2/attic", "41/2/lobby", "42/1/lobby"]),
            ("/", ["41", "41/1/lobby", "41/2/attic", "41/2/lobby", "42/1/lobby"]),
            ("/41/2", ["41/2/attic", "41/2/lobby"]),
            ("/41/2/attic", ["41/2/attic"]),
            ("/4", []),
            ("/+/1/lobby", ["41/1/lobby", "42/1/lobby"]),
            ("/41/+/%23", ["41/1/lobby", "41/2/attic", "41/2/lobby"]),
            ("/41%2F2", ["41/2/attic", "41/2/lobby"]),
        ],
    )
    def test_at_any_level(
        self, http: HttpPeer, rooms: str, path: str, expected: list[str]
    ) -> None:
        assert subjects(http, f"/{rooms}/last{path}") == expected

    def test_which_rooms_in_building_41_are_unoccupied(
        self, http: HttpPeer, rooms: str
    ) -> None:
        wanted = quote("occupied = FALSE")
        found = subjects(http, f"/{rooms}/last/41?filter={wanted}")
        assert found == ["41/2/attic"]

    def test_a_filter_of_rules_sees_the_message(self, http: HttpPeer, rooms: str) -> None:
        wanted = quote("[cloudEvents:occupied] = FALSE AND sys.Label LIKE '41%'")
        found = subjects(http, f"/{rooms}/last?dialect=sql&filter={wanted}")
        assert found == ["41/2/attic"]

    def test_a_filter_of_rules_looks_into_the_data(self, http: HttpPeer, rooms: str) -> None:
        tell(http, rooms, "41/2/attic", {"since": {"hour": 9}})
        wanted = quote("[data.since.hour] = 9")
        found = subjects(http, f"/{rooms}/last?dialect=sql&filter={wanted}")
        assert found == ["41/2/attic"]

    def test_the_newest_counts(self, http: HttpPeer, rooms: str) -> None:
        tell(http, rooms, "41/2/attic", {"n": 2}, occupied=True)
        (one,) = batch(http.ask("GET", f"/{rooms}/last/41/2/attic"))
        assert one["data"] == {"n": 2}
        assert one["occupied"] is True

    def test_page_by_page(self, http: HttpPeer, rooms: str) -> None:
        found = list(pages(http, f"/{rooms}/last?limit=2"))
        assert [len(page) for page in found] == [2, 2, 1]
        assert [one["subject"] for page in found for one in page] == [
            "41", "41/1/lobby", "41/2/attic", "41/2/lobby", "42/1/lobby",
        ]  # fmt: skip

    def test_page_by_page_with_a_filter_and_wildcards(self, http: HttpPeer, rooms: str) -> None:
        wanted = quote("occupied = TRUE")
        found = list(pages(http, f"/{rooms}/last/+/%23?filter={wanted}&limit=1"))
        names = [one["subject"] for page in found for one in page]
        assert names == ["41", "41/1/lobby", "41/2/lobby", "42/1/lobby"]
        assert max(len(page) for page in found) == 1

    def test_a_long_answer_is_made_in_slices(self, http: HttpPeer, rooms: str) -> None:
        """With a filter that passes over most: all of them in one answer, in their order."""
        names = [f"more/{number:03}" for number in range(2 * LAST_VALUES_SLICE + 50)]
        document = [
            {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": name,
             "occupied": name.endswith("7")}
            for name in names
        ]  # fmt: skip
        answer = http.ask(
            "POST", f"/{rooms}/events", json.dumps(document), Content_Type=JSON_BATCH
        )
        assert answer.status == 202
        wanted = quote("occupied = TRUE")
        expected = [name for name in names if name.endswith("7")]
        answer = http.ask("GET", f"/{rooms}/last/more?filter={wanted}")
        assert [one["subject"] for one in batch(answer)] == expected
        assert next_of(answer) is None
        found = list(pages(http, f"/{rooms}/last/more?filter={wanted}&limit=10"))
        assert [len(page) for page in found] == [10, 10, 5]
        assert [one["subject"] for page in found for one in page] == expected
        assert [len(page) for page in pages(http, f"/{rooms}/last/more?limit=120")] == [
            120, 120, 10,
        ]  # fmt: skip

    def test_cleared(self, http: HttpPeer, rooms: str) -> None:
        for _ in range(2):
            assert http.ask("DELETE", f"/{rooms}/last/41/2/attic").status == 204
        assert subjects(http, f"/{rooms}/last/41/2") == ["41/2/lobby"]

    def test_after_a_restart_too(
        self, shared: BrokerProcess, http: HttpPeer, rooms: str
    ) -> None:
        before = batch(http.ask("GET", f"/{rooms}/last"))
        shared.kill()
        shared.start()
        assert batch(http.ask("GET", f"/{rooms}/last")) == before


class TestWhatTheyLookLike:
    def test_an_event_says_what_it_said(self, http: HttpPeer, rooms: str) -> None:
        sent = {
            "specversion": "1.0", "id": "a/7", "source": "/sensors", "type": "occupancy",
            "subject": "zimmer ü", "time": "2026-01-02T03:04:05.678901Z", "level": 5,
            "datacontenttype": "text/plain", "data": "grün",
        }  # fmt: skip
        headers = {"Content_Type": JSON_EVENT}
        answer = http.ask("POST", f"/{rooms}/events", json.dumps(sent), **headers)
        assert answer.status == 202
        assert batch(http.ask("GET", f"/{rooms}/last")) == [sent]

    def test_a_message_that_is_no_event_is_told_as_one(
        self, http: HttpPeer, ready: AmqpPeer, rooms: str
    ) -> None:
        properties = composite("properties", message_id="m-1", subject="41/lobby")
        own = application_properties(
            {"occupied": False, "level": 5, "Not A Name": 1, "id": "a lie", "odd": [1]}
        )
        put(ready, rooms, properties + own + data_section(b'{"a": 1}'))
        (one,) = batch(http.ask("GET", f"/{rooms}/last/41"))
        assert one.pop("time").endswith("Z")
        assert one == {
            "specversion": "1.0", "id": "m-1", "source": f"/{rooms}", "type": "peeklock.signal",
            "subject": "41/lobby", "occupied": False, "level": 5, "data_base64": "eyJhIjogMX0=",
        }  # fmt: skip
        for wanted, count in (("occupied = FALSE", 1), ("NOT occupied AND level > 5", 0)):
            found = batch(http.ask("GET", f"/{rooms}/last?filter={quote(wanted)}"))
            assert len(found) == count

    def test_an_event_of_mqtts_binary_mode_is_one(
        self, http: HttpPeer, ready: AmqpPeer, rooms: str
    ) -> None:
        """As it comes from MQTT 5: attributes are user properties, and all of them texts."""
        event = {"specversion": "1.0", "id": "9", "source": "/sensors", "type": "occupancy"}
        properties = composite("properties", message_id="m-1", subject="41/lobby")
        own = application_properties(event | {"occupied": "false"})
        put(ready, rooms, properties + own + data_section(b""))
        wanted = quote("NOT occupied AND id = '9'")
        (one,) = batch(http.ask("GET", f"/{rooms}/last/41?filter={wanted}"))
        assert one == event | {"occupied": "false"}

    @pytest.mark.parametrize(
        ("payload", "data"),
        [
            (composite("properties") + data_section(b"x"), {"data_base64": "eA=="}),
            (value_section([1, 2]), {}),
            (
                composite("properties", content_type="text/plain") + value_section("grün"),
                {"data": "grün", "datacontenttype": "text/plain"},
            ),
            (
                application_properties({"cloudEvents:id": "half of one"}) + data_section(b""),
                {},
            ),
        ],
    )
    def test_one_without_anything_to_name_it(
        self, http: HttpPeer, ready: AmqpPeer, rooms: str, payload: bytes, data: dict[str, str]
    ) -> None:
        put(ready, rooms, payload)
        (one,) = batch(http.ask("GET", f"/{rooms}/last"))
        del one["time"]
        assert one == {
            "specversion": "1.0", "id": one["id"], "source": f"/{rooms}",
            "type": "peeklock.signal", **data,
        }  # fmt: skip
        assert one["id"]

    def test_a_long_ones_data_is_not_looked_through(self, http: HttpPeer, rooms: str) -> None:
        body = b"[" + b"1," * EVENT_DOCUMENT_BYTES_MAX + b"1]"
        headers = {
            "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t",
            "ce-subject": "a", "Content-Type": "application/json",
        }  # fmt: skip
        assert http.ask_with("POST", f"/{rooms}/events", body, headers).status == 202
        (one,) = batch(http.ask("GET", f"/{rooms}/last"))
        assert "data" not in one
        assert len(one["data_base64"]) > 2 * EVENT_DOCUMENT_BYTES_MAX

    def test_pages_have_so_many_bytes_and_at_least_one_event(
        self, http: HttpPeer, rooms: str
    ) -> None:
        headers = {"ce-specversion": "1.0", "ce-source": "/a", "ce-type": "t"}
        body = bytes(HTTP_BATCH_BYTES_MAX // 2)
        for number, content in enumerate((body, body, 3 * body)):
            named = headers | {"ce-id": "1", "ce-subject": f"{number}"}
            assert http.ask_with("POST", f"/{rooms}/events", content, named).status == 202
        assert [len(page) for page in pages(http, f"/{rooms}/last")] == [1, 1, 1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("?filter=occupied%20%3D", "line 1"),
            ("?filter=1&dialect=cobol", "cesql"),
            ("?limit=0", "1 to 1000"),
            ("?limit=1001", "1 to 1000"),
            ("?limit=many", "1 to 1000"),
            ("?after=x", "Link"),
            ("/%23/x", "MQTT-4.7.1-1"),
            ("/a+", "MQTT-4.7.1-2"),
            ("/" + "x/" * 200, "levels"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, http: HttpPeer, rooms: str, path: str, why: str
    ) -> None:
        answer = http.ask("GET", f"/{rooms}/last{path}")
        assert answer.status == 400
        assert why in answer.problem["detail"]

    @pytest.mark.parametrize("subject", ["+", "a/%23", ""])
    def test_one_subject_is_cleared_at_a_time(
        self, http: HttpPeer, rooms: str, subject: str
    ) -> None:
        answer = http.ask("DELETE", f"/{rooms}/last/{subject}")
        assert answer.status == 400
        assert "no single subject" in answer.problem["detail"]

    def test_no_such_topic(self, http: HttpPeer, queue: str) -> None:
        answer = http.ask("GET", f"/{queue}/last")
        assert answer.status == 404
        assert answer.problem["condition"] == "amqp:not-found"

    def test_a_topic_that_tells_nothing_for_now(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create_topic(queue, keep_last_value=True, status="receive-disabled")
        assert http.ask("GET", f"/{queue}/last").status == 403


class TestNames:
    def test_a_subject_may_have_a_level_of_this_name(self, http: HttpPeer, rooms: str) -> None:
        tell(http, rooms, "a/last/b")
        tell(http, rooms, "last")
        assert subjects(http, f"/{rooms}/last/a/last") == ["a/last/b"]
        assert subjects(http, f"/{rooms}/last/last") == ["last"]

    def test_an_entity_may_have_this_name(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """It is administered as any other, and its topic above it is not asked."""
        operator.create_topic(queue, keep_last_value=True)
        operator.create(f"{queue}/last")
        answer = http.ask("GET", f"/{queue}/last")
        assert b"QueueDescription" in answer.body
        assert http.ask("DELETE", f"/{queue}/last").status == 200
        assert batch(http.ask("GET", f"/{queue}/last")) == []


def test_rights() -> None:
    """Listen to look, send to clear."""
    config = (
        CONFIG + '\n[[topics]]\nname = "orders"\nkeep_last_value = true\n'
        '[[topics]]\nname = "other"\n'
    )
    with BrokerProcess(config=config, dev=False) as process:
        http = HttpPeer(process)

        def status(method: str, path: str, who: str) -> int:
            headers = {"Authorization": who} if who else {}
            return http.ask_with(method, path, None, headers).status

        looker = signature("https://localhost/", "looker")
        one = signature("https://localhost/", "orders-only")
        assert status("GET", "/orders/last/a", "") == 401
        assert status("GET", "/orders/last/a", looker) == 200
        assert status("DELETE", "/orders/last/a", looker) == 401
        assert status("DELETE", "/orders/last/a", one) == 204
        assert status("GET", "/orders/last", one) == 200
        assert status("GET", "/other/last", one) == 401
        assert status("GET", "/unknown/last", looker) == 404
