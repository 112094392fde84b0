"""Topics that the configuration wants to be there."""

from pathlib import Path

from peeklock_client import connect
from tests.support.broker_process import BrokerProcess, serve_until_it_ends

WANTED = """
[[topics]]
name = "tickets"
default_ttl_ms = 60_000

[[topics.subscriptions]]
name = "erp"
max_delivery_count = 5

[[topics.subscriptions]]
name = "later"

[[topics.subscriptions.rules]]
name = "not yet"
kind = "false"

[[topics.subscriptions]]
name = "gate"

[[topics.subscriptions.rules]]
name = "sold"
correlation = { "sys.Label" = "sold", site = 3 }

[[topics.subscriptions.rules]]
name = "big"
sql = "amount > 100"
action = "SET big = TRUE"
"""


async def test_topics_subscriptions_and_rules_are_made_once() -> None:
    broker = BrokerProcess(config=WANTED)
    with broker:
        async with connect(broker.url) as client:
            tickets = client.topic("tickets")
            assert (await tickets.info())["default_ttl_ms"] == 60_000
            erp, gate, later = await tickets.subscriptions()
            assert (erp["max_delivery_count"], erp["rules"]) == (5, ["$Default"])
            assert later["rules"] == ["not yet"]
            assert gate["rules"] == ["sold", "big"]
            await tickets.send("one", subject="sold", properties={"site": 3, "amount": 101})
            await tickets.send("two", subject="sold", properties={"site": 4})
            copies = await client.subscription("tickets", "gate").peek()
            assert [copy.application_properties.get("big") for copy in copies] == [None, True]
            await client.subscription("tickets", "later").update_rule("not yet")
            await tickets.subscription("erp").delete()
        assert broker.terminate() == 0
        broker.restart()
        async with connect(broker.url) as client:
            erp, _gate, later = await client.topic("tickets").subscriptions()
            assert (erp["messages"], later["messages"]) == (0, 0)
            [rule] = await client.subscription("tickets", "later").rules()
            assert rule["kind"] == "true", "what is there stays as it is"


def test_what_is_wrong_in_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "peeklock.toml"
    file.write_text(WANTED.replace('kind = "false"', 'kind = "maybe"'))
    data = ("--dev", "--data-dir", str(tmp_path / "data"), "--amqp", "127.0.0.1:0")
    code, words = serve_until_it_ends("--config", str(file), *data)
    assert code != 0
    assert "topic 'tickets'" in words
    assert "no filter is called 'maybe'" in words
    assert "rule 'not yet'" in words
