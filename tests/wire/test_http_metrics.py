"""`GET /metrics`: what it tells, to whom, and that nothing is loaded before somebody asks."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from peeklock.protocols.mqtt.properties import SESSION_EXPIRY_INTERVAL, Properties
from peeklock.server.metrics import FAMILIES
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import mqtt_peer
from tests.wire.test_http import KEY, signature
from tests.wire.test_mqtt_publish import CONFIG

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
OURS = "peeklock_"


class Scrape:
    """One look, by the official parser."""

    def __init__(self, broker: BrokerProcess, **headers: str) -> None:
        answer = HttpPeer(broker).ask("GET", "/metrics", **headers)
        assert answer.status == 200, answer.body
        self.content_type = answer.headers["content-type"]
        is_open = self.content_type.startswith("application/openmetrics-text")
        parse: Callable[[str], Iterable[Metric]] = (
            open_metrics_families if is_open else text_string_to_metric_families
        )
        text = answer.body.decode()
        self.families: dict[str, Metric] = {one.name: one for one in parse(text)}
        self.values = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.values[OURS + name, tuple(sorted(labels.items()))]

    def messages(self, entity: str) -> dict[str, float]:
        names = ("active", "locked", "scheduled", "deferred", "dead_lettered")
        return {one: self.value("messages", entity=entity, state=one) for one in names}

    def totals(self, entity: str) -> dict[str, float]:
        names = (
            *("enqueued", "completed", "abandoned", "released", "dead_lettered"),
            *("expired", "dropped"),
        )
        found = {one: self.value(f"messages_{one}_total", entity=entity) for one in names}
        return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("accept", ["*/*", "text/plain;version=1;x", OPENMETRICS, "x,;=q"])
def test_both_formats_are_read_and_nothing_is_left_out(
    shared: BrokerProcess, operator: AmqpOperator, queue: str, accept: str
) -> None:
    operator.create(queue)
    found = Scrape(shared, Accept=accept)
    wanted = "application/openmetrics-text" if accept == OPENMETRICS else "text/plain"
    assert found.content_type.startswith(wanted)
    described = {family.name.removesuffix("_total"): family for family in FAMILIES}
    ours = {name for name in found.families if name.startswith(OURS)}
    disk = {  # of a broker that keeps something
        *("journal_syncs", "journal_sync_seconds", "journal_segments"),
        *("journal_disk_free_bytes", "snapshot_timestamp_seconds", "snapshot_age_bytes"),
    }
    topics = {"topic_messages", "topic_last_values"}
    assert ours | {OURS + name for name in disk | topics} == set(described)
    for name in ours:
        assert found.families[name].type == described[name].kind
        assert found.families[name].documentation == described[name].about
    assert found.values["process_resident_memory_bytes", ()] > 1 << 20


def test_what_becomes_of_jobs(shared: BrokerProcess, operator: AmqpOperator) -> None:
    operator.create("jobs", max_delivery_count=2, max_messages=4, overflow="drop-oldest")
    http = HttpPeer(shared)
    for number in range(5):  # the first gives way
        http.send("jobs", f"{number}")
    done = http.lock("jobs").place
    assert http.ask("DELETE", done).status == 200
    for _ in range(2):  # the second time is the last
        assert http.ask("PUT", http.lock("jobs").place).status == 200
    released = http.lock("jobs").place
    assert http.ask("PUT", f"{released}?disposition=release").status == 200
    deferred = http.lock("jobs").place
    assert http.ask("PUT", f"{deferred}?disposition=defer").status == 200
    http.send("jobs", "brief", BrokerProperties='{"TimeToLive": 0.05}')
    deadline = time.monotonic() + 20
    while not (found := Scrape(shared)).totals("jobs").get("expired"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    http.lock("jobs")
    found = Scrape(shared)
    assert found.totals("jobs") == {
        "enqueued": 6, "completed": 1, "abandoned": 1, "released": 1, "dead_lettered": 1,
        "expired": 1, "dropped": 1,
    }  # fmt: skip
    assert found.messages("jobs") == {
        "active": 0, "locked": 1, "scheduled": 0, "deferred": 1, "dead_lettered": 1,
    }  # fmt: skip
    assert found.value("message_bytes", entity="jobs") > 0
    assert 0 < found.value("oldest_message_age_seconds", entity="jobs") < 3600
    assert "jobs/$DeadLetterQueue" not in str(found.values)


def test_topics_and_subscriptions(shared: BrokerProcess, operator: AmqpOperator) -> None:
    operator.create_topic("news", keep_last_value=True)
    operator.create("news/Subscriptions/erp")
    HttpPeer(shared).send("news", "1")
    found = Scrape(shared)
    assert found.messages("news/Subscriptions/erp")["active"] == 1
    assert found.value("topic_messages_total", entity="news") == 1
    assert found.value("topic_last_values", entity="news") == 1


def test_connections_and_mqtt(shared: BrokerProcess, operator: AmqpOperator) -> None:
    before = Scrape(shared)
    kept = Properties({SESSION_EXPIRY_INTERVAL: 60})
    with mqtt_peer(shared.mqtt_port, "away", properties=kept) as one:
        one.subscribe("metrics/#", "$share/g/metrics/#")
    with mqtt_peer(shared.mqtt_port) as other:
        other.put("metrics/a", b"12345")
        found = Scrape(shared)
    assert found.value("connections", protocol="mqtt") == 1
    assert found.value("connections", protocol="http") >= 1
    assert found.value("connections", protocol="amqp") >= 1
    assert found.value("mqtt_sessions", client="here") == 1
    assert found.value("mqtt_sessions", client="away") == 1
    assert found.value("mqtt_subscriptions") == 2
    assert found.value("mqtt_shared_subscriptions") == 1
    assert found.value("mqtt_stored_messages") == 2  # the session's, and the group's
    name = "mqtt_payload_bytes_total"
    assert found.value(name, direction="received") == 5
    connects = "mqtt_connects_total"
    assert found.value(connects) == before.value(connects) + 2
    assert "metrics/" not in str(found.values)  # no labels that clients choose


def test_the_journal() -> None:
    with BrokerProcess(config="[journal]\nsnapshot_bytes = 1_048_576\n") as broker:
        first = Scrape(broker)
        assert (OURS + "snapshot_timestamp_seconds", ()) not in first.values
        http = HttpPeer(broker)
        for _ in range(3):
            http.send("jobs", bytes(1 << 19))
        deadline = time.monotonic() + 30
        while (OURS + "snapshot_timestamp_seconds", ()) not in (found := Scrape(broker)).values:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        grown = "journal_written_bytes_total"
        assert found.value(grown) - first.value(grown) >= 3 << 19
        assert found.value("snapshot_age_bytes") < 3 << 19
        assert abs(time.time() - found.value("snapshot_timestamp_seconds")) < 3600
        assert found.value("journal_syncs_total") >= 3
        assert found.value("journal_sync_seconds_total") > 0
        assert found.value("journal_segments") >= 1
        assert found.value("journal_has_room") == 1
        assert found.value("journal_waiting_bytes") == 0
        assert found.value("journal_disk_free_bytes") > 0
        broker.kill()
        broker.start()
        http.send("jobs", "more")
        again = Scrape(broker)
        assert again.value(grown) >= found.value(grown)
        assert again.totals("jobs") == {"enqueued": 4}  # the others count from the start


class TestWhoMayRead:
    def scrape(self, broker: BrokerProcess, **headers: str) -> int:
        answer = HttpPeer(broker).ask("GET", "/metrics", **headers)
        if answer.status == 401:
            assert "www-authenticate" in answer.headers
        return answer.status

    def test_users(self) -> None:
        """The right to anything is not needed, as it is not to look at queues."""
        keys = "".join(
            f'[[access_keys]]\nname = "{name}"\nkey = "{KEY}"\n{more}\n'
            for name, more in (
                *(("boss", ""), ("one", 'entity = "orders"')),
                ("same", 'entity = "metrics"'),
            )
        )
        with BrokerProcess(
            config=CONFIG.replace('["listen"]', "[]") + keys, dev=False
        ) as broker:
            assert self.scrape(broker) == 401
            assert self.scrape(broker, Authorization="Basic d29ya2VyOndyb25n") == 401
            assert self.scrape(broker, Authorization="Basic d29ya2VyOnNlY3JldA==") == 200
            for name, status in (("boss", 200), ("one", 401), ("same", 401)):
                token = signature(f"http://localhost:{broker.http_port}/", name)
                assert self.scrape(broker, Authorization=token) == status

    def test_anybody(self) -> None:
        with BrokerProcess(config=f'metrics = "anybody"\n{CONFIG}', dev=False) as broker:
            assert self.scrape(broker) == 200
            assert HttpPeer(broker).ask("GET", "/mqtt/sessions").status == 401

    def test_no_page_of_elsewhere(self, shared: BrokerProcess) -> None:
        assert self.scrape(shared, Host="rebound.example") == 401
        assert self.scrape(shared, Origin="https://evil.example") == 401


def test_an_entity_of_that_name_is_the_administrations(
    shared: BrokerProcess, operator: AmqpOperator
) -> None:
    operator.create("metrics")
    answer = HttpPeer(shared).ask("GET", "/metrics?api-version=2021-05")
    assert b"<QueueDescription" in answer.body


def test_the_library_is_loaded_by_the_first_who_asks() -> None:
    """Who does not watch the broker pays neither time nor memory."""
    script = (
        "import sys; import peeklock.server.app, peeklock.server.http_host; "
        "import peeklock.server.metrics; sys.exit('prometheus_client' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
