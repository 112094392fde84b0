"""What each end allows the other: ours as settings, the peer's as it has told us."""

from dataclasses import dataclass
from typing import Final, final

from peeklock.limits import (
    MQTT_CONNECT_BYTES_MAX,
    MQTT_CONNECT_TIMEOUT,
    MQTT_IN_FLIGHT_MAX,
    MQTT_PACKET_BYTES_MAX,
    MQTT_PING_TIMEOUT,
    MQTT_RECEIVE_MAX,
    MQTT_TOPIC_ALIAS_MAX,
    MQTT_UNREAD_BYTES_MAX,
)
from peeklock.protocols.mqtt.primitives import U16_MAX
from peeklock.protocols.mqtt.properties import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    REQUEST_PROBLEM_INFORMATION,
    RETAIN_AVAILABLE,
    SHARED_SUBSCRIPTION_AVAILABLE,
    SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
    TOPIC_ALIAS_MAXIMUM,
    WILDCARD_SUBSCRIPTION_AVAILABLE,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.varint import VARINT_BYTES_MAX, VARINT_MAX

PACKET_BYTES_MAX: Final = 1 + VARINT_BYTES_MAX + VARINT_MAX  # of any packet there can be


@dataclass(frozen=True)
class ConnectionSettings:
    """One end's choices. Sizes in bytes, times in milliseconds, keep alive in seconds."""

    packet_bytes_max: int = MQTT_PACKET_BYTES_MAX
    connect_bytes_max: int = MQTT_CONNECT_BYTES_MAX  # server: of the first packet
    unread_bytes_max: int = MQTT_UNREAD_BYTES_MAX  # server: until the CONNECT is decided
    receive_maximum: int = MQTT_RECEIVE_MAX
    in_flight_max: int = MQTT_IN_FLIGHT_MAX
    packet_ids_reserved: int = 0  # from 1 on: their owner uses them in `MessageFlow.deliver`
    topic_alias_maximum: int = MQTT_TOPIC_ALIAS_MAX  # that the peer may use
    topic_aliases_sent: int = 0  # that we use, if the peer takes as many
    connect_timeout_ms: int = MQTT_CONNECT_TIMEOUT
    ping_timeout_ms: int = MQTT_PING_TIMEOUT  # client
    keep_alive_max: int | None = None  # server: a 5.0 client that asks for more, or for none
    maximum_qos: int = 2  # this and what follows: what a server offers
    retain_available: bool = True
    wildcard_subscription_available: bool = True
    subscription_identifiers_available: bool = True
    shared_subscription_available: bool = True
    # PUBREL and PUBCOMP leave at once. Without, the owner calls `release` and `complete`, after
    # what they promise is durable.
    answers_by_itself: bool = True

    def announced(self, *, by_server: bool) -> dict[int, PropertyValue]:
        """The properties that say so in CONNECT or CONNACK; defaults go without saying."""
        numbers: dict[int, PropertyValue] = {MAXIMUM_PACKET_SIZE: self.packet_bytes_max}
        if self.receive_maximum < U16_MAX:
            numbers[RECEIVE_MAXIMUM] = self.receive_maximum
        if self.topic_alias_maximum:
            numbers[TOPIC_ALIAS_MAXIMUM] = self.topic_alias_maximum
        if by_server:
            if self.maximum_qos < 2:
                numbers[MAXIMUM_QOS] = self.maximum_qos  # [MQTT-3.2.2-9]
            for available, identifier in (
                (self.retain_available, RETAIN_AVAILABLE),
                (self.wildcard_subscription_available, WILDCARD_SUBSCRIPTION_AVAILABLE),
                (self.subscription_identifiers_available, SUBSCRIPTION_IDENTIFIERS_AVAILABLE),
                (self.shared_subscription_available, SHARED_SUBSCRIPTION_AVAILABLE),
            ):
                if not available:
                    numbers[identifier] = 0
        return numbers


@final
class PeerLimits:
    """What the peer takes, by the properties of its CONNECT or CONNACK."""

    __slots__ = (
        "maximum_qos", "packet_bytes_max", "receive_maximum", "retain_available",
        "topic_alias_maximum", "wants_problem_information",
    )  # fmt: skip

    def __init__(self, told: Properties) -> None:
        self.packet_bytes_max: Final = told.number(MAXIMUM_PACKET_SIZE, PACKET_BYTES_MAX)
        self.receive_maximum: Final = told.number(RECEIVE_MAXIMUM, U16_MAX)
        self.topic_alias_maximum: Final = told.number(TOPIC_ALIAS_MAXIMUM, 0)
        self.maximum_qos: Final = told.number(MAXIMUM_QOS, 2)
        self.retain_available: Final = told.number(RETAIN_AVAILABLE, 1) == 1
        self.wants_problem_information: Final = told.number(REQUEST_PROBLEM_INFORMATION, 1) == 1
