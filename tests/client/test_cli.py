"""The `peeklock` command against a real broker: words, exit codes, JSON."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from peeklock_client.cli.main import VERBS, build
from tests.support.broker_process import BrokerProcess
from tests.support.soon import SOON

MODULE = (sys.executable, "-m", "peeklock_client.cli.main")
SECONDS_MAX = 60


class Cli:
    """Runs the command with a broker's URL in its environment."""

    def __init__(self, url: str) -> None:
        self.environment = os.environ | {"PEEKLOCK_URL": url, "COLUMNS": "100"}

    def run(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """Its stdout, or for a refusal its stderr; the exit code is checked."""
        done = subprocess.run(
            [*MODULE, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            env=self.environment,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run(*words, "--json").splitlines()]


@pytest.fixture
def cli(broker: BrokerProcess) -> Cli:
    return Cli(broker.url)


def test_a_job_goes_from_send_to_receive(cli: Cli) -> None:
    sent = cli.run("send", "orders", "book me", "--property", "vip=yes").strip()
    [peeked] = cli.json("peek", "orders")
    assert peeked["message_id"] == sent
    assert peeked["properties"] == {"vip": "yes"}
    assert cli.run("peek", "orders") == "1\tactive\t0\tbook me\n"
    assert cli.run("receive", "orders", "-n", "1") == "book me\n"
    assert cli.run("receive", "orders", "--wait", "0.1") == ""


def test_each_line_of_stdin_is_a_job(cli: Cli) -> None:
    assert cli.run("send", "orders", stdin="a\n\nb\nc") == "3 sent\n"
    assert cli.run("receive", "orders", "--wait", str(SOON)) == "a\nb\nc\n"


def test_lines_leave_as_they_come(cli: Cli) -> None:
    """`tail -f log | peeklock send` does not wait for more."""
    with subprocess.Popen(
        [*MODULE, "send", "orders"],
        env=cli.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b"first\nsec")
        process.stdin.flush()
        assert cli.run("receive", "orders", "-n", "1", "--wait", "30") == "first\n"
        out, _err = process.communicate(b"ond\r\n\xff\xfe", timeout=SECONDS_MAX)
    assert out == b"3 sent\n"
    assert [job.get("body") for job in cli.json("receive", "orders", "-n", "2")] == [
        "second",
        None,
    ]


def test_a_file_is_one_job_byte_for_byte(cli: Cli, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40 + b"\n\n"
    file = tmp_path / "scan"
    file.write_bytes(content)
    for _ in range(2):
        cli.run("send", "orders", "--file", str(file))
    [peeked] = cli.json("peek", "orders", "-n", "1")
    assert base64.b64decode(str(peeked["body_base64"])) == content
    [line, _second] = cli.run("peek", "orders").splitlines()
    assert "\\x00\\x01" in line
    done = subprocess.run(
        [*MODULE, "receive", "orders", "--raw"],
        env=cli.environment, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == content * 2


def test_what_is_given_back_is_shown_once(cli: Cli) -> None:
    cli.run("send", "orders", stdin="a\nb\n")
    for then in ("release", "abandon"):
        shown = cli.run("receive", "orders", "--then", then)
        assert sorted(shown.splitlines()) == ["a", "b"]
    assert [job["delivery_count"] for job in cli.json("peek", "orders")] == [1, 1]


def test_peek_tells_who_waits_for_what(cli: Cli) -> None:
    cli.run("queue", "create", "orders", "--set", "retry_first_ms=600000")
    cli.run("send", "orders", "fails")
    cli.run("receive", "orders", "-n", "1", "--then", "abandon")
    cli.run("send", "orders", "deferred")
    cli.run("receive", "orders", "-n", "1", "--then", "defer")
    cli.run("send", "orders", "later", "--delay", "600")
    cli.run("send", "orders", "held")
    cli.run("send", "orders", "waits")
    with subprocess.Popen(
        [*MODULE, "work", "orders", "--exec", "sleep 600", "-c", "1"], env=cli.environment
    ) as process:
        while cli.json("queue", "show", "orders")[0]["locked"] != 1:
            assert process.poll() is None
        states = [(job["body"], job["state"]) for job in cli.json("peek", "orders")]
        for _ in range(2):  # the second insists
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert process.wait(SECONDS_MAX) == 0
    assert states == [
        ("fails", "scheduled"),
        ("deferred", "deferred"),
        ("later", "scheduled"),
        ("held", "locked"),
        ("waits", "active"),
    ]
    assert cli.json("queue", "show", "orders")[0]["locked"] == 0


def test_deferred_jobs_are_had_by_their_numbers(cli: Cli) -> None:
    cli.run("send", "orders", stdin="a\nb\nc\n")
    cli.run("receive", "orders", "--then", "defer")
    waiting = cli.json("peek", "orders")
    assert [(job["sequence_number"], job["state"]) for job in waiting] == [
        (1, "deferred"), (2, "deferred"), (3, "deferred")
    ]  # fmt: skip
    words = cli.run("receive", "orders", "--deferred", "2", "--deferred", "9", code=1)
    assert "9" in words
    assert len(words.splitlines()) == 1
    assert cli.run("receive", "orders", "--deferred", "2", "--then", "release") == "b\n"
    [shown] = cli.json("receive", "orders", "--deferred", "3")
    assert (shown["body"], shown["sequence_number"]) == ("c", 3)
    assert cli.run("receive", "orders", "--deferred", "2", "--deferred", "1") == "b\na\n"
    assert cli.json("peek", "orders") == []
    for more in (("-n", "1"), ("--next-session",), ("--selector", "a = 1")):
        assert "--deferred" in cli.run("receive", "orders", "--deferred", "1", *more, code=2)


def test_deferred_jobs_of_a_session_are_had_in_it(cli: Cli) -> None:
    cli.run("queue", "create", "bookings", "--set", "requires_session=true")
    cli.run("send", "bookings", "--session", "a", "later")
    taken = cli.run(
        "receive", "bookings", "--session", "a", "--then", "defer", "--wait", str(SOON)
    )
    assert taken == "later\n"
    assert "session" in cli.run("receive", "bookings", "--deferred", "1", code=1)
    assert cli.run("receive", "bookings", "--session", "a", "--deferred", "1") == "later\n"


def test_a_session_is_sent_to_and_received_from(cli: Cli) -> None:
    cli.run("queue", "create", "bookings", "--set", "requires_session=true")
    cli.run("send", "bookings", "--session", "a", "1")
    cli.run("send", "bookings", "--session", "b", stdin="2\n3\n")
    assert "group-id" in cli.run("send", "bookings", "none", code=1)
    assert [one["session_id"] for one in cli.json("peek", "bookings")] == ["a", "b", "b"]
    assert cli.run("peek", "bookings", "--session", "a") == "1\tactive\t0\t1\n"
    assert cli.run("receive", "bookings", "--session", "b", "--wait", str(SOON)) == "2\n3\n"
    assert cli.run("receive", "bookings", "--next-session", "-n", "1") == "1\n"
    assert cli.run("receive", "bookings", "--next-session", "--wait", "0.1") == ""
    words = cli.run("receive", "bookings", "--session", "a", "--next-session", code=2)
    assert "not both" in words


def test_queues_are_made_listed_changed_and_deleted(cli: Cli) -> None:
    created = cli.run("queue", "create", "orders", "--set", "lock_duration_ms=30000")
    assert created == "created orders\n"
    [view] = cli.json("queue", "list")
    assert view["lock_duration_ms"] == 30_000
    [view] = cli.json("queue", "update", "orders", "--set", "dead_letter_on_expiry=true")
    assert [view] == cli.json("queue", "show", "orders")
    assert view["dead_letter_on_expiry"] is True
    assert "lock_duration_ms" in cli.run("queue", "show", "orders")
    cli.run("queue", "pause", "orders")
    assert cli.json("queue", "show", "orders")[0]["paused"] is True
    cli.run("queue", "resume", "orders")
    cli.run("send", "orders", "a")
    assert cli.run("purge", "orders", "--where", "sys.Label = 'x'", "-y") == "0 removed\n"
    assert cli.run("queue", "undefer", "orders") == "0 returned\n"
    assert "no deferred message 7" in cli.run("queue", "undefer", "orders", "7", code=1)
    assert cli.run("purge", "orders", "--yes") == "1 removed\n"
    cli.run("queue", "update", "orders", "--status", "send-disabled")
    assert "takes no messages for now" in cli.run("send", "orders", "a", code=1)
    assert "there are active, disabled" in cli.run(
        "queue", "update", "orders", "--status", "asleep", code=1
    )
    cli.run("queue", "delete", "orders", "--yes")
    assert "orders" not in cli.run("queue", "list")


def test_topics_subscriptions_and_rules_by_words(cli: Cli) -> None:
    cli.run("topic", "create", "tickets", "--set", "default_ttl_ms=60000")
    cli.run("subscription", "create", "tickets", "erp", "--set", "max_delivery_count=5")
    cli.run("send", "tickets", "sold", "--subject", "sold")
    assert cli.run("receive", "tickets/Subscriptions/erp", "-n", "1") == "sold\n"
    [topic] = cli.json("topic", "list")
    assert (topic["name"], topic["subscriptions"]) == ("tickets", 1)
    [subscription] = cli.json("subscription", "list", "tickets")
    assert (subscription["subscription"], subscription["max_delivery_count"]) == ("erp", 5)
    assert "erp" in cli.run("subscription", "list", "tickets")
    cli.run("rule", "create", "tickets", "erp", "none", "--nothing")
    cli.run("rule", "delete", "tickets", "erp", "$Default")
    [rule] = cli.json("rule", "list", "tickets", "erp")
    assert (rule["name"], rule["kind"]) == ("none", "false")
    assert cli.run("rule", "list", "tickets", "erp") == "none\tfalse\t\t\n"
    cli.run("subscription", "update", "tickets", "erp", "--set", "max_delivery_count=7")
    assert cli.json("subscription", "show", "tickets", "erp")[0]["max_delivery_count"] == 7
    cli.run("topic", "update", "tickets", "--set", "default_ttl_ms=0")
    assert cli.json("topic", "show", "tickets")[0]["default_ttl_ms"] == 0
    cli.run("subscription", "delete", "tickets", "erp", "--yes")
    cli.run("topic", "delete", "tickets", "--yes")
    assert cli.run("topic", "list").split() == ["topic", "subscriptions", "bytes", "status"]


def test_webhooks_by_words(cli: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("Bearer s3cret\n")
    sink = ("--push", "https://erp.example/a", "--push-authorization", str(secret))
    paused = ("--set", "push_status=paused", "--set", "push_timeout_ms=5s")
    headers = ("--set", 'push_headers={"X-Tenant": "7"}', "--set", "push_authorized_until=9")
    cli.run("topic", "create", "tickets")
    cli.run("subscription", "create", "tickets", "erp", *sink, *paused, *headers)
    cli.run("queue", "create", "orders", *sink, *paused, *headers)
    for shown in (("subscription", "show", "tickets", "erp"), ("queue", "show", "orders")):
        [found] = cli.json(*shown)
        assert found["push_to"] == "https://erp.example/a"
        assert (found["push_authorized"], found["push_timeout_ms"]) == (True, 5000)
        assert (found["push_headers"], found["push_authorized_until"]) == (
            '{"X-Tenant": "7"}',
            9,
        )
        assert "s3cret" not in cli.run(*shown)
    cli.run("subscription", "update", "tickets", "erp", "--push", "")
    [found] = cli.json("subscription", "show", "tickets", "erp")
    assert (found["push_to"], found["push_authorized"]) == ("", False)
    assert "push_to begins with" in cli.run("queue", "update", "orders", "--push", "x", code=1)
    missing = ("--push-authorization", str(tmp_path / "missing"))
    assert "No such file" in cli.run("queue", "update", "orders", *missing, code=2)


def test_a_schema_by_words(cli: Cli) -> None:
    cli.run("topic", "create", "readings", "--set", 'event_schema={"type": "object"}')
    assert cli.json("topic", "show", "readings")[0]["event_schema"] == '{"type": "object"}'
    assert "$: 3 is not of type 'object' (#/type)" in cli.run("send", "readings", "3", code=1)
    cli.run("send", "readings", "{}")
    bad = ("topic", "update", "readings", "--set", "event_schema=true")
    assert "event_schema: #: a JSON object is wanted" in cli.run(*bad, code=1)
    cli.run("topic", "update", "readings", "--set", "event_schema=")
    cli.run("send", "readings", "3")
    cli.run("topic", "update", "readings", "--set", "events_only=true")
    assert "CloudEvents specversion: missing" in cli.run("send", "readings", "3", code=1)


def test_rules_by_words(cli: Cli) -> None:
    cli.run("topic", "create", "tickets")
    cli.run("subscription", "create", "tickets", "big", "--sql", "amount > '9'")
    cli.run("subscription", "create", "tickets", "gate", "--correlation", "sys.Label=3")
    subscription = ("tickets", "gate")
    cli.run("rule", "create", *subscription, "north", "--correlation", "site=north")
    cli.run("rule", "update", *subscription, "north", "--sql", "site = 'north'", "--action",
            "SET seen = TRUE")  # fmt: skip
    cli.run("send", "tickets", "a", "--property", "amount=99", "--subject", "3")
    cli.run("send", "tickets", "b", "--property", "site=north")
    assert cli.run("receive", "tickets/Subscriptions/big", "--wait", str(SOON)) == "a\n"
    seen = cli.json("receive", "tickets/Subscriptions/gate", "--wait", str(SOON))
    assert [one["body"] for one in seen] == ["a", "b"]
    assert seen[1]["properties"] == {"site": "north", "seen": True, "RuleName": "north"}
    assert cli.run("rule", "list", *subscription) == (
        "$Default\tcorrelation\tsys.Label=3\t\nnorth\tsql\tsite = 'north'\tSET seen = TRUE\n"
    )
    assert "SET seen" in cli.run("rule", "show", *subscription, "north")
    assert "line 1, column 5: expected" in cli.run(
        "rule", "create", *subscription, "bad", "--sql", "a = ", code=1
    )
    cli.run("rule", "create", *subscription, "fire", "--cesql", "type LIKE '%.fire'")
    assert "fire\tcesql\ttype LIKE '%.fire'\t\n" in cli.run("rule", "list", *subscription)
    told = cli.run("rule", "create", *subscription, "bad", "--cesql", "type = = 'a'", code=1)
    assert "line 1, column 8" in told
    cli.run("rule", "create", *subscription, "x", "--cesql", "TRUE", "--sql", "TRUE", code=2)
    cli.run("rule", "delete", *subscription, "fire")
    by_type = '[{"suffix": {"type": ".gas"}}]'
    cli.run("rule", "create", *subscription, "gas", "--filters", by_type)
    cli.run("rule", "update", *subscription, "gas", "--path", "north/#")
    assert "gas\tpath\tnorth/#\t\n" in cli.run("rule", "list", *subscription)
    bad = ("rule", "create", *subscription, "bad")
    assert "filters[0]: no dialect 'a'" in cli.run(*bad, "--filters", '[{"a": 1}]', code=1)
    assert "whole level" in cli.run(*bad, "--path", "a#", code=1)
    cli.run("rule", "delete", *subscription, "gas")
    cli.run("subscription", "create", "tickets", "north", "--path", "north/#")
    assert "north/#" in cli.run("rule", "list", "tickets", "north")
    two = ("--sql", "a = 1", "--correlation", "a=1")
    assert "a rule each" in cli.run("rule", "create", *subscription, "bad", *two, code=2)


def test_filters_of_events_receive_what_they_say(cli: Cli) -> None:
    cli.run("queue", "create", "orders")
    cli.run("send", "orders", "one", "--subject", "north/1")
    cli.run("send", "orders", "two", "--subject", "south/1")
    words = ("receive", "orders", "--wait", str(SOON))
    assert cli.run(*words, "--path", "south/+") == "two\n"
    assert cli.run(*words, "--filters", "[]") == ""
    assert cli.run(*words, "--cesql", "EXISTS id") == ""
    assert "one of --selector, --cesql" in cli.run(
        *words, "--path", "a", "--cesql", "TRUE", code=2
    )
    assert "filters: an empty object" in cli.run(*words, "--filters", "{}", code=1)


def test_parameters_of_rules_by_words(cli: Cli) -> None:
    cli.run("topic", "create", "tickets")
    north = ("--sql", "site = @site", "--parameter", "site=o'hare")
    cli.run("subscription", "create", "tickets", "erp", *north)
    words = "kind = @kind OR amount = @most"
    big = ("--sql", words, "--parameter", "kind=big", "--parameter", "most=100")
    stamp = ("--action", "SET by = @who", "--action-parameter", "who=ann")
    cli.run("rule", "create", "tickets", "erp", "big", *big, *stamp)
    cli.run("send", "tickets", "a", "--property", "site=o'hare")
    cli.run("send", "tickets", "b", "--property", "kind=big")
    got = cli.json("receive", "tickets/Subscriptions/erp", "--wait", str(SOON))
    assert [(one["body"], one["properties"].get("by")) for one in got] == [
        ("a", None),
        ("b", "ann"),
    ]
    [rule] = cli.json("rule", "show", "tickets", "erp", "big")
    assert rule["parameters"] == {"kind": "big", "most": 100}
    assert rule["action_parameters"] == {"who": "ann"}
    for words, why in (
        (("--parameter", "a=1"), "give that, too"),
        (("--action-parameter", "a=1"), "give that, too"),
        (("--sql", "a = @a", "--parameter", "a"), "no NAME=VALUE"),
    ):
        assert why in cli.run("rule", "create", "tickets", "erp", "bad", *words, code=2)
    assert "@a" in cli.run("rule", "create", "tickets", "erp", "bad", "--sql", "x = @a", code=1)


def test_a_selector_receives_what_it_says(cli: Cli) -> None:
    cli.run("send", "orders", "a", "--property", "kind=a")
    cli.run("send", "orders", "b", "--property", "kind=b")
    words = ("receive", "orders", "--wait", str(SOON), "--selector")
    assert cli.run(*words, "kind = 'b'") == "b\n"
    assert "line 1, column 8" in cli.run(*words, "kind = ", code=1)
    assert cli.run("receive", "orders", "-n", "1") == "a\n"


def test_settings_are_written_with_their_units(cli: Cli) -> None:
    cli.run("queue", "create", "2024")
    cli.run(
        "queue", "create", "orders",
        "--set", "lock_duration_ms=30s", "--set", "max_message_bytes=16MiB",
        "--set", "default_ttl_ms=7d", "--set", "retry_factor=1.5", "--set", "forward_to=2024",
    )  # fmt: skip
    [view] = cli.json("queue", "show", "orders")
    assert view["lock_duration_ms"] == 30_000
    assert view["max_message_bytes"] == 16 << 20
    assert view["default_ttl_ms"] == 7 * 86_400_000
    assert view["retry_factor"] == 1.5
    assert view["forward_to"] == "2024"
    said = cli.run("queue", "create", "x", "--set", "lock_duration_ms=5weeks", code=2)
    assert "no unit 'weeks'; there are ms, s, min, h, d" in said
    said = cli.run("queue", "create", "x", "--set", "lock_duration_ms=50ms", code=1)
    assert "lock_duration_ms is 50; allowed is 100 to 86400000" in said


def test_dead_letters_are_counted_seen_and_sent_back(cli: Cli) -> None:
    cli.run("send", "orders", "broken")
    cli.run("receive", "orders", "-n", "1", "--then", "dead-letter", "--reason", "Malformed")
    assert cli.run("dlq", "reasons", "orders") == "1\tMalformed\n"
    [letter] = cli.json("dlq", "peek", "orders")
    assert letter["body"] == "broken"
    assert cli.run("dlq", "peek", "orders") == "1\t0\tMalformed\t\tbroken\n"
    assert cli.run("dlq", "redrive", "orders") == "1 sent back\n"
    assert cli.run("receive", "orders", "-n", "1") == "broken\n"


def test_refusals_are_one_line_and_code_1(cli: Cli) -> None:
    assert cli.run("queue", "show", "nowhere", code=1) == (
        "peeklock: the messaging entity 'nowhere' could not be found (amqp:not-found); "
        "`peeklock queue list` shows what is there\n"
    )
    assert "no setting" in cli.run("queue", "create", "q", "--set", "speed=1", code=1)


@pytest.mark.parametrize("words", [("peek",), ("purge", "-y"), ("queue", "pause")])
def test_an_unknown_queue_is_named_as_it_was_given(words: tuple[str, ...]) -> None:
    with BrokerProcess(dev=False) as broker:
        announced = {"PEEKLOCK_CREDENTIALS": str(broker.data_dir / "announced.json")}
        strict = Cli(broker.url)
        strict.environment |= announced
        assert strict.run(*words, "nowhere", code=1) == (
            "peeklock: the messaging entity 'nowhere' could not be found (amqp:not-found); "
            "`peeklock queue list` shows what is there\n"
        )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("lock_duration_ms=soon", "lock_duration_ms is a whole number, not 'soon'"),
        ("priorities=1", "priorities is true or false, not 1"),
        ("retry_jitter=a", "retry_jitter is a number, not 'a'"),
        ("retry_jitter=2", "retry_jitter is 2; allowed is 0 to 1"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_as_it_was_given(
    cli: Cli, setting: str, words: str
) -> None:
    assert words in cli.run("queue", "create", "q", "--set", setting, code=1)


def test_wrong_usage_is_code_2(cli: Cli) -> None:
    assert "no broker URL" in cli.run("peek", "orders", "--url", "http://x", code=2)
    assert "NAME=VALUE" in cli.run("send", "orders", "a", "--property", "vip", code=2)
    assert "No such command" in cli.run("dance", code=2)
    assert "--yes" in cli.run("purge", "orders", code=2)
    assert "not both" in cli.run("send", "orders", "a", "--file", "b", code=2)
    assert "No such file" in cli.run("send", "orders", "--file", "nowhere", code=2)
    assert "--message-id" in cli.run("send", "orders", "--message-id", "1", code=2)
    assert "not both" in cli.run("receive", "orders", "--raw", "--json", code=2)
    assert "nothing to change" in cli.run("queue", "update", "orders", code=2)


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "1e20"])
@pytest.mark.parametrize("option", ["--ttl", "--delay"])
def test_a_duration_that_is_none_is_code_2(cli: Cli, option: str, seconds: str) -> None:
    assert "allowed is 0 to" in cli.run("send", "orders", "a", option, seconds, code=2)


def test_no_broker_is_one_line_and_code_1() -> None:
    words = Cli("amqp://127.0.0.1:1").run("send", "orders", "a", code=1)
    assert words.startswith("peeklock: no broker at amqp://127.0.0.1:1: Connection refused;")
    assert words.count("\n") == 1


def test_a_command_works_on_jobs_until_it_is_told_to_stop(cli: Cli, tmp_path: Path) -> None:
    cli.run("queue", "create", "orders", "--set", "max_delivery_count=2")
    cli.run("send", "orders", stdin="good\nbad\nwrong\n")
    script = tmp_path / "handler.sh"
    script.write_text(
        "#!/bin/sh\n"
        "read job\n"
        f'echo "$job $PEEKLOCK_ATTEMPT" >> {tmp_path}/seen\n'
        'case "$job" in good) exit 0;; wrong) exit 65;; *) exit 1;; esac\n'
    )
    script.chmod(0o755)
    process = subprocess.Popen(
        [*MODULE, "work", "orders", "--exec", str(script), "-c", "1"],
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while cli.json("queue", "show", "orders")[0]["messages"] != 0:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _out, words = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0
    assert "1 completed" in words
    assert f"job 2, attempt 1: '{script}' ended with code 1\n" in words
    assert "Traceback" not in words
    seen = sorted((tmp_path / "seen").read_text().splitlines())
    assert seen == ["bad 1", "bad 2", "good 1", "wrong 1"]
    reasons = {row["reason"]: row["count"] for row in cli.json("dlq", "reasons", "orders")}
    assert reasons == {"WrongInput": 1, "MaxDeliveryCountExceeded": 1}


def test_a_handlers_typing_error_costs_no_attempt(cli: Cli, tmp_path: Path) -> None:
    cli.run("send", "orders", "a")
    plain = tmp_path / "handler.sh"
    plain.write_text("exit 0\n")
    for command, word in [
        ("no-such-command -x", "no command 'no-such-command'"),
        (f"{tmp_path}/nothing", "there is no"),
        (f"{plain} now", "not executable"),
        ("cat 'x", "No closing quotation"),
        (" ", "empty"),
    ]:
        assert word in cli.run("work", "orders", "--exec", command, code=2)
    assert cli.json("peek", "orders")[0]["delivery_count"] == 0


def test_work_ends_in_good_order_and_reports_as_json(cli: Cli, tmp_path: Path) -> None:
    """As at a terminal, where Ctrl-C goes to the whole group: the command finishes its job."""
    cli.run("send", "orders", "a")
    command = f"echo begun; sleep 1; cat >> {tmp_path}/booked"
    process = subprocess.Popen(
        [*MODULE, "work", "orders", "--json", "--exec", command],
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0
    assert json.loads(out) == {"job": 1, "attempt": 1, "exit_code": 0}
    assert err == "1 completed, 0 failed, 0 lost\n"
    assert (tmp_path / "booked").read_text() == "a"


def test_work_on_sessions_keeps_the_order_of_each(cli: Cli, tmp_path: Path) -> None:
    cli.run("queue", "create", "bookings", "--set", "requires_session=true")
    for session in ("a", "b"):
        cli.run("send", "bookings", "--session", session, stdin="1\n2\n3\n")
    command = f"read job; echo $PEEKLOCK_SESSION_ID $job >> {tmp_path}/seen"
    process = subprocess.Popen(
        [*MODULE, "work", "bookings", "--exec", command, "--sessions", "2"],
        env=cli.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while cli.json("queue", "show", "bookings")[0]["messages"] != 0:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _out, words = process.communicate(timeout=SECONDS_MAX)
    assert words == "6 completed, 0 failed, 0 lost\n"
    seen = (tmp_path / "seen").read_text().splitlines()
    for session in ("a", "b"):
        of_it = [line for line in seen if line.startswith(session)]
        assert of_it == [f"{session} {number}" for number in (1, 2, 3)]
    for more, word in [
        (("-c", "2"), "no --concurrency"),
        (("--selector", "a = 1"), "no --selector"),
    ]:
        words = cli.run("work", "bookings", "--exec", "true", "--sessions", "2", *more, code=2)
        assert word in words


def test_top_looks_once_and_bench_measures(cli: Cli) -> None:
    cli.run("send", "orders", "a")
    [look] = cli.json("top", "--once")
    assert look["broker"]["connections"] == 1  # type: ignore[index]
    assert "orders" in cli.run("top", "--once")
    [figures] = cli.json("bench", "-n", "500")
    assert figures["sent_per_second"] > 0  # type: ignore[operator]
    assert [view["name"] for view in cli.json("queue", "list")] == ["orders"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    words = Cli("amqp://127.0.0.1:1").run(verb, "--help")
    assert "Usage" in words
    assert len(words) > 300 or verb == "demo"
    assert "..." not in words.partition("Commands:")[2], "cut off in the list"


def test_every_command_does_json_and_none_is_cut_off_in_the_list() -> None:
    assert "..." not in Cli("amqp://127.0.0.1:1").run("--help").partition("Commands:")[2]
    for path, command in leaves(typer.main.get_command(build([])), ()):
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, path


def test_help_teaches_by_example() -> None:
    """Topics and what is below them have theirs at the commands that make them."""
    for path, command in leaves(typer.main.get_command(build([])), ()):
        below = ("topic", "subscription", "rule", "derive")
        if path[0] not in below or path[1] in ("create", "add"):
            words = command.help or ""
            assert "Example" in words, path
            assert f"peeklock {' '.join(path)}" in words or path == ("queue", "purge"), path


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Commands that have none below them."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from leaves(one, (*path, name))


def test_the_version_says_which_build_it_is() -> None:
    words = Cli("amqp://127.0.0.1:1").run("--version")
    assert words.startswith("peeklock ")
    assert "compiled" in words or "plain Python" in words


def test_the_ticketing_demo_loses_nothing(cli: Cli) -> None:
    [outcome] = cli.json("demo", "ticketing")
    assert outcome["sold"] == 3000
    assert outcome["booked"] == 2988
    assert outcome["codes"] == 6756
    assert outcome["missing"] == outcome["without_codes"] == 0
    assert outcome["dead_letters"] == {
        "MissingField": 3,
        "WrongTotal": 3,
        "NoTickets": 3,
        "NotJson": 3,
    }
