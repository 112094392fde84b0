"""Keep alive (§3.1.2.10): who has to be heard from by when."""

from typing import Final, final

from peeklock.types import NO_TIMEOUT, ElapsedMs, Millis, next_timeout


@final
class KeepAlive:
    """Of one connection, once it is open. `seconds` is 0 where nobody counts."""

    def __init__(self, *, is_server: bool, ping_timeout_ms: int) -> None:
        self.seconds = 0
        self._is_server: Final = is_server
        self._ping_timeout_ms: Final = ping_timeout_ms
        self._heard_by: ElapsedMs = (
            NO_TIMEOUT  # the server's patience, or the client's for PINGRESP
        )
        self._ping_at: ElapsedMs = NO_TIMEOUT

    @property
    def period_ms(self) -> Millis:
        return Millis(1000 * self.seconds)

    def start(self, seconds: int, now: ElapsedMs) -> None:
        self.seconds = seconds
        self.heard(now)
        self.sent(now)

    def stop(self) -> None:
        self.seconds = 0
        self._heard_by = NO_TIMEOUT
        self._ping_at = NO_TIMEOUT

    def heard(self, now: ElapsedMs) -> None:
        """A whole packet has come: one and a half times the period from now [MQTT-3.1.2-22].

        A client goes on waiting for PINGRESP, but a server that sends something is there.
        """
        if self._is_server:
            if self.seconds:
                self._heard_by = ElapsedMs(now + self.period_ms * 3 // 2)
        elif self._heard_by != NO_TIMEOUT:
            self._heard_by = ElapsedMs(now + self._ping_timeout_ms)

    def sent(self, now: ElapsedMs) -> None:
        """A client that sends nothing for a period has to ping [MQTT-3.1.2-20]."""
        if not self._is_server and self.seconds:
            self._ping_at = ElapsedMs(now + self.period_ms)

    def pinged(self, now: ElapsedMs) -> None:
        if not self._is_server and self._heard_by == NO_TIMEOUT:
            self._heard_by = ElapsedMs(now + self._ping_timeout_ms)

    def answered(self) -> None:
        """PINGRESP has come."""
        if not self._is_server:
            self._heard_by = NO_TIMEOUT

    def is_lost(self, now: ElapsedMs) -> bool:
        return self._heard_by != NO_TIMEOUT and now >= self._heard_by

    def is_ping_due(self, now: ElapsedMs) -> bool:
        return self._ping_at != NO_TIMEOUT and now >= self._ping_at

    def next_deadline(self) -> ElapsedMs:
        return next_timeout(self._heard_by, self._ping_at)
