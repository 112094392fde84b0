"""Snapshots and the freeing of segments, a slice at a time between other work."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from peeklock.engine.capture import Capture, relocations
from peeklock.engine.engine import Engine
from peeklock.store.collect import LiveBytes, plan_collection
from peeklock.store.file_journal import FileJournal
from peeklock.store.snapshot import SnapshotWriter
from peeklock.types import Lsn

LOOK_SECONDS: Final = 0.5
log = structlog.get_logger()


class Housekeeping:
    """Bounds the journal: what a snapshot covers and nobody needs goes."""

    def __init__(
        self,
        engine: Engine,
        journal: FileJournal,
        live: LiveBytes,
        snapshots: Path,
        snapshot_at: Lsn,
        snapshot_bytes: int,
        after: Callable[[], None],
    ) -> None:
        self._engine: Final = engine
        self._journal: Final = journal
        self._live: Final = live
        self._snapshots: Final = snapshots
        self._snapshot_at = snapshot_at
        # What the snapshot before the newest covers: should the newest be damaged, that one
        # and the journal since then still tell everything.
        self._covered_at = Lsn(0)
        self._snapshot_bytes: Final = snapshot_bytes
        self._after: Final = after

    async def run_forever(self) -> None:
        """Runs until cancelled. An OSError endangers nothing that is stored: it is logged."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._journal.end - self._snapshot_at < self._snapshot_bytes:
                continue
            try:
                await self._take_snapshot()
                await self._collect()
            except OSError as error:
                log.error("housekeeping failed", error=str(error))
                self._snapshot_at = self._journal.end  # try again after as much growth

    async def _take_snapshot(self) -> None:
        loop = asyncio.get_running_loop()
        began_at = self._journal.end
        writer = SnapshotWriter(self._snapshots, began_at)
        try:
            capture = Capture(self._engine.namespace)
            while True:
                facts = capture.next_slice(self._journal.end)
                if not facts:
                    break
                writer.add(facts)
                await asyncio.sleep(0)
            # A snapshot must not know more than the journal does.
            await self._until_durable(self._journal.end)
            await loop.run_in_executor(None, writer.commit)
        except BaseException:
            writer.abort()
            raise
        self._covered_at = self._snapshot_at
        self._snapshot_at = began_at
        log.info("snapshot taken", at=began_at, bytes=writer.size_bytes)

    async def _until_durable(self, lsn: Lsn) -> None:
        while self._journal.durable < lsn:
            await asyncio.sleep(0.005)

    async def _collect(self) -> None:
        plan = plan_collection(list(self._journal.segments), self._live, self._covered_at)
        for start, end in plan.sparse[:1]:  # one a round: copying is somebody's latency
            facts = relocations(self._engine.namespace, self._journal, start, end)
            if facts:
                lsn = self._engine.commit_registry(facts)
                self._after()
                await self._until_durable(lsn)
            if self._live.between(start, end) == 0:
                plan.dead.append(start)
        for start in plan.dead:
            self._journal.drop_segment(start)
        if plan.dead:
            log.info("segments freed", count=len(plan.dead), left=len(self._journal.segments))
