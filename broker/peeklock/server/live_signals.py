"""Topics' events for those who follow them live: bounded buffers, and a task of its own.

Senders and workers do not wait for it: what topics take is put aside, looked at once for all
who follow, one message at a time with others' turns between, and skipped where there is no
room: for all of a topic's followers when too much is put aside, for one when it does not read.
"""

import asyncio
from collections import deque
from typing import Final

from peeklock.clock import Clock
from peeklock.engine.effects import Effect, Signalled
from peeklock.engine.engine import Engine
from peeklock.entities.topic import Topic
from peeklock.errors import Busy
from peeklock.frontends.http.live_events import Wanted, live_event, skipped_frame
from peeklock.limits import (
    HTTP_STREAM_BUFFER_BYTES_MAX,
    HTTP_STREAMS_BACKLOG_BYTES_MAX,
    HTTP_STREAMS_MAX,
)
from peeklock.types import Millis

LINGER_SECONDS: Final = 0.02


class LiveStream:
    """See `Stream`."""

    def __init__(self, signals: "LiveSignals", topic: Topic, wanted: Wanted) -> None:
        self.topic: Final = topic
        self.wanted: Final = wanted
        self.is_ended = False
        self._signals: Final = signals
        self._frames: list[bytes] = []
        self._size_bytes = 0
        self._skipped_count = 0  # behind the frames
        self._news: Final = asyncio.Event()
        self._told_at = 0.0

    def offer(self, frame: bytes) -> None:
        """b"" for what cannot be told."""
        if not frame or self._size_bytes + len(frame) > HTTP_STREAM_BUFFER_BYTES_MAX:
            self.skip()
            return
        self._tell_skipped()
        self._put(frame)
        self._news.set()

    def skip(self) -> None:
        self._skipped_count += 1
        self._news.set()

    def end(self) -> None:
        self.is_ended = True
        self._news.set()

    def close(self) -> None:
        self._signals.forget(self)

    async def read(self, patience: Millis) -> bytes | None:
        if not self._news.is_set():
            try:
                async with asyncio.timeout(patience / 1000):
                    await self._news.wait()
            except TimeoutError:
                return b"" if self._signals.is_there(self.topic) else None
        await self._linger()
        self._news.clear()
        self._tell_skipped()
        frames = b"".join(self._frames)
        self._frames.clear()
        self._size_bytes = 0
        if self.is_ended:
            self._news.set()
            return frames or None
        return frames

    async def _linger(self) -> None:
        """Where much is told, several events at a time: each write costs others their turn."""
        loop = asyncio.get_running_loop()
        rest = self._told_at + LINGER_SECONDS - loop.time()
        if rest > 0 and not self.is_ended:
            await asyncio.sleep(rest)
        self._told_at = loop.time()

    def _tell_skipped(self) -> None:
        if self._skipped_count:
            self._put(skipped_frame(self._skipped_count))
            self._skipped_count = 0

    def _put(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._size_bytes += len(frame)


class LiveSignals:
    """A peer of the engine without a connection; `Follow` is its face to the front-end."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine: Final = engine
        self._clock: Final = clock
        self._streams: Final[dict[Topic, list[LiveStream]]] = {}
        self._count = 0
        self._backlog: Final[deque[Signalled]] = deque()
        self._backlog_bytes = 0
        self._work: asyncio.Task[None] | None = None
        self._is_closed = False

    def follow(self, topic: Topic, wanted: Wanted) -> LiveStream:
        """See `Follow`."""
        if self._count >= HTTP_STREAMS_MAX:
            raise Busy(f"{HTTP_STREAMS_MAX} streams are open, the limit")
        stream = LiveStream(self, topic, wanted)
        if self._is_closed:
            stream.end()
        self._streams.setdefault(topic, []).append(stream)
        self._count += 1
        self._engine.follow(self, topic)
        return stream

    def forget(self, stream: LiveStream) -> None:
        """It has no reader any more."""
        streams = self._streams.get(stream.topic, [])
        if stream not in streams:
            return
        streams.remove(stream)
        self._count -= 1
        if not streams:
            del self._streams[stream.topic]
            self._engine.unfollow(self, stream.topic)

    def is_there(self, topic: Topic) -> bool:
        return self._engine.namespace.has_entity(topic)

    def close(self) -> None:
        """The broker shuts down."""
        self._is_closed = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end()

    # ---- what topics take

    def on_effect(self, effect: Effect) -> None:
        assert isinstance(effect, Signalled)
        size = effect.message.size
        if self._backlog_bytes + size > HTTP_STREAMS_BACKLOG_BYTES_MAX:
            for stream in self._streams.get(effect.topic, []):
                stream.skip()
            return
        self._backlog_bytes += size
        self._backlog.append(effect)
        if self._work is None or self._work.done():
            self._work = asyncio.ensure_future(self._tell_all())

    async def _tell_all(self) -> None:
        while self._backlog:
            await asyncio.sleep(0)  # others first
            signalled = self._backlog.popleft()
            self._backlog_bytes -= signalled.message.size
            self._tell(signalled)

    def _tell(self, signalled: Signalled) -> None:
        streams = self._streams.get(signalled.topic)
        if not streams:
            return
        event = live_event(signalled.message, self._engine.ids, self._clock.now())
        if event is None:
            return
        for stream in streams:
            if stream.wanted(event):
                stream.offer(event.frame)
