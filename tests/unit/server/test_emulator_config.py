"""The emulator's Config.json as configuration, and what is said of a wrong one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.server.bad_config import BadConfig
from peeklock.server.config import Config, http_address, load
from peeklock.server.json_places import line_of, shown_path, without_comments

# As Azure's documentation has it, shortened.
OFFICIAL: dict[str, Any] = {
    "UserConfig": {
        "Namespaces": [
            {
                "Name": "sbemulatorns",
                "Queues": [
                    {
                        "Name": "queue.1",
                        "Properties": {
                            "DeadLetteringOnMessageExpiration": False,
                            "DefaultMessageTimeToLive": "PT1H",
                            "DuplicateDetectionHistoryTimeWindow": "PT20S",
                            "ForwardDeadLetteredMessagesTo": "",
                            "ForwardTo": "",
                            "LockDuration": "PT1M",
                            "MaxDeliveryCount": 3,
                            "RequiresDuplicateDetection": False,
                            "RequiresSession": False,
                        },
                    }
                ],
                "Topics": [
                    {
                        "Name": "topic.1",
                        "Properties": {
                            "DefaultMessageTimeToLive": "PT1H",
                            "DuplicateDetectionHistoryTimeWindow": "PT20S",
                            "RequiresDuplicateDetection": True,
                        },
                        "Subscriptions": [
                            {
                                "Name": "subscription.1",
                                "Properties": {"MaxDeliveryCount": 3, "RequiresSession": True},
                                "Rules": [
                                    {
                                        "Name": "app-prop-filter-1",
                                        "Properties": {
                                            "FilterType": "Correlation",
                                            "CorrelationFilter": {
                                                "ContentType": "application/json",
                                                "Label": "subject1",
                                                "Properties": {"prop1": "value1", "two": 2},
                                            },
                                        },
                                    },
                                    {
                                        "Name": "user-prop-filter-1",
                                        "Properties": {
                                            "FilterType": "Sql",
                                            "SqlFilter": {"SqlExpression": "a = 1"},
                                            "Action": {"SqlExpression": "SET b = 2"},
                                        },
                                    },
                                ],
                            },
                            {"Name": "subscription.2"},
                        ],
                    }
                ],
            }
        ],
        "Logging": {"Type": "File"},
    }
}

# What a queue or subscription of the emulator has that says nothing of it.
LEFT_OUT = {"default_ttl_ms": 3_600_000, "lock_duration_ms": 60_000, "max_delivery_count": 3}


def written(folder: Path, text: str) -> Path:
    file = folder / "Config.json"
    file.write_text(text)
    return file


def test_the_official_one(tmp_path: Path) -> None:
    config = load({}, written(tmp_path, json.dumps(OFFICIAL)))
    (queue,) = config.queues
    assert queue.definition().name == "queue.1"
    assert queue.definition().settings == {
        "dead_letter_on_expiry": False,
        "default_ttl_ms": 3_600_000,
        "forward_dead_letters_to": "",
        "forward_to": "",
        "lock_duration_ms": 60_000,
        "max_delivery_count": 3,
        "requires_session": False,
        "duplicate_window_ms": 0,
    }
    (topic,) = config.topics
    assert topic.definition().settings == {
        "default_ttl_ms": 3_600_000,
        "duplicate_window_ms": 20_000,
    }
    first, second = topic.definition().subscriptions
    assert first.settings == LEFT_OUT | {"requires_session": True}
    assert first.rules == (
        (
            "app-prop-filter-1",
            {
                "kind": "correlation",
                "correlation": {
                    "sys.ContentType": "application/json",
                    "sys.Label": "subject1",
                    "prop1": "value1",
                    "two": 2,
                },
            },
        ),
        ("user-prop-filter-1", {"kind": "sql", "sql": "a = 1", "action": "SET b = 2"}),
    )
    assert (second.name, second.rules) == ("subscription.2", None)


def test_null_is_as_nothing(tmp_path: Path) -> None:
    """Tools that write the file say null where they have nothing to say."""
    topic = {
        "Name": "topic.1",
        "Properties": None,
        "Subscriptions": [
            {"Name": "a", "Properties": None, "Rules": None},
            {"Name": "b", "Rules": [{"Name": "all", "Properties": None}]},
            {"Name": "c", "Rules": [{"Name": "some", "Properties": CORRELATION}]},
        ],
    }
    names = {"Queues": [{"Name": "queue.1", "Properties": None}], "Topics": [topic]}
    whole = {"UserConfig": {"Namespaces": [names], "Logging": None}}
    config = load({}, written(tmp_path, json.dumps(whole)))
    assert config.queues[0].definition().settings == LEFT_OUT
    first, second, third = config.topics[0].definition().subscriptions
    assert (first.settings, first.rules) == (LEFT_OUT, None)
    assert second.rules == (("all", {"kind": "true"}),)
    assert third.rules is not None
    assert third.rules[0][1]["correlation"] == {"sys.Label": "x"}


def test_what_is_left_out_is_as_in_the_emulator(tmp_path: Path) -> None:
    detects = {"RequiresDuplicateDetection": True}
    names = {
        "Queues": [
            {"Name": "plain"},
            {"Name": "once", "Properties": detects},
            {"Name": "own", "Properties": {"MaxDeliveryCount": 7}},
        ],
        "Topics": [{"Name": "topic"}, {"Name": "topic-once", "Properties": detects}],
    }
    whole = {"UserConfig": {"Namespaces": [names]}}
    config = load({}, written(tmp_path, json.dumps(whole)))
    plain, once, own = (queue.definition().settings for queue in config.queues)
    assert plain == LEFT_OUT
    assert once == LEFT_OUT | {"duplicate_window_ms": 20_000}
    assert own == LEFT_OUT | {"max_delivery_count": 7}
    topic, topic_once = (topic.definition().settings for topic in config.topics)
    assert topic == {"default_ttl_ms": 3_600_000}
    assert topic_once == {"default_ttl_ms": 3_600_000, "duplicate_window_ms": 20_000}


@pytest.mark.parametrize(("window", "ms"), [("PT5S", 5_000), ("PT5M", 300_000)])
def test_the_emulators_windows(tmp_path: Path, window: str, ms: int) -> None:
    """Its range is 5 s to 5 min, below and within Azure's."""
    text = json.dumps(OFFICIAL).replace('"PT20S"', f'"{window}"')
    config = load({}, written(tmp_path, text))
    assert config.topics[0].definition().settings["duplicate_window_ms"] == ms


