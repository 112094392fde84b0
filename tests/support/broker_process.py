"""A real broker in a process of its own, started, killed and started again."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

READY = "peeklock ready "
START_SECONDS = 60  # recovery of a large journal on a busy machine
STOP_SECONDS = 30
# Reserved ahead, twice, by each of some hundred brokers of a run: 12 GB in all by the default.
SEGMENT_BYTES = "PEEKLOCK_JOURNAL__SEGMENT_BYTES"
SMALL_SEGMENT_BYTES = str(2 * 1024 * 1024)


class BrokerFailed(Exception):
    """The broker ended instead of getting ready; the text is its stderr."""


class BrokerProcess:
    """`peeklock serve` on free ports of 127.0.0.1.

    Without `data_dir` it gets a temporary one, which an `--ephemeral` one is not told. `--dev`
    is given unless `dev` says False. `config` is what its configuration file says.
    Use it as a context manager: it is killed at the end.
    """

    def __init__(
        self,
        *args: str,
        config: str | None = None,
        data_dir: Path | None = None,
        dev: bool = True,
        env: dict[str, str] | None = None,
        module: str = "peeklock_client.cli.main",
    ) -> None:
        self._module = module
        self._made = None if data_dir else tempfile.TemporaryDirectory(prefix="peeklock-test-")
        self.data_dir = data_dir or Path(self._made.name if self._made else "")
        self._args = [*args, *(["--dev"] if dev else [])]
        if config is not None:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            file = self.data_dir / "peeklock.toml"
            file.write_text(config)
            self._args += ["--config", str(file)]
        if "--ephemeral" not in args:
            self._args += ["--data-dir", str(self.data_dir)]
        self._env = {SEGMENT_BYTES: SMALL_SEGMENT_BYTES} | os.environ
        self._env |= {"PEEKLOCK_CREDENTIALS": str(self.data_dir / "announced.json")}
        self._env |= env or {}
        self._port = 0
        self._http_port = 0
        self._mqtt_port = 0
        self._stderr: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self.ready_line = ""

    # ---- life

    def start(self) -> "BrokerProcess":
        """Returns when it takes connections; raises `BrokerFailed`."""
        self._spawn()
        assert self._process is not None
        assert self._process.stdout is not None
        self.ready_line = self._process.stdout.readline()
        if not self.ready_line.startswith(READY):
            code = self._process.wait(STOP_SECONDS)
            self._forget()
            raise BrokerFailed(f"exit code {code}: {self.stderr}")
        address = self.ready_line.split("amqp=")[1].split()[0]
        self._port = int(address.rpartition(":")[2])
        if "mqtt=" in self.ready_line:
            address = self.ready_line.split("mqtt=")[1].split()[0]
            self._mqtt_port = int(address.rpartition(":")[2])
        if "http=" in self.ready_line:
            address = self.ready_line.split("http=")[1].split()[0]
            self._http_port = int(address.rpartition(":")[2])
        return self

    def start_and_kill(self, seconds: float) -> None:
        """Start, and kill -9 after a while, ready or not."""
        self._spawn()
        time.sleep(seconds)
        self.kill()

    def _spawn(self) -> None:
        assert self._process is None, "it runs"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", self._module, "serve"),
                *("--amqp", f"127.0.0.1:{self._port}"),
                *("--mqtt", f"127.0.0.1:{self._mqtt_port}"),
                *("--http", f"127.0.0.1:{self._http_port}"),
                *self._args,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
        )
        self._reader = threading.Thread(target=self._keep_stderr, args=(self._process,))
        self._reader.start()

    def kill(self) -> None:
        """`kill -9`, and no word to anybody."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> "BrokerProcess":
        """Start again, on the same port and data."""
        return self.start()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        assert self._process is not None
        code = self._process.wait(STOP_SECONDS)
        self._forget()
        return code

    def wait_for(self, words: str) -> None:
        """Until it has logged this."""
        until = time.monotonic() + STOP_SECONDS
        while words not in self.stderr:
            assert time.monotonic() < until, f"no {words!r} in: {self.stderr}"
            time.sleep(0.02)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        code = process.wait(STOP_SECONDS)
        self._forget()
        return code

    def _forget(self) -> None:
        """It has ended: read the rest of what it had to say."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._reader.join()
        self._process.stdout.close()
        self._process = None

    def __enter__(self) -> "BrokerProcess":
        return self if self._process is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()
        if self._made is not None:
            self._made.cleanup()

    def _keep_stderr(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self._stderr.append(line)

    # ---- being looked at

    @property
    def stderr(self) -> str:
        """Everything it has logged so far, over all its lives."""
        return "".join(self._stderr)

    @property
    def amqp_port(self) -> int:
        return self._port

    @property
    def mqtt_port(self) -> int:
        return self._mqtt_port

    @property
    def http_port(self) -> int:
        return self._http_port

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def rss_bytes_max(self) -> int:
        """The most resident memory that this process has had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


def serve_until_it_ends(*args: str) -> tuple[int, str]:
    """A broker that is not expected to get ready: its exit code and stderr."""
    argv: Sequence[str] = (sys.executable, "-m", "peeklock_client.cli.main", "serve", *args)
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    return done.returncode, done.stderr
