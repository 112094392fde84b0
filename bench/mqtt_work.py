"""A process that publishes and subscribes: one loop over all its connections.

A closed loop, so that no broker has a reason to drop anything: only so many deliveries are on
their way. Every message has the same size, so what comes is counted rather than parsed.
"""

import selectors
import time

from bench.mqtt_peer import PUBACK, U16, MqttPeer, publish_packet

RUN = 32  # messages written in one go
SERIES_SECONDS = 0.01
QUIET_SECONDS = 3.0  # nothing came for so long: what has not come by now is lost
TOPIC = "bench/{name}/temperature"


class Signals:
    """`publishers` and `subscribers`, all on one topic; each subscriber has each message."""

    def __init__(
        self,
        url: str,
        name: str,
        counts: tuple[int, int],
        qos: int,
        size: int,
        window: int,
    ) -> None:
        publishers, subscribers = counts
        topic = TOPIC.format(name=name)
        self._qos = qos
        self._keep = qos > 0  # durable, on either side
        self._url = url
        self._names = [f"{name}-s{place}" for place in range(subscribers)]
        self._takers = [MqttPeer(url, taker, keep=self._keep) for taker in self._names]
        for taker in self._takers:
            taker.subscribe(topic, qos)
            taker.unblocked()
        self._givers = [
            MqttPeer(url, f"{name}-p{place}").unblocked() for place in range(publishers)
        ]
        one, self._id_at = publish_packet(topic, qos, bytes(size))
        self._size = len(one)
        self._run = one * RUN
        self._window = window  # deliveries on their way
        self._per_giver = max(1, window // publishers)
        self._unanswered = [0] * publishers
        self._next_id = 0
        self._selector = selectors.DefaultSelector()
        for place, giver in enumerate(self._givers):
            self._selector.register(giver.socket, selectors.EVENT_READ, (place, giver))
        for taker in self._takers:
            self._selector.register(taker.socket, selectors.EVENT_READ, (-1, taker))
        self.sent = 0
        self.answered = 0
        self.received = 0
        self.series: list[tuple[float, int]] = []

    def work(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        noted = 0.0
        while (now := time.monotonic()) < until:
            self._publish()
            self._take(0.001)
            if now - noted > SERIES_SECONDS:
                noted = now
                self.series.append((now, self.received))
        self._finish()
        self.series.append((time.monotonic(), self.received))

    def _finish(self) -> None:
        heard = time.monotonic()
        while self.received < self.sent * len(self._takers) or self.answered < self.sent:
            for giver in self._givers:
                giver.flush()
            before = self.received + self.answered
            self._take(0.05)
            if self.received + self.answered > before:
                heard = time.monotonic()
            elif time.monotonic() - heard > QUIET_SECONDS:
                return

    def _publish(self) -> None:
        room = self._window - self.sent + self.received // len(self._takers)
        for place, giver in enumerate(self._givers):
            giver.flush()
            count = min(RUN, room)
            if self._qos:
                count = min(count, self._per_giver - self._unanswered[place])
            if count <= 0 or giver.is_stuck:
                continue
            room -= count
            self.sent += count
            if self._qos:
                self._unanswered[place] += count
                for at in range(self._id_at, self._id_at + count * self._size, self._size):
                    self._next_id = self._next_id % 0xFFFF + 1
                    U16.pack_into(self._run, at, self._next_id)
            else:
                self.answered += count
            giver.send(memoryview(self._run)[: count * self._size])

    def _take(self, patience_seconds: float) -> None:
        for key, _mask in self._selector.select(patience_seconds):
            place, peer = key.data
            if place >= 0:
                count = peer.count(4)  # PUBACKs
                self.answered += count
                self._unanswered[place] -= count
            elif self._qos:
                count, packets = peer.read(self._size)
                self.received += count
                at = self._id_at
                answer = bytes([PUBACK, 2])
                peer.send(b"".join([answer + one[at : at + 2] for one in packets]))
            else:
                self.received += peer.count(self._size)

    def close(self) -> None:
        """And leave no session behind."""
        for peer in self._givers + self._takers:
            peer.close()
        if self._keep:
            for name in self._names:
                MqttPeer(self._url, name).close()