COMMENTED = """// what my tests need
{
  "UserConfig": {
    /* one, of
       any name */
    "Namespaces": [{"Name": "a//b", "Queues": [
      {"Name": "orders/*x*/" // not the end
        // "Properties": {"MaxDeliveryCount": 1}
      }]
    }]
  }
}
"""


def test_comments(tmp_path: Path) -> None:
    """The file that comes with the emulator has some; lines and columns stay what they are."""
    config = load({}, written(tmp_path, COMMENTED))
    assert [queue.name for queue in config.queues] == ["orders/*x*/"]
    for old, new, where in [
        ('"orders/*x*/"', "1", f"Config.json:7: {AT}.Queues[0].Name: "),
        ("}]\n  }", "]\n  }", "Config.json:10: column 5: no JSON"),
        ("// not the end", "/* no end", "Config.json:7: column 30: no JSON"),
    ]:
        assert old in COMMENTED
        with pytest.raises(BadConfig) as raised:
            load({}, written(tmp_path, COMMENTED.replace(old, new)))
        assert where in str(raised.value)


@given(st.text(alphabet='"\\/* \na', max_size=40))
def test_comments_of_any_text(text: str) -> None:
    """What is no comment stays where it is, and strings are left alone."""
    blanked = without_comments(text)
    assert len(blanked) == len(text)
    assert all(b in (a, " ") for a, b in zip(text, blanked, strict=True))
    assert blanked.count("\n") == text.count("\n")
    quoted = json.dumps(text)
    assert without_comments(quoted) == quoted


CORRELATION = {
    "FilterType": "Correlation",
    "SqlFilter": None,
    "Action": None,
    "CorrelationFilter": {"Label": "x", "To": None, "Properties": None},
}
AT = "UserConfig.Namespaces[0]"
RULE = f"{AT}.Topics[0].Subscriptions[0].Rules[1].Properties"


