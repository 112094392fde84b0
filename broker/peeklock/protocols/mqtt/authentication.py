"""Enhanced authentication (5.0 §4.12): whose turn it is, and that the method stays the same.

What the data mean is the owners' business. Until the CONNACK connection_state.py has the turns.
"""

from enum import Enum
from typing import final

from peeklock.protocols.mqtt.packets import Auth
from peeklock.protocols.mqtt.properties import AUTHENTICATION_METHOD, Properties
from peeklock.protocols.mqtt.reason_codes import (
    CONTINUE_AUTHENTICATION,
    REAUTHENTICATE,
    SUCCESS,
    protocol_error,
)


class Turn(Enum):
    """Of a re-authentication, who is to send the next AUTH."""

    NOBODY = "nobody"  # none is under way
    CLIENT = "client"
    SERVER = "server"


@final
class Authentication:
    """One connection's method, by its CONNECT, and its re-authentications."""

    def __init__(self) -> None:
        self.method: str | None = None
        self._turn = Turn.NOBODY

    def check_method(self, found: Properties) -> None:
        """Of the peer's AUTH, or its CONNACK that lets us in."""
        if found.text(AUTHENTICATION_METHOD) != self.method:
            raise protocol_error("MQTT-4.12.0-5", "another authentication method than at first")

    def receive(self, auth: Auth, *, is_server: bool, is_connected: bool) -> None:
        """Raises unless the peer may send this AUTH now."""
        if self.method is None:
            section = "MQTT-4.12.0-7" if is_server else "MQTT-4.12.0-6"
            raise protocol_error(section, "AUTH, and CONNECT had no authentication method")
        self.check_method(auth.properties)
        code = auth.reason_code
        if not is_connected:
            if code != CONTINUE_AUTHENTICATION:
                section = "MQTT-4.12.0-3" if is_server else "MQTT-4.12.0-2"
                raise protocol_error(section, f"AUTH 0x{code:02x} before the CONNACK")
        elif is_server:
            begins = code == REAUTHENTICATE and self._turn is Turn.NOBODY
            goes_on = code == CONTINUE_AUTHENTICATION and self._turn is Turn.CLIENT
            if not begins and not goes_on:
                raise protocol_error("MQTT-4.12.1-1", f"AUTH 0x{code:02x} out of turn")
            self._turn = Turn.SERVER
        else:
            if code == REAUTHENTICATE or self._turn is not Turn.SERVER:
                raise protocol_error("MQTT-4.12.1-1", f"AUTH 0x{code:02x} out of turn")
            self._turn = Turn.NOBODY if code == SUCCESS else Turn.CLIENT

    def send(self, code: int, *, is_server: bool, is_connected: bool) -> None:
        """The owner sends one: its own mistakes fail here."""
        assert self.method is not None, "AUTH without an authentication method"
        if not is_connected:
            assert code == CONTINUE_AUTHENTICATION
        elif is_server:
            assert self._turn is Turn.SERVER
            self._turn = Turn.NOBODY if code == SUCCESS else Turn.CLIENT
        else:
            assert self._turn is (Turn.NOBODY if code == REAUTHENTICATE else Turn.CLIENT)
            self._turn = Turn.SERVER
