"""What a server says when it lets a client in (§3.2)."""

from collections.abc import Iterable
from dataclasses import dataclass

from peeklock.protocols.mqtt.connect import MQTT_5_0, Connect
from peeklock.protocols.mqtt.properties import (
    ASSIGNED_CLIENT_IDENTIFIER,
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    REQUEST_RESPONSE_INFORMATION,
    RESPONSE_INFORMATION,
    SERVER_KEEP_ALIVE,
    SESSION_EXPIRY_INTERVAL,
    Properties,
    UserProperty,
    properties,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings


@dataclass(frozen=True)
class Acceptance:
    """The owner's part of it.

    `session_expiry_interval`, in seconds, is given where it is not what the client asked for;
    `response_information` goes out if the client wants it. `kept_sent` and `kept_received` are
    the packet identifiers of an earlier connection (`MessageFlow.keep`): what was sent then,
    the owner delivers again (`MessageFlow.redeliver`).
    """

    session_present: bool = False
    assigned_client_id: str | None = None
    session_expiry_interval: int | None = None
    response_information: str | None = None
    authentication_data: bytes | None = None
    user: tuple[UserProperty, ...] = ()
    kept_sent: Iterable[int] = ()
    kept_received: Iterable[int] = ()


def keep_alive_for(connect: Connect, settings: ConnectionSettings) -> int:
    """Seconds; the client's own, unless 5.0 lets the server say less [MQTT-3.2.2-22]."""
    most = settings.keep_alive_max
    asked = connect.keep_alive
    if most is None or connect.version != MQTT_5_0 or 0 < asked <= most:
        return asked
    return most


def connack_properties(
    given: Acceptance, connect: Connect, settings: ConnectionSettings
) -> Properties:
    """Of the CONNACK: what the settings announce, and what the owner says."""
    keep_alive = keep_alive_for(connect, settings)
    wants_response_information = connect.properties.number(REQUEST_RESPONSE_INFORMATION, 0) == 1
    said = properties(
        numbers={
            SESSION_EXPIRY_INTERVAL: given.session_expiry_interval,
            SERVER_KEEP_ALIVE: None if keep_alive == connect.keep_alive else keep_alive,
        },
        texts={
            ASSIGNED_CLIENT_IDENTIFIER: given.assigned_client_id,  # [MQTT-3.1.3-7]
            RESPONSE_INFORMATION: (  # [MQTT-3.1.2-28]
                given.response_information if wants_response_information else None
            ),
            AUTHENTICATION_METHOD: connect.properties.text(
                AUTHENTICATION_METHOD  # [MQTT-4.12.0-5]
            ),
        },
        binaries={AUTHENTICATION_DATA: given.authentication_data},
    )
    return Properties(settings.announced(by_server=True) | said.values, given.user)
