"""The brokers under test: ours, started here, and a RabbitMQ that runs already."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.peer import Peer
from bench.system import listener_of
from peeklock_client.location import find_broker

READY = "peeklock ready "
STOP_SECONDS = 30


@dataclass(frozen=True)
class Target:
    """One kind of queue on one broker."""

    name: str
    url: str
    pid: int | None  # where its CPU and memory are looked up; None: not on this machine
    make_queue: Callable[[str], str]  # name → address
    drop_queue: Callable[[str], None]


def spawn(data_dir: Path) -> tuple[subprocess.Popen[str], str, float]:
    """A durable broker: process, URL, and seconds from its start to its ready line."""
    argv = [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--dev"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *argv,
            "--amqp",
            "127.0.0.1:0",
            "--mqtt",
            "off",
            "--http",
            "off",
            "--data-dir",
            str(data_dir),
            "--log-level",
            "error",
        ],
        stdout=subprocess.PIPE,
        text=True,
        # Other commands shall not take it for the machine's broker.
        env=os.environ | {"PEEKLOCK_CREDENTIALS": str(data_dir / "brokers.json")},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(READY):
        raise SystemExit("bench: the broker did not start")
    url = "amqp://" + line.split("amqp=")[1].split()[0]
    return process, url, time.perf_counter() - began


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def peeklock(stack: ExitStack) -> Target:
    """Our broker, with an empty data directory; ends with the stack."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="peeklock-bench-"))
    process, url, _seconds = spawn(Path(folder))
    stack.callback(stop, process)
    return Target("peeklock", url, process.pid, lambda name: name, lambda name: None)


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
