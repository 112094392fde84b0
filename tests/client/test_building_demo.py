"""`peeklock demo building`: its report is true, and its audit notices what is wrong."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peeklock_client import PeeklockError, connect
from peeklock_client.demo.building.audit import (
    Outcome,
    Watch,
    alerts_owed,
    by_derivation,
    unoccupied,
)
from peeklock_client.demo.building.crew import QUEUES, Log
from peeklock_client.demo.building.day import NOON, POWER_CUT, Day
from peeklock_client.demo.building.mqtt_client import connect_mqtt
from peeklock_client.demo.building.site import SITE
from peeklock_client.location import parse_url
from tests.support.broker_process import BrokerProcess

FILE = Path(__file__).parents[2] / "examples/building/building.toml"
SECONDS_MAX = 110


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    """One that has made by itself what the demonstration makes."""
    with BrokerProcess("--config", str(FILE)) as one:
        yield one


def demo(broker: BrokerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "peeklock_client.cli.main", "demo", "building"]
    return subprocess.run(
        [*command, "--rooms", "2", "--mqtt", f"127.0.0.1:{broker.mqtt_port}", *words],
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
        env=os.environ | {"PEEKLOCK_URL": broker.url, "COLUMNS": "200"},
    )  # fmt: skip


def test_each_alert_has_its_job_once(broker: BrokerProcess) -> None:
    done = demo(broker, "--http", f"127.0.0.1:{broker.http_port}", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    day = Day(2)
    assert outcome["rooms"] == 40
    assert outcome["signals"] == sum(map(len, day.steps))
    assert outcome["repeated"] > 20
    assert outcome["alerts"] == outcome["answered"] == by_derivation(alerts_owed(day))
    assert outcome["jobs"] | {"gas": 0} == outcome["alerts"] | {"gas": 0}
    assert 3 <= outcome["jobs"]["gas"] <= outcome["alerts"]["gas"]
    assert outcome["taken_over"] >= 1
    assert outcome["unoccupied_at_noon"] == len(unoccupied(day, "41", NOON)) > 0
    assert outcome["missing"] == outcome["surplus"] == outcome["dead_letters"] == 0
    assert "(kill -9)" in done.stderr
    asyncio.run(look_at_what_is_left(broker))
    look_at_last_values(broker, day)


async def look_at_what_is_left(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        left = [one["name"] for one in await client.topic(SITE).derivations()]
        assert left == ["climate", "fire", "gas", "presence"]
        for name in QUEUES:
            assert (await client.queue(name).info())["messages"] == 0


def look_at_last_values(broker: BrokerProcess, day: Day) -> None:
    url = f"http://127.0.0.1:{broker.http_port}/{SITE}/last/building/42/floor/2?filter=occupied"
    with urllib.request.urlopen(url) as answer:
        told = {event["subject"] for event in json.load(answer)}
    latest: dict[str, bool] = {}
    for one in itertools.chain(*day.steps):
        if one.sensor == "occupancy" and one.room.floor_key == "42/2":
            latest[one.room.subject("occupancy")] = one.data["occupied"]
    assert told == {subject for subject, is_there in latest.items() if is_there}


def test_where_there_is_no_mqtt_it_says_so(broker: BrokerProcess) -> None:
    done = demo(broker, "--mqtt", "127.0.0.1:1")
    assert done.returncode == 1
    assert "no MQTT at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_is_none_is_wrong_usage(broker: BrokerProcess) -> None:
    done = demo(broker, "--http", "here")
    assert done.returncode == 2
    assert "'here' is no HOST:PORT" in done.stderr


@pytest.mark.parametrize("name", ["building", "ticketing"])
def test_a_broker_that_is_none_is_wrong_usage(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "peeklock_client.cli.main", "demo", name, "--url", "nonsense"],
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'nonsense' is no broker URL" in done.stderr
    assert "Traceback" not in done.stderr


async def test_what_the_broker_refuses_reaches_the_publisher(broker: BrokerProcess) -> None:
    location = replace(parse_url(broker.url), port=broker.mqtt_port)
    client = await connect_mqtt(location, "controller")
    with pytest.raises(PeeklockError, match="0x90"):
        await client.publish("$nothing/of/ours", b"{}", "application/json")
    await client.publish(f"{SITE}/building/41", b"{}", "application/json")
    broker.kill()
    with pytest.raises(PeeklockError, match="closed"):
        await client.publish(f"{SITE}/building/41", b"{}", "application/json")


def test_the_day_is_always_the_same_and_everything_happens_in_it() -> None:
    owed = alerts_owed(Day(15))
    assert owed == alerts_owed(Day(15))
    assert len(Day(15).rooms) == 300
    assert by_derivation(owed) == {
        "fire": 3, "gas": 17, "climate": 5, "presence": 7, "silent": 7,
    }  # fmt: skip
    assert owed["fire", "41"] == 2
    assert owed["climate", "42/3 above"] == 2
    assert owed["climate", "41/4 below"] == 1


def test_a_controller_without_power_says_nothing() -> None:
    day = Day(2)
    for number, signals in enumerate(day.steps):
        speaking = {one.room for one in signals if one.room in day.silent}
        assert speaking == (day.silent if number < POWER_CUT else set())


def test_a_watch_tells_once_until_the_figure_is_back() -> None:
    watch = Watch(18, 22, 0.5)
    told = [
        watch.look(figure) for figure in (20, 22, 22.1, 23, 21.8, 22.1, 21.5, 22.1, 17, 18.4)
    ]
    assert told == ["", "", "above", "", "", "", "", "above", "below", ""]


def good() -> Outcome:
    owed = Counter({("fire", "41"): 2, ("gas", "41/1"): 6, ("silent", "41/1/j/1"): 1})
    numbers: dict[str, Any] = dict.fromkeys(
        ("rooms", "signals", "repeated", "heartbeats", "taken_over", "dead_letters"), 0
    )
    return Outcome(
        owed=owed, answered=Counter(owed), jobs=Counter(), is_one_killed=True, late=set(),
        said_unoccupied=None, is_said_right=True, seconds=1.0, **numbers,
    )  # fmt: skip


def test_the_audit_notices_what_is_wrong() -> None:
    assert good().is_good
    lost = good()
    lost.answered["gas", "41/1"] -= 1
    assert (lost.missing, lost.is_good) == (Counter({("gas", "41/1"): 1}), False)
    twice = good()
    twice.answered["fire", "41"] += 1
    assert (twice.surplus, twice.is_good) == (Counter({("fire", "41"): 1}), False)
    false_alarm = good()
    false_alarm.answered["silent", "42/1/j/1"] += 1
    assert not false_alarm.is_good
    false_alarm.late = {"42/1/j/1"}  # its heartbeats came as late as that
    assert false_alarm.is_good
    assert not replace(good(), dead_letters=1).is_good
    assert not replace(good(), is_said_right=False).is_good


def test_the_crews_log_takes_a_job_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "crew.sqlite")
    log.begin("job 1")
    assert log.in_hand(os.getpid()) == 1
    for _ in range(2):
        log.finish("job 1", ("gas", "41/1"), 6)
    assert log.in_hand(os.getpid()) == 0
    assert log.answered() == {("gas", "41/1"): 6}
    assert log.jobs() == {"gas": 1}
    log.close()
