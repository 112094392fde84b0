"""How a broker starts, refuses to start, and ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from peeklock.security.scram import make_verifier, parse_verifier
from tests.support.amqp_bytes import ACCEPTED
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import (
    STOP_SECONDS,
    BrokerFailed,
    BrokerProcess,
    serve_until_it_ends,
)

VERIFIER = make_verifier("secret", b"0123456789abcdef", 4096)
FORCED = "amqp:connection:forced"  # AMQP 1.0 §2.8.16


def test_it_says_that_it_is_ready_and_ends_in_order(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        ports = {
            "amqp": broker.amqp_port,
            "mqtt": broker.mqtt_port,
            "http": broker.http_port,
        }
        at = " ".join(f"{name}=127.0.0.1:{port}" for name, port in ports.items())
        assert broker.ready_line == f"peeklock ready {at}\n"
        assert broker.terminate() == 0


def worker_with_one_of_two(broker: BrokerProcess) -> AmqpPeer:
    """It holds the first message of `orders`, and has credit for more."""
    worker = ready_peer(broker.amqp_port)
    worker.attach_sender("orders", 1)
    worker.put(b"a", b"b", handle=1)
    worker.attach_receiver("orders", 0, credit=1)
    _delivery, message = worker.receive()
    assert message.body == b"a"
    return worker


def test_told_to_end_it_hands_out_nothing_more_and_lets_workers_settle(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, env={"PEEKLOCK_DRAIN_SECONDS": "20"}) as broker:
        with worker_with_one_of_two(broker) as worker, ready_peer(broker.amqp_port) as idle:
            broker.send_signal(signal.SIGTERM)
            broker.wait_for("draining")
            worker.credit(5, count=1)
            worker.expect_silence()
            worker.dispose(0, ACCEPTED)
            worker.expect("disposition", settled=True)
            assert worker.expect_close(FORCED) == "the broker is shutting down"
            idle.expect_close(FORCED)
            assert broker.wait() == 0
        with broker.restart(), ready_peer(broker.amqp_port) as next_one:
            next_one.attach_receiver("orders", 0, credit=5)
            assert next_one.receive()[1].body == b"b"
            next_one.expect_silence()


def test_it_waits_no_longer_for_workers_than_it_is_set_to(tmp_path: Path) -> None:
    """What they hold is given back: it was no attempt that failed."""
    with BrokerProcess(data_dir=tmp_path, env={"PEEKLOCK_DRAIN_SECONDS": "0.3"}) as broker:
        with worker_with_one_of_two(broker) as worker:
            broker.send_signal(signal.SIGTERM)
            worker.expect_close(FORCED)
            assert broker.wait() == 0
        with broker.restart(), ready_peer(broker.amqp_port) as next_one:
            next_one.attach_receiver("orders", 0, credit=5)
            message = next_one.receive()[1]
            assert message.body == b"a"
            assert message.header is not None
            assert message.header["delivery-count"] == 0


@pytest.mark.parametrize("kept", [True, False])
def test_with_json_its_first_line_is_a_document(tmp_path: Path, kept: bool) -> None:
    where = ("--data-dir", str(tmp_path)) if kept else ("--ephemeral",)
    argv = (
        sys.executable,
        "-m",
        "peeklock_client.cli.main",
        "serve",
        "--dev",
        "--json",
        *where,
    )
    with subprocess.Popen(
        [*argv, "--amqp", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PEEKLOCK_CREDENTIALS": str(tmp_path / "announced.json")},
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        with ready_peer(int(first["ready"]["amqp"].removeprefix("127.0.0.1:"))) as peer:
            peer.ping()
        process.terminate()
        out, err = process.communicate(timeout=STOP_SECONDS)
    assert first["ready"]["http"].startswith("127.0.0.1:")
    assert first["ephemeral"] is not kept
    assert out == ""
    assert [json.loads(line)["event"] for line in err.splitlines()][-1] == "ended"


def test_an_ephemeral_broker_says_so(tmp_path: Path) -> None:
    with BrokerProcess("--ephemeral", data_dir=tmp_path) as broker:
        assert "ephemeral" in broker.ready_line


def test_ephemeral_and_a_directory_in_one_breath_are_refused(tmp_path: Path) -> None:
    """Whoever names a directory expects to find something in it."""
    data = tmp_path / "data"
    code, words = serve_until_it_ends("--ephemeral", "--data-dir", str(data))
    assert code == 2
    assert words == (
        "peeklock: --ephemeral keeps nothing, and --data-dir is where it is kept: not both\n"
    )
    assert not data.exists()


@pytest.mark.parametrize("by_file", [False, True], ids=["environment", "file"])
def test_a_directory_that_ephemeral_overrides_is_named_in_the_log(
    tmp_path: Path, by_file: bool
) -> None:
    """An image names one in its environment, a file for every day has one."""
    data, file = tmp_path / "data", tmp_path / "peeklock.toml"
    file.write_text(f"data_dir = '{data}'\n" if by_file else "")
    environment = {} if by_file else {"PEEKLOCK_DATA_DIR": str(data)}
    with BrokerProcess("--ephemeral", "--config", str(file), env=environment) as broker:
        broker.terminate()
        events = [json.loads(line) for line in broker.stderr.splitlines()]
    assert events[0]["event"] == "nothing is kept, and nothing was read"
    assert events[0]["data_dir"] == str(data)
    assert not data.exists()


def test_a_second_broker_on_the_same_data_is_refused_in_one_line(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as first:
        with pytest.raises(BrokerFailed, match="exit code 2") as refused:
            BrokerProcess(data_dir=tmp_path).start()
        assert str(first.pid) in str(refused.value)
        assert str(refused.value).count("\n") == 1


def test_a_taken_port_is_refused_in_one_line(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path / "a") as first:
        code, words = serve_until_it_ends(
            "--dev", "--data-dir", str(tmp_path / "b"), "--amqp", f"127.0.0.1:{first.amqp_port}"
        )
    assert code == 2
    assert words == (
        f"peeklock: cannot listen on 127.0.0.1:{first.amqp_port}: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("amqp = 5\n", "amqp"),
        ("amqp = 'nowhere'\n", "HOST:PORT"),
        ("amqp = [\n", "configuration file"),
        ("colour = 'red'\n", "'colour'"),
        ("dev = true\namqp = '0.0.0.0:0'\n", "loopback"),
        ("amqp = '0.0.0.0:0'\n", "--tls-cert"),
        ("tls_cert = 'x.pem'\n", "go together"),
        ("amqp = '127.0.0.1.example.com:0'\n", "not loopback"),
        ("[journal]\nsegment_byte = 1\n", "journal.segment_byte: is no setting"),
        ("toml_file = 'x'\n", "no setting 'toml_file'"),
        ("tls_cert = 'no.crt'\ntls_key = 'no.key'\n", "no.crt: No such file"),
        ("[[users]]\nname = 'erp'\npassword_hash = 'secret'\n", "--hash-password"),
        ("[[users]]\nname = 'erp'\nscram_verifier = 'secret'\n", "--scram-verifier"),
        (f"[[users]]\nname = 'e\u00adrp'\nscram_verifier = '{VERIFIER}'\n", "RFC 4013"),
        (f"[[users]]\nname = ''\nscram_verifier = '{VERIFIER}'\n", "RFC 4013"),
        ("[[users]]\nname = 'erp'\n", "no password_hash and no scram_verifier"),
        ("[[queues]]\nname = 'orders'\n[[queues]]\nname = 'Orders'\n", "there twice"),
        ("[[queues]]\n", "queues.0.name: is missing"),
        ("[[queues]]\nname = 'orders'\nspeed = 1\n", "no setting 'speed'"),
        ("[[queues]]\nname = 'orders'\nmax_delivery_count = 0\n", "max_delivery_count is 0"),
    ],
)
def test_a_broken_configuration_is_refused_in_one_line(
    tmp_path: Path, content: str, word: str
) -> None:
    file = tmp_path / "peeklock.toml"
    file.write_text(content)
    code, words = serve_until_it_ends(
        "--config", str(file), "--data-dir", str(tmp_path / "data")
    )
    assert code == 2
    assert word in words
    assert words.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "log_level = 'loud'\ntls_port = 1\nqueue = 2\n[journal]\nsegment_bytes = 1\n",
            ["no setting 'queue'", "no setting 'tls_port'", "log_level: ", "segment_bytes: "],
        ),
        (
            (
                "amqp = '0.0.0.0:0'\nhttp = 'here'\ntls_key = 'key'\nunknown = 1\n"
                "[[queues]]\nname = 'a'\n[[queues]]\nname = 'A'\n"
                "[[topics]]\nname = 't'\n[[topics.derivations]]\nname = 'd'\n"
                "[[topics.derivations]]\nname = 'D'\n"
            ),
            [
                "no setting 'unknown'",
                "tls_cert and tls_key go together",
                "needs --tls-cert and [[users]], [[access_keys]] or [jwt]",
                "'here' is no HOST:PORT",
                "queue 'a' is there twice",
                "topic 't': derivation 'd' is there twice",
            ],
        ),
        (
            (
                "[[queues]]\nname = 'a'\nmax_delivery_count = 0\n[[queues]]\nname = 'b'\n"
                "[[queues]]\nname = 'c'\nnonsense = 1\n"
                "[[topics]]\nname = 't'\n[[topics.subscriptions]]\nname = 's'\nnonsense = 1\n"
                "[[topics.derivations]]\nname = 'd'\nto = 'b'\nsql = '='\n"
                "[[topics.derivations]]\nname = 'e'\nto = 'b'\nnonsense = 1\n"
            ),
            [
                *("queue 'a': max_delivery_count is 0", "queue 'c': ", "topic 't': "),
                *("(the condition of derivation 'd')", "derivation 'e': there is no setting"),
            ],
        ),
    ],
)
def test_all_mistakes_of_a_configuration_are_named(
    tmp_path: Path, content: str, said: list[str]
) -> None:
    """Those of one kind at once: values, what goes together, entities."""
    file = tmp_path / "peeklock.toml"
    file.write_text(content)
    code, words = serve_until_it_ends(
        "--config", str(file), "--data-dir", str(tmp_path / "data")
    )
    assert code == 2
    lines = words.splitlines()
    assert len(lines) == len(said), words
    for line, word in zip(lines, said, strict=True):
        assert line.startswith("peeklock: ")
        assert word in line


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("PEEKLOCK_AMQP", "5672", "HOST:PORT such as"),
        ("PEEKLOCK_USERS", "erp", "PEEKLOCK_USERS is no JSON"),
        ("PEEKLOCK_DEV", "maybe", "dev: "),
        ("PEEKLOCK_JOURNAL__SEGMENT_BYTES", "1", "journal.segment_bytes"),
        ("PEEKLOCK_CONFIG", "/nowhere.toml", "no configuration file"),
    ],
)
def test_a_broken_environment_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, word: str
) -> None:
    monkeypatch.setenv(name, value)
    code, words = serve_until_it_ends("--data-dir", str(tmp_path / "data"))
    assert code == 2
    assert word in words
    assert words.count("\n") == 1


def test_damaged_credentials_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    code, words = serve_until_it_ends("--amqp", "127.0.0.1:0", "--data-dir", str(tmp_path))
    assert code == 2
    assert words.startswith(f"peeklock: {tmp_path}/credentials.json has no user and password")


def test_the_log_tells_its_life_and_variables_that_are_no_settings(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, env={"PEEKLOCK_AMPQ": "x"}) as broker:
        broker.terminate()
        events = [json.loads(line) for line in broker.stderr.splitlines()]
    told = [event["event"] for event in events]
    assert told == ["variable is no setting", "started", "draining", "ended"]
    assert events[0]["name"] == "PEEKLOCK_AMPQ"


def test_a_password_is_hashed_from_stdin() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--hash-password"],
        input="secret\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("$argon2id$")
    assert done.stderr == ""


@pytest.mark.parametrize("both", [False, True])
def test_what_scram_needs_of_a_password(both: bool) -> None:
    """A line for each setting; each time with another salt."""
    words = ["--scram-verifier", *(["--hash-password"] if both else [])]
    command = [sys.executable, "-m", "peeklock_client.cli.main", "serve", *words]
    told = [
        subprocess.run(command, input="secret\n", capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert told[0].stdout != told[1].stdout
    *hashes, verifier = told[0].stdout.splitlines()
    assert [line[:10] for line in hashes] == ["$argon2id$"] * both
    found = parse_verifier(verifier)
    assert found == make_verifier("secret", found.salt, 15_000)


def test_a_password_that_scram_cannot_take() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--scram-verifier"],
        input="\U0001f511\n", capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "SCRAM cannot take this password" in done.stderr


def test_brokers_of_this_machine_are_listed_while_they_run(tmp_path: Path) -> None:
    """Newest last, so that commands find the one that was started last."""
    file = tmp_path / "brokers.json"
    environment = {"PEEKLOCK_CREDENTIALS": str(file)}

    def listed() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(file.read_text())["brokers"]
        return found

    with (
        BrokerProcess(data_dir=tmp_path / "a", dev=False, env=environment) as first,
        BrokerProcess(data_dir=tmp_path / "b", env=environment) as second,
    ):
        assert [one["url"] for one in listed()] == [first.url, second.url]
        assert "password" in listed()[0]
        assert "password" not in listed()[1]
        assert file.stat().st_mode & 0o777 == 0o600
        second.terminate()
        assert [one["url"] for one in listed()] == [first.url]
        first.kill()
        with BrokerProcess(data_dir=tmp_path / "c", env=environment) as third:
            assert [one["url"] for one in listed()] == [third.url]


def test_the_state_dump_shows_the_queues() -> None:
    config = "[[queues]]\nname = 'orders'\nlock_duration_ms = 5000\n"
    with BrokerProcess(config=config) as broker:
        broker.send_signal(signal.SIGUSR1)
        broker.terminate()
        assert '"name": "orders"' in broker.stderr
        assert '"lock_duration_ms": 5000' in broker.stderr
