"""Signals over AMQP and HTTP, as events, and what becomes of them in the queues of jobs."""

from collections.abc import AsyncIterator

import pytest

from peeklock.security.passwords import hash_password
from peeklock_client import Client, Job, Refused, Topic, connect
from tests.support.amqp_bytes import (
    application_properties,
    composite,
    data_section,
)
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import mqtt_peer

SUBJECT = "/org/contoso/site/berlin/building/41/floor/3/unit/j/room/4/sensors/fire"
PATH = "/org/{org}/site/{site}/building/{building}/floor/{floor}/#"


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def site(client: Client) -> Topic:
    await client.create_queue("jobs")
    return await client.create_topic("site")


async def taken(client: Client, wait: float = 0.3) -> list[Job]:
    return [job async for job in client.queue("jobs").receive(wait=wait)]


def event(id_: str, data: bytes) -> bytes:
    """An event in binary mode, encoded by hand (CloudEvents' AMQP binding §3.1)."""
    attributes = {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": id_,
        "cloudEvents:source": "/sensors/fire/7",
        "cloudEvents:type": "org.contoso.fire",
        "cloudEvents:subject": SUBJECT,
    }
    return (
        composite("properties", content_type="application/json")
        + application_properties(attributes)
        + data_section(data)
    )


async def test_an_event_over_amqp_and_again_over_http(
    broker: BrokerProcess, client: Client, site: Topic
) -> None:
    await site.derive(
        "fire",
        to="jobs",
        path=PATH,
        cesql="type = 'org.contoso.fire'",
        key="${path.building}",
        subject="evacuate ${path.floor}",
        body={"floor": "${path.floor}", "alert": "${data.alert}"},
    )
    data = b'{"alert": true}'
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_sender("site", 0)
        for number, id_ in enumerate(("a", "a", "b")):
            peer.transfer(number, event(id_, data), 0)
    for id_ in ("b", "c"):
        headers = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": id_,
            "ce-source": "/sensors/fire/7",
            "ce-type": "org.contoso.fire",
            "ce-subject": SUBJECT,
        }
        answer = HttpPeer(broker).ask_with("POST", "/site/events", data, headers)
        assert answer.status // 100 == 2, answer.body
    jobs = await taken(client)
    assert [job.properties["cause_id"] for job in jobs] == ["a", "b", "c"]
    assert {job.message.properties.subject for job in jobs} == {"evacuate 3"}
    assert {str(job.json()) for job in jobs} == {"{'floor': '3', 'alert': True}"}
    assert {job.properties["cause_source"] for job in jobs} == {"/sensors/fire/7"}


async def test_signals_that_come_together_make_one_job_even_after_a_crash(
    broker: BrokerProcess,
) -> None:
    async with connect(broker.url) as client:
        await client.create_queue("jobs")
        site = await client.create_topic("site")
        await site.derive(
            "doors",
            to="jobs",
            kind="coalesce",
            period_ms=1500,
            path="door/{door}",
            key="${path.door}",
            body={"door": "${key}", "count": "${count}"},
        )
        for number in range(6):
            await site.send("opened", subject=f"door/{number % 2}")
    broker.kill()
    broker.restart()
    async with connect(broker.url) as client:
        jobs = await taken(client, wait=3)
        (one,) = await client.topic("site").derivations()
    assert sorted((job.json()["door"], job.json()["count"]) for job in jobs) == [
        ("0", 3),
        ("1", 3),
    ]
    assert (one["period_ms"], one["keys"]) == (1500, 0)


async def test_a_worker_that_waits_gets_the_job_when_it_is_quiet(
    client: Client, site: Topic
) -> None:
    await site.derive("quiet", to="jobs", kind="debounce", period_ms=200, body='"${data.n}"')
    await site.send_batch([{"n": n} for n in range(3)])
    (job,) = await taken(client, wait=2)
    assert job.json() == 2


