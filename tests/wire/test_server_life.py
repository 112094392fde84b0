"""How a broker starts, refuses to start, and ends."""

import signal
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerFailed, BrokerProcess, serve_until_it_ends


def test_it_says_that_it_is_ready_and_ends_in_order(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        assert broker.ready_line == f"peeklock ready amqp=127.0.0.1:{broker.amqp_port}\n"
        assert broker.terminate() == 0


def test_an_ephemeral_broker_says_so(tmp_path: Path) -> None:
    with BrokerProcess("--ephemeral", data_dir=tmp_path) as broker:
        assert "ephemeral" in broker.ready_line


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


def test_the_state_dump_shows_the_queues(tmp_path: Path) -> None:
    config = tmp_path / "peeklock.toml"
    config.write_text("[[queues]]\nname = 'orders'\nlock_duration_ms = 5000\n")
    with BrokerProcess("--config", str(config), data_dir=tmp_path / "data") as broker:
        broker.send_signal(signal.SIGUSR1)
        broker.terminate()
        assert '"name": "orders"' in broker.stderr
        assert '"lock_duration_ms": 5000' in broker.stderr
