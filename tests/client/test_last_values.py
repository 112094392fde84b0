"""Last values through the client and the command: how things are, at any level of a topic."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from peeklock.limits import LAST_VALUES_PAGE_MAX, LAST_VALUES_SLICE, PEEK_BYTES_MAX
from peeklock.security.passwords import hash_password
from peeklock_client import Client, NotFound, Refused, Topic, connect
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import mqtt_peer

MODULE = (sys.executable, "-m", "peeklock_client.cli.main")
ROOMS = ("41/1/lobby", "41/2/attic", "41/2/lobby", "42/1/lobby")


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def rooms(client: Client) -> Topic:
    topic = await client.create_topic("site/rooms", keep_last_value=True)
    for subject in ROOMS:
        is_there = subject != "41/2/attic"
        for occupied in (not is_there, is_there):
            await topic.send(
                {"n": int(occupied)}, subject=subject, properties={"occupied": occupied}
            )
    return topic


async def subjects(topic: Topic, path: str = "", **wanted: str) -> list[str | None]:
    return [value.subject async for value in topic.last_values(path, **wanted)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", list(ROOMS)),
        ("41/2", ["41/2/attic", "41/2/lobby"]),
        ("4", []),
        ("+/1/lobby", ["41/1/lobby", "42/1/lobby"]),
        ("41/#", ["41/1/lobby", "41/2/attic", "41/2/lobby"]),
    ],
)
async def test_at_any_level(rooms: Topic, path: str, expected: list[str]) -> None:
    assert await subjects(rooms, path) == expected


async def test_which_rooms_in_building_41_are_unoccupied(rooms: Topic) -> None:
    assert await subjects(rooms, "41", cesql="NOT occupied") == ["41/2/attic"]
    assert await subjects(rooms, "41", sql="occupied = FALSE") == ["41/2/attic"]
    assert await subjects(rooms, sql="occupied AND sys.Label LIKE '42%'") == ["42/1/lobby"]
    assert await subjects(rooms, "41", sql="[data.n] < 1 AND NOT occupied") == ["41/2/attic"]
    await rooms.send(b"no JSON", subject="41/3")
    assert await subjects(rooms, "41", sql="[data.n] < 1") == ["41/2/attic"]
    assert await subjects(rooms, "41", sql="[data.n] IS NULL") == ["41/3"]


async def test_a_value_is_the_newest_signal_with_all_that_it_has(rooms: Topic) -> None:
    value = await rooms.last_value("41/2/lobby")
    assert value is not None
    assert value.json() == {"n": 1}
    assert value.application_properties == {"occupied": True}
    assert value.enqueued_at is not None
    assert value.as_map()["subject"] == "41/2/lobby"
    assert await rooms.last_value("41/2") is None
    assert await rooms.last_value("41/2/") is None


async def test_one_can_be_cleared(rooms: Topic) -> None:
    for _ in range(2):
        await rooms.clear_last_value("41/2/lobby")
    assert await subjects(rooms, "41/2") == ["41/2/attic"]
    with pytest.raises(Refused, match="is no single subject"):
        await rooms.clear_last_value("41/#")


async def test_a_signal_without_a_subject_and_events_by_mqtt(
    broker: BrokerProcess, client: Client
) -> None:
    topic = await client.create_topic("site/rooms", keep_last_value=True)
    await topic.send("all")
    with mqtt_peer(broker.mqtt_port) as sensor:
        sensor.put("site/rooms/43", b"hot")
    assert await subjects(topic) == [None, "43"]
    await client.create_queue("jobs")
    with pytest.raises(Refused, match="'jobs' is no topic: those keep last values"):
        await client.request("jobs", "peeklock:last-values", "", {})


async def test_slice_by_slice(client: Client) -> None:
    """However many there are, and however large; those that pass are few."""
    topic = await client.create_topic("many", keep_last_value=True)
    count = 2 * LAST_VALUES_SLICE + 1
    for number in range(count):
        await topic.send(str(number), subject=f"{number:04}", properties={"n": number})
    large = "x" * (PEEK_BYTES_MAX // 2 + 1)
    for number in range(3):
        await topic.send(large, subject=f"large/{number}")
    everything = [f"{number:04}" for number in range(count)]
    everything += [f"large/{number}" for number in range(3)]
    assert await subjects(topic) == everything
    assert await subjects(topic, cesql=f"n > {count - 2}") == [f"{count - 1:04}"]
    values = [value async for value in topic.last_values("large")]
    assert [len(value.body) for value in values] == [len(large)] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "a/#/b"}, "#"),
        ({"filter": "a = ="}, "line 1"),
        ({"filter": "a = 1", "dialect": "english"}, "no filters are written in 'english'"),
        ({"message-count": 0}, f"allowed is 1 to {LAST_VALUES_PAGE_MAX}"),
        ({"after": "41"}, "after is an array"),
        ({"after": [1]}, "after has 1 in it"),
    ],
)
async def test_what_is_wrong_is_named(
    client: Client, rooms: Topic, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(Refused) as refused:
        await client.request(rooms.name, "peeklock:last-values", "", arguments)
    assert said in str(refused.value)


async def test_two_filters_are_one_too_many(rooms: Topic) -> None:
    with pytest.raises(ValueError, match="give one"):
        await subjects(rooms, cesql="a = 1", sql="a = 1")


async def test_who_asks_may_listen_and_who_clears_may_send() -> None:
    hashed = hash_password("secret")
    config = '[[topics]]\nname = "site"\nkeep_last_value = true\n' + "".join(
        f'[[users]]\nname = "{right}"\npassword_hash = "{hashed}"\nrights = ["{right}"]\n'
        for right in ("send", "listen")
    )
    with BrokerProcess(config=config, dev=False) as broker:
        at = f"@127.0.0.1:{broker.amqp_port}"
        async with connect(f"amqp://send:secret{at}") as client:
            with pytest.raises(NotFound):
                await subjects(client.topic("nowhere"))
            site = client.topic("site")
            await site.send("x", subject="a")
            with pytest.raises(Refused, match="listen on 'site'"):
                await subjects(site)
            await site.send("x", subject="b")
            await site.clear_last_value("b")
        async with connect(f"amqp://listen:secret{at}") as client:
            site = client.topic("site")
            assert await subjects(site) == ["a"]
            with pytest.raises(Refused, match="send on 'site'"):
                await site.clear_last_value("a")


def run(broker: BrokerProcess, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [*MODULE, "last", *words],
        capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PEEKLOCK_URL": broker.url},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


async def test_by_words(broker: BrokerProcess, rooms: Topic) -> None:
    lines = run(broker, rooms.name, "41/2").splitlines()
    assert [line.split("\t")[::2] for line in lines] == [
        ["41/2/attic", '{"n": 0}'],
        ["41/2/lobby", '{"n": 1}'],
    ]
    assert all("T" in line.split("\t")[1] for line in lines)
    said = run(broker, rooms.name, "--cesql", "NOT occupied", "--json")
    assert json.loads(said)["subject"] == "41/2/attic"
    assert run(broker, rooms.name, "--sql", "occupied = FALSE").startswith("41/2/attic\t")
    assert len(run(broker, rooms.name, "-n", "2").splitlines()) == 2
    assert run(broker, rooms.name, "43") == ""
    assert "give one" in run(broker, rooms.name, "--sql", "a", "--cesql", "a", code=2)
    assert "'jobs' is no topic" in run(broker, "jobs", code=1)
