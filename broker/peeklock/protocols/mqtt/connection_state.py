"""The life of an MQTT connection (§3.1.4, §4.12), the same seen from both ends.

The two ends take turns until the CONNACK, so one state says where they are. Everything that
changes it is in this table.
"""

from enum import Enum
from typing import Final

from peeklock.protocols.mqtt.reason_codes import protocol_error


class State(Enum):
    """How far the two have come."""

    START = "nothing was sent"
    DECIDING = "the server decides"  # about a CONNECT, or an AUTH that answers it
    CHALLENGED = "the client answers"  # the server's AUTH
    CONNECTED = "connected"
    CLOSED = "closed"


class Step(Enum):
    """What one of the two can send."""

    CONNECT = "CONNECT"
    CHALLENGE = "an AUTH from the server"
    RESPONSE = "an AUTH from the client"
    CONNACK = "CONNACK"
    REFUSAL = "a CONNACK that refuses"
    OTHER = "another packet"
    DISCONNECT = "DISCONNECT"


STEPS: Final[dict[tuple[State, Step], State]] = {
    (State.START, Step.CONNECT): State.DECIDING,
    (State.DECIDING, Step.CHALLENGE): State.CHALLENGED,
    (State.CHALLENGED, Step.RESPONSE): State.DECIDING,
    (State.DECIDING, Step.CONNACK): State.CONNECTED,
    (State.DECIDING, Step.REFUSAL): State.CLOSED,
    (State.CHALLENGED, Step.REFUSAL): State.CLOSED,  # [MQTT-4.12.0-4]
    (State.CHALLENGED, Step.DISCONNECT): State.CLOSED,  # [MQTT-3.1.2-30]
    (State.CONNECTED, Step.CHALLENGE): State.CONNECTED,  # re-authentication (§4.12.1)
    (State.CONNECTED, Step.RESPONSE): State.CONNECTED,
    (State.CONNECTED, Step.OTHER): State.CONNECTED,
    (State.CONNECTED, Step.DISCONNECT): State.CLOSED,
}

# The statement that forbids a step in a state; in the others it is that of the step alone.
FORBIDS: Final[dict[tuple[State, Step], str]] = {
    (State.CHALLENGED, Step.OTHER): "MQTT-3.1.2-30",
    (State.DECIDING, Step.OTHER): "MQTT-3.2.0-1",
    (State.DECIDING, Step.DISCONNECT): "MQTT-3.14.0-1",
    (State.DECIDING, Step.RESPONSE): "MQTT-4.12.0-3",
    (State.CHALLENGED, Step.CHALLENGE): "MQTT-4.12.0-2",
    (State.CHALLENGED, Step.CONNACK): "MQTT-4.12.0-3",
    (State.CONNECTED, Step.CONNACK): "MQTT-3.2.0-2",
    (State.CONNECTED, Step.REFUSAL): "MQTT-3.2.0-2",
}


def step(state: State, taken: Step) -> State:
    """The next state; raises `MqttViolation` where the table has no row."""
    after = STEPS.get((state, taken))
    if after is None:
        section = FORBIDS.get((state, taken))
        if section is None:
            section = "MQTT-3.1.0-2" if taken is Step.CONNECT else "MQTT-3.1.0-1"
        if state is State.CLOSED:
            section = "MQTT-3.14.4-1"
        raise protocol_error(section, f"{taken.value}, while {state.value}")
    return after
