"""A house whose journal lies on a disk, in segments so small that they fill and go soon."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peeklock.engine.dispatch import Receiver
from peeklock.engine.restore import Restorer
from peeklock.entities.facts import Enqueued, Fact, LastValueSet, Relocated, Rewritten
from peeklock.entities.last_values import LastValues
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.residency import Residency
from peeklock.entities.topic import Topic
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.message import Message
from peeklock.server.housekeeping import Housekeeping
from peeklock.store.collect import LiveBytes
from peeklock.store.file_journal import FileJournal
from peeklock.store.recovery import Recovery, RecoveryReport
from peeklock.store.segment import list_segments, segment_path
from peeklock.store.snapshot import list_snapshots, snapshot_path
from peeklock.types import NOWHERE, Lsn
from tests.support.fake_ids import FakeIds
from tests.support.house import House, replayed

# Where a sync costs nothing: these tests ask what is there, not how safe the disk is.
MEMORY_DISK = Path("/dev/shm")
SEGMENT_BYTES = 4 * 1024
WITH_MESSAGE = Enqueued | LastValueSet | Relocated | Rewritten
SLICE_COUNT = 3  # messages: a snapshot of ten has four slices
NEVER_BY_ITSELF = 1 << 40  # bytes of growth before a snapshot


def quick_folder() -> Path:
    """A new one, for the caller to remove."""
    place = MEMORY_DISK if os.access(MEMORY_DISK, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="peeklock-disk-life-", dir=place))


class AtOnce(ThreadPoolExecutor):
    """An executor without a thread: what it is given is done when it is given."""

    def submit(self, work: Any, /, *args: Any, **given: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*args, **given))
        return future


class Recording:
    """A journal that also remembers what it was given."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self.appends: list[tuple[int, list[Fact]]] = []

    @property
    def end(self) -> Lsn:
        return self._journal.end

    @property
    def durable(self) -> Lsn:
        return self._journal.durable

    @property
    def has_room(self) -> bool:
        return self._journal.has_room

    def append(self, facts: list[Fact]) -> Lsn:
        end = self._journal.append(facts)
        if facts:
            self.appends.append((end, list(facts)))
        return end

    def sync(self) -> Lsn:
        return self._journal.sync()

    def fetch(self, body_at: Lsn) -> Message:
        return self._journal.fetch(body_at)

    def read(self) -> Iterator[list[Fact]]:
        return self._journal.read()


@dataclass
class Image:
    """What a crash at one instant leaves: all that was written, safe up to `durable`."""

    folder: Path
    durable: Lsn


@dataclass
class Recovered:
    """What recovery makes of a folder."""

    namespace: Namespace
    report: RecoveryReport
    restorer: Restorer
    journal: FileJournal
    live: LiveBytes = field(default_factory=LiveBytes)


class DiskHouse:
    """Nothing is resident: every body is read back from the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("journal", "snapshots"):
            (folder / name).mkdir(parents=True)
        self.live = LiveBytes(SEGMENT_BYTES)
        self.journal = FileJournal(
            folder / "journal", segment_bytes=SEGMENT_BYTES, free_bytes_min=1
        )
        self.recording = Recording(self.journal)
        namespace = Namespace(Residency(0, self.live), AmqpLens(FakeIds()))
        self.house = House(self.recording, namespace)
        self.queue = self.house.queue()
        self.dead = self.house.dead_letters(self.queue)
        self.housekeeping = Housekeeping(
            self.house.engine,
            self.journal,
            self.live,
            (folder / "journal", folder / "snapshots"),
            Lsn(0),
            NEVER_BY_ITSELF,
            lambda: None,
            self.journal.sync,
            slice_count=SLICE_COUNT,
            look_count=SLICE_COUNT,
        )
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(AtOnce())
        self._chore: asyncio.Task[None] | None = None

    def open_topic(self, *names: str) -> tuple[Topic, list[Queue]]:
        """A topic, and the queues of its new subscriptions."""
        topic = self.house.topic()
        return topic, [self.house.subscription(topic, name) for name in names]

    def open_sessions(self) -> Queue:
        """A queue that hands out message sessions."""
        return self.house.queue("sessions", requires_session=True)

    def open_rooms(self) -> Topic:
        """A topic that keeps last values, and that nobody listens to."""
        return self.house.topic("rooms", keep_last_value=True)

    def lock(self, count: int, queue: Queue | None = None) -> Receiver:
        """A receiver that was handed up to `count` messages."""
        receiver = self.house.receiver(queue or self.queue, count)
        self.house.turn()
        return receiver

    def begin_housekeeping(self) -> None:
        """A snapshot, and the freeing of what the one before covers; see `go_on`."""
        if self._chore is None:
            self._chore = self._loop.create_task(self.housekeeping.run_once())

    def go_on(self) -> None:
        """One slice of housekeeping, when it is under way."""
        if self._chore is not None:
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
            if self._chore.done():
                self._chore.result()
                self._chore = None

    def finish(self) -> None:
        while self._chore is not None:
            self.go_on()

    def housekeep(self) -> None:
        """All of it, with nothing in between."""
        self.begin_housekeeping()
        self.finish()

    @contextmanager
    def crashing(self, monkeypatch: Any, images: list[Image]) -> Iterator[None]:
        """Keep an image of the disk before each step that makes something durable or gone."""

        def before(step: Callable[..., Any]) -> Callable[..., Any]:
            def with_image(*args: Any, **given: Any) -> Any:
                folder = self.folder.with_name(f"{self.folder.name}-{len(images)}")
                shutil.copytree(self.folder, folder)
                images.append(Image(folder, self.journal.durable))
                return step(*args, **given)

            return with_image

        with monkeypatch.context() as patch:
            for owner, name in (
                (os, "fdatasync"),
                (os, "fsync"),
                (Path, "rename"),
                (Path, "unlink"),
            ):
                patch.setattr(owner, name, before(getattr(owner, name)))
            yield

    def close(self) -> None:
        self._loop.close()
        self.journal.close()

    # ---- what must be there

    def expected(self, end: Lsn) -> Namespace:
        """What all appends up to a position make, without any disk."""
        return replayed([(at, facts) for at, facts in self.recording.appends if at <= end])

    def bodies(self, end: int = NEVER_BY_ITSELF) -> dict[tuple[int, int], bytes]:
        """The body of each message that ever was in a queue, by queue and number.

        As of position `end`: a settlement may have changed it later.
        """
        kept = [facts for at, facts in self.recording.appends if at <= end]
        return bodies_after(kept, [facts for _at, facts in self.recording.appends])


def bodies_after(
    kept: list[list[Fact]], all_appends: list[list[Fact]]
) -> dict[tuple[int, int], bytes]:
    """What the `kept` ones of all appends make of each message's body."""
    at_position: dict[Lsn, bytes] = {}
    for facts in all_appends:
        for fact in facts:
            if isinstance(fact, WITH_MESSAGE) and fact.message is not None:
                at_position[fact.body_at] = fact.message.bare
    found: dict[tuple[int, int], bytes] = {}
    for facts in kept:
        for fact in facts:
            if isinstance(fact, Enqueued | LastValueSet | Rewritten):
                found[fact.queue_id, fact.number] = at_position[fact.body_at]
    return found