@pytest.mark.parametrize(
    ("old", "new", "where", "why"),
    [
        ('"PT1M"', '"PT0S"', f"{AT}.Queues[0].Properties.LockDuration", "allowed is 100"),
        ('"PT1M"', '"1 min"', f"{AT}.Queues[0].Properties.LockDuration", "is no duration"),
        ('"LockDuration"', '"Lock"', f"{AT}.Queues[0].Properties.Lock", "there are"),
        ('"queue.1"', "1", f"{AT}.Queues[0].Name", "there is to be a string"),
        ('"Sql"', '"Cesql"', f"{RULE}.FilterType", "there are Sql and Correlation"),
        ('"a = 1"', '"a ="', RULE, "line 1, column 4"),
        ('"SqlFilter"', '"Filter"', f"{RULE}.Filter", "there are"),
        ('"Queues"', '"Queue"', f"{AT}.Queue", "there are"),
        ('"Namespaces"', '"Namespace"', "UserConfig.Namespace", "there are"),
    ],
)
def test_a_wrong_one(tmp_path: Path, old: str, new: str, where: str, why: str) -> None:
    text = json.dumps(OFFICIAL, indent=2)
    assert text.count(old) >= 1
    wrong = text.replace(old, new, 1)
    line = next(
        place
        for place, (a, b) in enumerate(
            zip(text.splitlines(), wrong.splitlines(), strict=True), 1
        )
        if a != b
    )
    with pytest.raises(BadConfig) as raised:
        load({}, written(tmp_path, wrong))
    message = str(raised.value)
    assert f": {where}: " in message
    assert why in message
    if where != RULE:  # a filter's line is that of its rule
        assert f"Config.json:{line}: " in message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"UserConfig": {,}}', "Config.json:1: column 17: no JSON"),
        ("[]", "Config.json:1: : that is no object"),
        ("{}", "UserConfig: is missing"),
        ('{"UserConfig": {"Namespaces": [{}, {}]}}', "one broker has one namespace"),
        ('{"UserConfig": {"Namespaces": {}}}', "UserConfig.Namespaces: that is no array"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_no_such_file(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(BadConfig) as raised:
        load({}, written(tmp_path, text))
    assert why in str(raised.value)


def test_all_mistakes_are_named(tmp_path: Path) -> None:
    text = json.dumps(OFFICIAL, indent=2)
    for old, new in [
        ('"PT1M"', '"PT0S"'),
        ('"queue.1"', "1"),
        ('"Sql"', '"Cesql"'),
        ('"topic.1"', '""'),
    ]:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(BadConfig) as raised:
        load({}, written(tmp_path, text))
    places = [mistake.split(": ")[1] for mistake in raised.value.mistakes]
    assert places == [
        f"{AT}.Queues[0].Properties.LockDuration",
        f"{RULE}.FilterType",
        f"{AT}.Topics[0].Name",
    ]


def test_where_the_emulator_has_it_mounted(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(OFFICIAL))
    assert [one.name for one in load({"emulator": True}, None, file).queues] == ["queue.1"]
    assert load({}, None, file).queues == []
    assert load({"emulator": True}, None, tmp_path / "none").queues == []


def test_twice(tmp_path: Path) -> None:
    topics = {"Topics": [{"Name": "a"}, {"Name": "A"}]}
    text = json.dumps({"UserConfig": {"Namespaces": [topics]}})
    with pytest.raises(BadConfig, match="topic 'a' is there twice"):
        load({}, written(tmp_path, text))


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "environment", "address"),
        [
            ({}, {}, "127.0.0.1:8180"),
            ({"http": "off"}, {}, None),
            ({"http": "127.0.0.1:1"}, {"EMULATOR_HTTP_PORT": "2"}, "127.0.0.1:1"),
            ({}, {"EMULATOR_HTTP_PORT": "2"}, "127.0.0.1:8180"),
            ({"emulator": True}, {}, "127.0.0.1:5300"),
            ({"emulator": True, "amqp": "0.0.0.0:5672"}, {}, "0.0.0.0:5300"),
            ({"emulator": True, "amqp": "[::]:5672"}, {}, "[::]:5300"),
            ({"emulator": True}, {"EMULATOR_HTTP_PORT": "2"}, "127.0.0.1:2"),
        ],
    )
    def test_http(
        self, given: dict[str, Any], environment: dict[str, str], address: str | None
    ) -> None:
        assert http_address(Config(**given), environment) == address

    def test_no_port(self) -> None:
        with pytest.raises(BadConfig, match="EMULATOR_HTTP_PORT is 'x', no port"):
            http_address(Config(emulator=True), {"EMULATOR_HTTP_PORT": "x"})

    def test_only_the_emulator_is_open_to_others(self) -> None:
        assert load({"emulator": True, "amqp": "0.0.0.0:5672", "http": "0.0.0.0:1"})
        for other in ({"dev": True}, {}):
            with pytest.raises(BadConfig, match="loopback"):
                load({**other, "http": "0.0.0.0:1"})


def test_lines() -> None:
    text = '{\n "a": [1,\n {"b\\"}": "]",\n\n "c": 2}]}'
    assert line_of(text, ()) == 1
    assert line_of(text, ("a",)) == 2
    assert line_of(text, ("a", 1)) == 3
    assert line_of(text, ("a", 1, 'b"}')) == 3
    assert line_of(text, ("a", 1, "c")) == 5
    assert line_of(text, ("a", 7, "c")) == 2  # the nearest that is there
    assert shown_path(("a", 1, "c")) == "a[1].c"
