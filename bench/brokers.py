"""Brokers under test: ours and Mosquitto, started here, and a RabbitMQ that runs already."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.peer import Peer
from bench.system import listener_of
from peeklock_client.location import find_broker

READY = "peeklock ready "
STOP_SECONDS = 30
# Its defaults drop what is too much at once, and hold back more than twenty on their way.
MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
log_type error
"""


@dataclass(frozen=True)
class Target:
    """One kind of queue on one broker."""

    name: str
    url: str
    pid: int | None  # where its CPU and memory are looked up; None: not on this machine
    make_queue: Callable[[str], str]  # name → address
    drop_queue: Callable[[str], None]


def spawn(data_dir: Path, protocol: str = "amqp") -> tuple[subprocess.Popen[str], str, float]:
    """A durable broker that listens for AMQP and one other protocol, or for all ("").

    Returns its process, its URL (AMQP's, of all), and seconds from its start to its ready line.
    """
    ports = {
        name: "127.0.0.1:0" if name == "amqp" or protocol in ("", name) else "off"
        for name in ("amqp", "mqtt", "http")
    }
    argv = [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--dev"]
    for name, address in ports.items():
        argv += [f"--{name}", address]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*argv, "--data-dir", str(data_dir), "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
        # Other commands shall not take it for the machine's broker.
        env=os.environ | {"PEEKLOCK_CREDENTIALS": str(data_dir / "brokers.json")},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(READY):
        raise SystemExit("bench: the broker did not start")
    scheme = protocol or "amqp"
    url = f"{scheme}://" + line.split(f"{scheme}=")[1].split()[0]
    return process, url, time.perf_counter() - began


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def peeklock(stack: ExitStack, protocol: str = "amqp") -> Target:
    """Our broker, with an empty data directory; ends with the stack."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="peeklock-bench-"))
    process, url, _seconds = spawn(Path(folder), protocol)
    stack.callback(stop, process)
    return Target("peeklock", url, process.pid, lambda name: name, lambda name: None)


def mosquitto(stack: ExitStack) -> Target | None:
    """Mosquitto as Debian has it, which keeps all in memory; None: not on this machine."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mosquitto-")))
    settings = folder / "mosquitto.conf"
    settings.write_text(MOSQUITTO.format(port=port))
    process = subprocess.Popen([program, "-c", str(settings)], text=True)
    stack.callback(stop, process)
    wait_for(port)
    return Target("mosquitto", f"mqtt://127.0.0.1:{port}", process.pid, str, lambda name: None)


def wait_for(port: int) -> None:
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"bench: nothing listens on port {port}")


def rabbitmq_mqtt(url: str) -> Target:
    """RabbitMQ 4 with its MQTT plugin at `url`."""
    pid = listener_of(urlsplit(url).port or 1883)
    return Target("rabbitmq-mqtt", url, pid, str, lambda name: None)


def rabbitmq(url: str, queue_type: str) -> Target:
    """RabbitMQ 4 at `url`, with queues of this type: classic or quorum."""
    location = find_broker(url)

    def ask(verb: str, name: str, body: dict[object, object] | None) -> bytes:
        peer = Peer.connect(url, "bench-management")
        try:
            return peer.attach_pair("/management").request(verb, f"/queues/{name}", body)
        finally:
            peer.close()

    def make(name: str) -> str:
        ask("DELETE", name, None)
        settings = {"durable": True, "arguments": {"x-queue-type": queue_type}}
        reply = ask("PUT", name, dict(settings.items()))
        if b"201" not in reply:
            raise SystemExit(f"bench: RabbitMQ did not make queue {name}: {reply!r}")
        return f"/queues/{name}"

    def drop(name: str) -> None:
        ask("DELETE", name, None)

    pid = listener_of(location.port)
    return Target(f"rabbitmq-{queue_type}", url, pid, make, drop)