def without_what_was_not_synced(image: Image) -> Image:
    """Another image, as after a power failure: what was written and not synced is zeros."""
    folder = image.folder.with_name(f"{image.folder.name}-synced")
    shutil.copytree(image.folder, folder)
    journal = folder / "journal"
    for start in list_segments(journal):
        path = segment_path(journal, start)
        size = path.stat().st_size
        kept = max(0, min(size, image.durable - start))
        with path.open("r+b") as file:
            file.seek(kept)
            file.write(bytes(size - kept))
    return Image(folder, image.durable)


def with_a_damaged_snapshot(image: Image) -> Image | None:
    """Another image, in which the newest snapshot cannot be read; None when there is none."""
    newest = list_snapshots(image.folder / "snapshots")[:1]
    if not newest:
        return None
    folder = image.folder.with_name(f"{image.folder.name}-damaged")
    shutil.copytree(image.folder, folder)
    flip(snapshot_path(folder / "snapshots", newest[0]), 30)
    return Image(folder, image.durable)


def flip(path: Path, offset: int) -> None:
    """Change one byte."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x5A]))


def recover(folder: Path) -> Recovered:
    live = LiveBytes(SEGMENT_BYTES)
    namespace = Namespace(Residency(0, live), AmqpLens(FakeIds()))
    restorer = Restorer(namespace)
    recovery = Recovery(
        folder / "journal", folder / "snapshots", restorer.apply, lambda done, total: None
    )
    report = recovery.run()
    journal = FileJournal(
        folder / "journal", report.end, segment_bytes=SEGMENT_BYTES, free_bytes_min=0
    )
    return Recovered(namespace, report, restorer, journal, live)


def holders_of(namespace: Namespace) -> list[Queue | LastValues]:
    """All that has messages."""
    return [*namespace.by_id.values(), *(one.last_values for one in namespace.topics())]


def live_bytes_of(namespace: Namespace) -> dict[int, int]:
    """What should be known to live where: shared bytes once, the heads of copies each."""
    sizes: dict[Lsn, int] = {}
    counts: dict[Lsn, int] = {}
    for holder in holders_of(namespace):
        for entry in holder.entries.values():
            sizes[entry.body_at] = entry.size
            counts[entry.body_at] = counts.get(entry.body_at, 0) + 1
    live = LiveBytes(SEGMENT_BYTES)
    for body_at, size in sizes.items():
        live.add(body_at, size)
        for _ in range(counts[body_at] - 1):
            live.add(body_at, 0)
    return live._areas


def bodies_of(recovered: Recovered) -> dict[tuple[int, int], bytes]:
    """Read every message back."""
    return {
        (holder.queue_id, entry.number): recovered.journal.fetch(entry.body_at).bare
        for holder in holders_of(recovered.namespace)
        for entry in holder.entries.values()
        if entry.body_at != NOWHERE
    }
