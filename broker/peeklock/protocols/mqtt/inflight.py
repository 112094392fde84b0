"""QoS 1 and 2 exchanges by packet identifier (§4.3), and how many there may be (§4.9).

A table for each direction. They are a connection's; what outlives it is the session's owner's
to keep, who says at the next connection which identifiers are in use.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, final

from peeklock.protocols.mqtt.primitives import U16_MAX
from peeklock.protocols.mqtt.reason_codes import (
    RECEIVE_MAXIMUM_EXCEEDED,
    MqttViolation,
    protocol_error,
)

NONE: Final = 0  # no exchange has this identifier

# What we have sent, and wait for.
PUBACK_AWAITED: Final = 1
PUBREC_AWAITED: Final = 2
RELEASE_DUE: Final = 3  # PUBREC has come; our PUBREL is to follow
PUBCOMP_AWAITED: Final = 4
KEPT: Final = 5  # of an earlier connection; to be delivered again
REQUEST: Final = 6  # a SUBSCRIBE or UNSUBSCRIBE: they share the numbers

# What has come, and is to be answered.
PUBACK_DUE: Final = 1
PUBREC_DUE: Final = 2
PUBREL_AWAITED: Final = 3  # PUBREC is sent: the message is not taken twice
PUBCOMP_DUE: Final = 4

FRESH: Final = 0  # of a PUBLISH that came
AGAIN: Final = 1  # it is being dealt with, and will be answered
RECORDED: Final = 2  # its PUBREC was lost, or is on its way: send it once more


@final
class Outgoing:
    """Packet identifiers that we gave away, and where their exchanges stand."""

    def __init__(self, maximum: int, reserved: int = 0) -> None:
        self.maximum = maximum  # the peer's receive maximum, or ours if that is less
        self._reserved: Final = reserved  # identifiers from 1 on that the owner gives away
        self._count = 0  # messages under way that count [MQTT-4.9.0-2]
        self._states: Final[dict[int, int]] = {}
        self._uncounted: Final[set[int]] = set()  # PUBREL of an earlier connection's message
        self._last = reserved

    @property
    def count(self) -> int:
        """Messages under way: not acknowledged yet."""
        return self._count

    @property
    def quota(self) -> int:
        """How many QoS 1 and 2 messages may be sent now."""
        return max(0, self.maximum - self._count)

    def state(self, packet_id: int) -> int:
        return self._states.get(packet_id, NONE)

    def keep(self, packet_ids: Iterable[int]) -> None:
        """Identifiers of an earlier connection, which stay in use [MQTT-4.4.0-1]."""
        for packet_id in packet_ids:
            assert 0 < packet_id <= U16_MAX
            self._states[packet_id] = KEPT

    def forget(self, packet_id: int) -> None:
        """A kept identifier is not needed: its message cannot be sent."""
        del self._states[packet_id]

    def forget_kept(self) -> None:
        """The peer has lost the session [MQTT-3.2.2-5]."""
        for packet_id in [one for one, state in self._states.items() if state == KEPT]:
            del self._states[packet_id]

    def allot(self) -> int:
        """An identifier that is not in use [MQTT-2.2.1-3] [MQTT-2.2.1-4]; 0: all are."""
        packet_id = self._last
        states = self._states
        first = self._reserved + 1
        if len(states) > U16_MAX - first:
            return NONE
        while True:
            packet_id = packet_id + 1 if packet_id < U16_MAX else first
            if packet_id not in states:
                self._last = packet_id
                return packet_id

    def send(self, packet_id: int, qos: int) -> None:
        """A PUBLISH goes out under this identifier [MQTT-4.3.2-1] [MQTT-4.3.3-1].

        It is not acknowledged before its PUBACK [MQTT-4.3.2-3] or PUBREC [MQTT-4.3.3-3] comes.
        """
        self._states[packet_id] = PUBACK_AWAITED if qos == 1 else PUBREC_AWAITED
        self._count += 1

    def send_again(self, packet_id: int) -> None:
        """The PUBREL of an earlier connection's message goes out; it counts for nothing."""
        self._states[packet_id] = PUBCOMP_AWAITED
        self._uncounted.add(packet_id)

    def move(self, packet_id: int, state: int) -> None:
        self._states[packet_id] = state

    def request(self, packet_id: int) -> None:
        self._states[packet_id] = REQUEST

    def end(self, packet_id: int) -> None:
        """The identifier is free again."""
        state = self._states.pop(packet_id)
        if state == REQUEST:
            return
        if self._uncounted and packet_id in self._uncounted:
            self._uncounted.remove(packet_id)
        else:
            self._count -= 1


