"""What a connection tells its owner.

A `Publish` (publish.py) is its own event: one object less on the path of each message.
"""

from typing import Final, TypeAlias, final

from peeklock.protocols.mqtt.connect import Connack, Connect
from peeklock.protocols.mqtt.packets import Auth, Disconnect
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.subscribe import Suback, Subscribe, Unsuback, Unsubscribe


@final
class ConnectReceived:
    """A client wants in; the owner answers with `accept`, `refuse` or an AUTH."""

    def __init__(self, connect: Connect) -> None:
        self.connect: Final = connect


@final
class Connected:
    """The server has let us in."""

    def __init__(self, connack: Connack) -> None:
        self.connack: Final = connack


@final
class ConnectRefused:
    """The server has not; `ConnectionClosed` follows."""

    def __init__(self, connack: Connack) -> None:
        self.connack: Final = connack


@final
class AuthReceived:
    """A step of an enhanced authentication (§4.12), before or after the CONNACK."""

    def __init__(self, auth: Auth) -> None:
        self.auth: Final = auth


@final
class SubscribeReceived:
    """The owner answers with `suback`."""

    def __init__(self, subscribe: Subscribe) -> None:
        self.subscribe: Final = subscribe


@final
class UnsubscribeReceived:
    """The owner answers with `unsuback`."""

    def __init__(self, unsubscribe: Unsubscribe) -> None:
        self.unsubscribe: Final = unsubscribe


@final
class SubackReceived:
    """The server's answer to our SUBSCRIBE."""

    def __init__(self, suback: Suback) -> None:
        self.suback: Final = suback


@final
class UnsubackReceived:
    """The server's answer to our UNSUBSCRIBE."""

    def __init__(self, unsuback: Unsuback) -> None:
        self.unsuback: Final = unsuback


@final
class PublishAcknowledged:
    """By PUBACK, or by a PUBREC that refuses (>= 0x80): the exchange is over."""

    __slots__ = ("packet_id", "properties", "reason_code")
    __match_args__ = ("packet_id", "reason_code", "properties")

    def __init__(
        self, packet_id: int, reason_code: int, properties: Properties = NO_PROPERTIES
    ) -> None:
        self.packet_id: Final = packet_id
        self.reason_code: Final = reason_code
        self.properties: Final = properties


@final
class PublishRecorded:
    """By PUBREC: the peer has the message. Unless the settings say that the connection answers
    by itself, the owner remembers that and calls `release`.
    """

    __slots__ = ("packet_id", "properties", "reason_code")
    __match_args__ = ("packet_id", "reason_code", "properties")

    def __init__(self, packet_id: int, reason_code: int, properties: Properties) -> None:
        self.packet_id: Final = packet_id
        self.reason_code: Final = reason_code
        self.properties: Final = properties


@final
class PublishReleased:
    """By PUBREL: the peer will not send this message again. Unless the settings say that the
    connection answers by itself, the owner forgets the identifier and calls `complete`.
    """

    __slots__ = ("packet_id", "properties", "reason_code")
    __match_args__ = ("packet_id", "reason_code", "properties")

    def __init__(self, packet_id: int, reason_code: int, properties: Properties) -> None:
        self.packet_id: Final = packet_id
        self.reason_code: Final = reason_code
        self.properties: Final = properties


@final
class PublishCompleted:
    """By PUBCOMP: the exchange is over, and its identifier is free."""

    __slots__ = ("packet_id", "properties", "reason_code")
    __match_args__ = ("packet_id", "reason_code", "properties")

    def __init__(self, packet_id: int, reason_code: int, properties: Properties) -> None:
        self.packet_id: Final = packet_id
        self.reason_code: Final = reason_code
        self.properties: Final = properties


@final
class ConnectionClosed:
    """Exactly once, and last: by a DISCONNECT, a refusal, a violation, a time-out or EOF.

    `reason_code` and `what` say why; 0x80 (unspecified) where the bytes just ended.
    `disconnect` is the peer's, when it sent one. `is_will_due`: the will of the CONNECT is to
    be published [MQTT-3.1.2-8], after its delay.
    """

    def __init__(
        self, reason_code: int, what: str, disconnect: Disconnect | None, *, is_will_due: bool
    ) -> None:
        self.reason_code: Final = reason_code
        self.what: Final = what
        self.disconnect: Final = disconnect
        self.is_will_due: Final = is_will_due


Event: TypeAlias = (
    ConnectReceived
    | Connected
    | ConnectRefused
    | AuthReceived
    | Publish
    | PublishAcknowledged
    | PublishRecorded
    | PublishReleased
    | PublishCompleted
    | SubscribeReceived
    | UnsubscribeReceived
    | SubackReceived
    | UnsubackReceived
    | ConnectionClosed
)
