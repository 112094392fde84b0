"""Snapshots and the freeing of segments, a slice at a time between other work."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from peeklock.engine.capture import Capture
from peeklock.engine.emptying import Emptying
from peeklock.engine.engine import Engine
from peeklock.entities.facts import Fact, Numbered
from peeklock.limits import (
    EMPTYING_SLICE_COUNT,
    FREEING_REST_FACTOR,
    HOUSEKEEPING_FAILED_PAUSE,
    HOUSEKEEPING_LOOK_AGAIN,
    SNAPSHOT_SLICE_COUNT,
)
from peeklock.store.collect import LiveBytes, plan_collection
from peeklock.store.file_journal import FileJournal
from peeklock.store.segment import Removal
from peeklock.store.snapshot import SnapshotWriter
from peeklock.types import Lsn

LOOK_SECONDS: Final = HOUSEKEEPING_LOOK_AGAIN / 1000
AFTER_FAILURE_SECONDS: Final = HOUSEKEEPING_FAILED_PAUSE / 1000
# A snapshot covers a segment only when the one after it is there, too.
ROUNDS_TO_FREE: Final = 2
log = structlog.get_logger()


class Housekeeping:
    """Bounds the journal: what a snapshot covers and nobody needs goes."""

    def __init__(
        self,
        engine: Engine,
        journal: FileJournal,
        live: LiveBytes,
        folders: tuple[Path, Path],
        snapshot_at: Lsn,
        snapshot_bytes: int,
        after: Callable[[], None],
        sync_soon: Callable[[], None],
        *,
        slice_count: int = SNAPSHOT_SLICE_COUNT,
        look_count: int = EMPTYING_SLICE_COUNT,
    ) -> None:
        self._slice_count: Final = slice_count
        self._look_count: Final = look_count
        self._engine: Final = engine
        self._journal: Final = journal
        self._live: Final = live
        self._segments_folder, self._snapshots = folders
        self._snapshot_at = snapshot_at
        # What the snapshot before the newest covers: should the newest be damaged, that one
        # and the journal since then still tell everything.
        self._covered_at = Lsn(0)
        self._snapshot_bytes: Final = snapshot_bytes
        self._after: Final = after
        self._sync_soon: Final = sync_soon
        self._to_free: list[Lsn] = []
        self._rounds_left = 0

    async def run_forever(self) -> None:
        """Runs until cancelled. An OSError endangers nothing that is stored: it is logged."""
        rest_seconds = 0.0
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, rest_seconds))
            rest_seconds = 0.0
            self._tell_damages()
            if not self._journal.has_room:
                self._sync_soon()  # it looks whether there is room again
            if not self._is_due():
                continue
            began = time.monotonic()
            try:
                await self.run_once()
                rest_seconds = time.monotonic() - began  # when it is due again at once
            except OSError as error:
                log.error("housekeeping failed", error=str(error))
                rest_seconds = AFTER_FAILURE_SECONDS
                self._to_free = []  # it is worth another try

    async def run_once(self) -> None:
        """Take a snapshot, and free what the one before covers."""
        await self._take_snapshot()
        await self._collect()

    def _is_due(self) -> bool:
        """The journal has grown by much, or is short of room and has some to gain."""
        if self._journal.end - self._snapshot_at >= self._snapshot_bytes:
            return True
        if self._journal.has_room:
            return False
        plan = plan_collection(list(self._journal.segments), self._live, self._journal.end)
        to_free = [*plan.dead, *(start for start, _end in plan.sparse)]
        if to_free != self._to_free:
            self._to_free = to_free
            self._rounds_left = ROUNDS_TO_FREE if to_free else 0
        self._rounds_left -= 1
        return self._rounds_left >= 0

    # ---- the snapshot

    async def _take_snapshot(self) -> None:
        if self._journal.end == self._snapshot_at:
            self._move_on()
        began_at = self._journal.end
        writer = SnapshotWriter(self._snapshots, began_at)
        try:
            capture = Capture(self._engine.namespace, self._slice_count)
            while True:
                facts = capture.next_slice(self._journal.end)
                if not facts:
                    break
                writer.add(facts)
                await asyncio.sleep(0)
            # A snapshot must not know more than the journal does.
            await self._until_durable(self._journal.end)
            await asyncio.get_running_loop().run_in_executor(None, writer.commit)
        except BaseException:
            writer.abort()
            raise
        self._covered_at = self._snapshot_at
        self._snapshot_at = began_at
        log.info("snapshot taken", at=began_at, bytes=writer.size_bytes)

    def _move_on(self) -> None:
        """A snapshot is named by its position: two of them need a fact between, any fact."""
        for queue in self._engine.namespace.by_id.values():
            self._commit([Numbered(queue.queue_id, queue.next_number)])
            return

    def _commit(self, facts: list[Fact]) -> Lsn:
        lsn = self._engine.commit_registry(facts)
        self._after()
        return lsn

    async def _until_durable(self, lsn: Lsn) -> None:
        if self._journal.durable < lsn:
            self._sync_soon()
        while self._journal.durable < lsn:
            await asyncio.sleep(0.005)

    # ---- segments

    async def _collect(self) -> None:
        plan = plan_collection(list(self._journal.segments), self._live, self._covered_at)
        emptied = await self._empty(self._affordable(plan.sparse))
        free = sorted([*plan.dead, *emptied])
        if not free:
            return
        # What took the last message out of them must not be undone by a crash.
        await self._until_durable(self._journal.end)
        for start in free:
            self._journal.forget_segment(start)
        await self._remove(free)
        log.info("segments freed", count=len(free), left=len(self._journal.segments))

    async def _remove(self, starts: list[Lsn]) -> None:
        """With rests for those who sync; with none when the disk is short of room."""
        loop = asyncio.get_running_loop()
        removal = await loop.run_in_executor(None, Removal, self._segments_folder, starts)
        is_more = True
        while is_more:
            began = time.monotonic()
            is_more = await loop.run_in_executor(None, removal.free_slice)
            if is_more and self._journal.has_room:
                await asyncio.sleep((time.monotonic() - began) * FREEING_REST_FACTOR)

    def _affordable(self, sparse: list[tuple[Lsn, Lsn]]) -> list[tuple[Lsn, Lsn]]:
        """Copying must not use up the room that settling needs: half of what is reserved."""
        left = self._journal.reserved_bytes // 2
        if self._journal.has_room:
            return sparse
        chosen: list[tuple[Lsn, Lsn]] = []
        for start, end in sparse:
            left -= self._live.between(start, end)
            if left < 0:
                break
            chosen.append((start, end))
        return chosen

    async def _empty(self, sparse: list[tuple[Lsn, Lsn]]) -> list[Lsn]:
        """Copy forward what lives in these segments; returns those in which nothing is left."""
        if not sparse:
            return []
        live = self._live
        live.watched_until = sparse[-1][1]
        live.moved.clear()
        emptying = Emptying(self._engine.namespace, self._journal, sparse, self._look_count)
        try:
            while True:
                facts = emptying.next_slice()
                if facts is None:
                    break
                if facts:
                    await self._until_durable(self._commit(facts))
                else:
                    await asyncio.sleep(0)
        finally:
            live.watched_until = Lsn(0)
        return [
            start
            for start, end in sparse
            if start not in emptying.kept and not any(start <= at < end for at in live.moved)
        ]

    # ---- what was found by the way

    def _tell_damages(self) -> None:
        for damage in self._journal.damages.values():
            log.error("journal damage", damage=damage)
        self._journal.damages.clear()