@final
class Incoming:
    """Packet identifiers that the peer gave away, and what we owe it.

    Answers leave in the order in which the messages came [MQTT-4.6.0-2] [MQTT-4.6.0-3], however
    the owner decides about them.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum  # our receive maximum
        self._states: Final[dict[int, int]] = {}
        self._uncounted: Final[set[int]] = set()  # messages of an earlier connection
        self._order: Final[deque[int]] = deque()  # those whose PUBACK or PUBREC is due
        self._ready: Final[dict[int, bytes]] = {}  # decided before an earlier one

    def keep(self, packet_ids: Iterable[int]) -> None:
        """QoS 2 messages that were taken on an earlier connection and not released yet."""
        for packet_id in packet_ids:
            self._states[packet_id] = PUBREL_AWAITED
            self._uncounted.add(packet_id)

    def forget_kept(self) -> None:
        """The peer has lost the session."""
        for packet_id in self._uncounted:
            del self._states[packet_id]
        self._uncounted.clear()

    def state(self, packet_id: int) -> int:
        return self._states.get(packet_id, NONE)

    def receive(self, packet_id: int, qos: int, *, dup: bool) -> int:
        """A PUBLISH has come: FRESH, AGAIN or RECORDED."""
        state = self._states.get(packet_id, NONE)
        if state == NONE:
            if len(self._states) - len(self._uncounted) >= self.maximum:
                what = f"more than {self.maximum} messages that are not acknowledged"
                raise MqttViolation("MQTT-3.3.4-7", what, RECEIVE_MAXIMUM_EXCEEDED)
            self._states[packet_id] = PUBACK_DUE if qos == 1 else PUBREC_DUE
            self._order.append(packet_id)
            return FRESH  # whatever its DUP says [MQTT-4.3.2-5]
        if state == PUBREL_AWAITED and qos == 2:
            return RECORDED  # never delivered twice [MQTT-4.3.3-10]
        if dup and state == (PUBACK_DUE if qos == 1 else PUBREC_DUE):
            return AGAIN
        raise protocol_error("MQTT-2.2.1-3", f"packet identifier {packet_id} is in use")

    def answer(self, packet_id: int, packet: bytes, *, ends: bool) -> list[bytes]:
        """The owner has decided: what can be sent now. `ends`: no PUBREL will come."""
        if ends:
            del self._states[packet_id]
        else:
            self._states[packet_id] = PUBREL_AWAITED
        order = self._order
        if order[0] != packet_id:
            self._ready[packet_id] = packet
            return []
        order.popleft()
        out = [packet]
        ready = self._ready
        while ready and order[0] in ready:
            out.append(ready.pop(order.popleft()))
        return out

    def release(self, packet_id: int) -> bool:
        """PUBREL has come; `False` when nothing is known of that message, or it is not due."""
        if self._states.get(packet_id, NONE) != PUBREL_AWAITED:
            return False
        self._states[packet_id] = PUBCOMP_DUE
        return True

    def complete(self, packet_id: int) -> None:
        """PUBCOMP goes out: a later PUBLISH with this identifier is a new one."""
        del self._states[packet_id]
        self._uncounted.discard(packet_id)
