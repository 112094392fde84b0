"""Derived jobs through the client, the command and the configuration, against a real broker."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peeklock_client import Client, NotFound, Refused, Topic, connect
from tests.support.broker_process import BrokerProcess, serve_until_it_ends
from tests.support.soon import SOON

MODULE = (sys.executable, "-m", "peeklock_client.cli.main")
SUBJECT = "building/41/floor/3/room/4/sensors/fire"
CONFIG = """
[[topics]]
name = "site"

[[topics.derivations]]
name = "fire"
to = "evacuations"
path = "building/{building}/#"
sql = "[data.alert] = TRUE"
key = "${path.building}"
properties = { building = "${path.building}" }

[topics.derivations.body]
building = "${path.building}"
degrees = "${data.t}"

[[queues]]
name = "evacuations"
"""


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def site(client: Client) -> Topic:
    await client.create_queue("evacuations")
    return await client.create_topic("site")


async def test_a_signal_makes_a_job_that_a_worker_has(client: Client, site: Topic) -> None:
    made = await site.derive(
        "fire", to="evacuations", sql="[data.alert] = TRUE", body={"degrees": "${data.t}"}
    )
    assert made["kind"] == "each"
    await site.send({"alert": False, "t": 20}, subject=SUBJECT)
    await site.send({"alert": True, "t": 81}, subject=SUBJECT, message_id="m-1")
    await site.send({"alert": True, "t": 81}, subject=SUBJECT, message_id="m-1")
    jobs = [job async for job in client.queue("evacuations").receive(wait=SOON)]
    assert [job.json() for job in jobs] == [{"degrees": 81}]
    assert jobs[0].properties["cause_id"] == "m-1"
    assert (await site.info())["derivations"] == 1


async def test_they_are_listed_shown_and_deleted(client: Client, site: Topic) -> None:
    for name in ("fire", "Door"):
        await site.derive(name, to="evacuations")
    assert [one["name"] for one in await site.derivations()] == ["Door", "fire"]
    assert (await site.derivation("FIRE"))["to"] == "evacuations"
    await site.remove_derivation("fire")
    with pytest.raises(NotFound):
        await site.derivation("fire")
    await site.send("x")
    assert (await client.queue("evacuations").info())["active"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nonsense": 1}, "'fire': there is no setting 'nonsense'; there are to, kind"),
        ({"key": 1}, "key is a string, not 1"),
        ({"kind": "some"}, "kind is 'some'; there are each"),
        ({"properties": {"a": 1}}, "properties has 'a': 1; expected texts"),
        ({"body": '{"a": "${b}"}'}, "line 1, column 10: no placeholder begins with 'b'"),
        ({"path": "a/#/b"}, "line 1, column 3"),
        ({"kind": "debounce"}, "period_ms is 0; for debounce it is 100 to"),
        ({"kind": "threshold"}, "above and below are missing"),
        ({"kind": "threshold", "above": "hot", "value": "1"}, "above is a number, not 'hot'"),
        ({"kind": "threshold", "above": 1, "value": "${data"}, "(the value of derivation"),
        ({"above": 1, "value": "${data.t}"}, "kind is each, with what only a threshold has"),
    ],
)
async def test_what_is_wrong_is_named(
    site: Topic, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(Refused, match=r".") as refused:
        await site.derive("fire", to="evacuations", **settings)
    assert said in str(refused.value)


async def test_it_is_changed_and_remembers_through_a_crash(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        await client.create_queue("evacuations")
        site = await client.create_topic("site")
        await site.derive(
            "warm",
            to="evacuations",
            kind="threshold",
            value="${data.t}",
            key="${data.room}",
            aggregate="avg",
            over_count=3,
            above=22,
            below=10,
        )
        for t in (20, 21):
            await site.send({"t": t, "room": 4})
        changed = await site.update_derivation(
            "WARM", above=20.5, below=None, body='"${value}"'
        )
        assert (changed["name"], changed["above"], changed["keys"]) == ("warm", 20.5, 1)
        assert "below" not in changed
        assert changed["over_count"] == 3
        with pytest.raises(Refused, match="key cannot change, since what it remembers"):
            await site.update_derivation("warm", key="")
        with pytest.raises(NotFound):
            await site.update_derivation("cold", above=1)
    broker.kill()
    broker.restart()
    async with connect(broker.url) as client:
        site = client.topic("site")
        assert await site.derivation("warm") == changed
        await site.send({"t": 22, "room": 4})
        jobs = [job async for job in client.queue("evacuations").receive(wait=SOON)]
        assert [job.json() for job in jobs] == [21.0]


async def test_a_name_that_is_none_of_a_derivation(site: Topic, client: Client) -> None:
    with pytest.raises(Refused, match="names no derivation"):
        await client.request("", "READ", "site", {}, kind="derivation")


async def test_the_configuration_makes_it_once() -> None:
    with BrokerProcess(config=CONFIG) as broker:
        for _ in range(2):
            async with connect(broker.url) as client:
                (one,) = await client.topic("site").derivations()
                assert json.loads(one["body"])["degrees"] == "${data.t}"
                body = {"alert": True, "t": 81}
                await client.topic("site").send(body, subject=SUBJECT, message_id="m-1")
            broker.kill()
            broker.restart()
        async with connect(broker.url) as client:
            jobs = [job async for job in client.queue("evacuations").receive(wait=SOON)]
    assert [job.json() for job in jobs] == [{"building": "41", "degrees": 81}]
    assert jobs[0].properties["building"] == "41"


def test_a_mistake_in_the_configuration_is_named(tmp_path: Path) -> None:
    file = tmp_path / "peeklock.toml"
    file.write_text(CONFIG.replace("${data.t}", "${date.t}"))
    code, stderr = serve_until_it_ends("--config", str(file), "--ephemeral")
    assert code == 2
    assert "topic 'site'" in stderr
    assert "no placeholder begins with 'date'" in stderr


def run(broker: BrokerProcess, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [*MODULE, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PEEKLOCK_URL": broker.url, "COLUMNS": "100"},
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_derivations_by_words(broker: BrokerProcess) -> None:
    run(broker, "queue", "create", "evacuations")
    run(broker, "topic", "create", "site")
    words = [
        *("--to", "evacuations", "--path", "building/{building}/#"),
        *("--key", "${path.building}", "--property", "building=${path.building}"),
        *("--body", '{"degrees": "${data.t}"}'),
    ]
    assert run(broker, "derive", "add", "site", "fire", *words) == "added fire\n"
    assert run(broker, "derive", "list", "site").splitlines()[1].split() == [
        "fire",
        "each",
        "evacuations",
    ]
    shown = json.loads(run(broker, "derive", "show", "site", "fire", "--json"))
    assert shown["properties"] == {"building": "${path.building}"}
    assert 'properties            {"building"' in run(broker, "derive", "show", "site", "fire")
    run(broker, "send", "site", '{"t": 81}', "--subject", SUBJECT)
    assert run(broker, "receive", "evacuations", "-n", "1") == '{"degrees":81}\n'
    again = run(broker, "derive", "add", "site", "fire", *words, code=1)
    assert "'site/Derivations/fire' exists already" in again
    both = ("--sql", "a = 1", "--cesql", "a = 1")
    run(broker, "derive", "add", "site", "x", "--to", "evacuations", *both, code=2)
    figures = [
        *(
            "--kind",
            "threshold",
            "--value",
            "${data.t}",
            "--aggregate",
            "avg",
            "--over",
            "10min",
        ),
        *("--above", "22", "--below", "18.5", "--hysteresis", "0.5"),
    ]
    run(broker, "derive", "add", "site", "climate", "--to", "evacuations", *figures)
    shown = json.loads(run(broker, "derive", "show", "site", "climate", "--json"))
    assert (shown["over_ms"], shown["above"], shown["below"]) == (600_000, 22.0, 18.5)
    warmer = (
        "update",
        "site",
        "climate",
        "--above",
        "23",
        "--over",
        "5min",
        "--unset",
        "below",
    )
    assert run(broker, "derive", *warmer) == "changed climate\n"
    run(broker, "derive", "update", "site", "climate", "--ignore-errors")
    shown = json.loads(run(broker, "derive", "show", "site", "climate", "--json"))
    assert (shown["over_ms"], shown["above"], shown["hysteresis"]) == (300_000, 23.0, 0.5)
    assert ("below" in shown, shown["dead_letter_on_error"]) == (False, False)
    words = ("derive", "update", "site", "climate", "--unset", "ignore-errors", "--json")
    assert json.loads(run(broker, *words))["dead_letter_on_error"]
    for wrong, said in (
        ((), "nothing to change"),
        (("--unset", "to"), "--unset 'to': there are kind, period"),
        (("--unset", "key", "--key", "a"), "say two things"),
        (("--sql", "a = 1", "--cesql", "a = 1"), "two derivations"),
    ):
        assert said in run(broker, "derive", "update", "site", "climate", *wrong, code=2)
    lost = ("--kind", "absence", "--period", "90s", "--key", "${event.source}")
    run(broker, "derive", "add", "site", "lost", "--to", "evacuations", *lost)
    shown = json.loads(run(broker, "derive", "show", "site", "lost", "--json"))
    assert (shown["kind"], shown["period_ms"]) == ("absence", 90_000)
    added = ("add", "site", "quiet", "--to", "evacuations", "--ignore-errors", "--json")
    assert not json.loads(run(broker, "derive", *added))["dead_letter_on_error"]
    assert run(broker, "derive", "delete", "site", "fire") == "deleted fire\n"