async def test_a_floor_that_leaves_its_band_makes_one_job(client: Client, site: Topic) -> None:
    await site.derive(
        "climate",
        to="jobs",
        kind="threshold",
        value="${data.t}",
        path="building/41/floor/{floor}/room/{room}/sensors/climate",
        key="${path.floor}",
        aggregate="avg",
        latest_per="${path.room}",
        above=22,
        below=18,
        hysteresis=0.5,
        body={"floor": "${key}", "side": "${side}", "average": "${value}"},
    )
    for room, t in enumerate((20, 20, 30, 31, 22, 30, 3, 60)):
        subject = f"building/41/floor/3/room/{room % 3}/sensors/climate"
        await site.send({"t": t}, subject=subject)
    jobs = await taken(client)
    assert [(job.json()["side"], job.json()["average"]) for job in jobs] == [
        ("above", 70 / 3),
        ("above", 31.0),
    ]


async def test_who_is_silent_is_told_of_once(client: Client, site: Topic) -> None:
    await site.derive(
        "lost",
        to="jobs",
        kind="absence",
        period_ms=300,
        key="${event.subject}",
        body='"${key}"',
    )
    await site.send_batch(["", ""], subject="sensor/7")
    jobs = await taken(client, wait=1.5)
    assert [job.json() for job in jobs] == ["sensor/7"]


async def test_signals_over_mqtt_make_jobs_that_a_worker_has_over_amqp(
    broker: BrokerProcess, client: Client
) -> None:
    """In the built-in topic the subject is the whole name, with the slash before it."""
    await client.create_queue("jobs")
    signals = await client.create_topic("signals")
    await signals.derive(
        "fire",
        to="jobs",
        path="/org/{org}/site/{site}/building/{building}/floor/{floor}/+/+/+/+/sensors/fire",
        sql="[data.alert] = TRUE AND [path.site] = 'berlin'",
        key="${path.building}",
        body={"evacuate": "${path.floor}", "subject": "${event.subject}"},
    )
    for v5 in (True, False):
        with mqtt_peer(broker.mqtt_port, v5=v5) as sensor:
            sensor.put(SUBJECT, b'{"alert": false}', b'{"alert": true}')
            sensor.put(SUBJECT.replace("berlin", "bonn"), b'{"alert": true}')
            sensor.put("elsewhere", b'{"alert": true}')
    jobs = await taken(client)
    assert [job.json() for job in jobs] == [{"evacuate": "3", "subject": SUBJECT}] * 2
    assert {job.properties["cause_source"] for job in jobs} == {"signals"}
    assert {job.properties["cause_subject"] for job in jobs} == {SUBJECT}


async def test_what_a_derivation_fails_on_is_seen_and_does_no_harm_to_others(
    broker: BrokerProcess, client: Client
) -> None:
    await client.create_queue("jobs")
    signals = await client.create_topic("signals")
    await signals.derive("level", to="jobs", path="tank/+", body={"level": "${data.level}"})
    with mqtt_peer(broker.mqtt_port) as sensor:
        sensor.put("tank/1", b"\xff\x00 no json", b'{"level": 4}')
    jobs = await taken(client)
    assert [job.json() for job in jobs] == [{"level": 4}]
    assert await client.queue("jobs").dead_letters.dead_letter_reasons() == {
        "DerivationFailed": 1
    }


async def test_who_makes_one_may_manage_and_send() -> None:
    users = {"all": ["manage", "send"], "manager": ["manage"], "sensor": ["send"]}
    hashed = hash_password("secret")
    config = '[[queues]]\nname = "jobs"\n[[topics]]\nname = "site"\n' + "".join(
        f'[[users]]\nname = "{name}"\npassword_hash = "{hashed}"\nrights = {rights}\n'
        for name, rights in users.items()
    )
    with BrokerProcess(config=config, dev=False) as broker:
        for name in users:
            async with connect(f"amqp://{name}:secret@127.0.0.1:{broker.amqp_port}") as client:
                site = client.topic("site")
                if name == "all":
                    await site.derive("fire", to="jobs")
                    await site.update_derivation("fire", key="a")
                else:
                    lacking = "send on 'jobs'" if name == "manager" else "manage on"
                    with pytest.raises(Refused, match=lacking):
                        await site.derive("again", to="jobs")
                    with pytest.raises(Refused, match=lacking):
                        await site.update_derivation("fire", key="b")
