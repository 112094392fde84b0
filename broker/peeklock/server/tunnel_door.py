"""Who may open a WebSocket, where, and which protocol is spoken through it.

Apart from the WebSocket itself, which is loaded when the first one comes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from peeklock.server.config import is_loopback
from peeklock.server.connection import SocketConnection

AMQP: Final = "amqp"  # as IANA has it, and the AMQP WebSocket binding (§2.1)
AMQP_BEFORE: Final = "AMQPWSB10"  # as the binding's drafts, and Azure's SDKs, have it
MQTT: Final = "mqtt"  # MQTT 5.0 §6 [MQTT-6.0.0-3] [MQTT-6.0.0-4]
# Where clients look for it: Azure's SDKs, Mosquitto and MQTT.js, EMQX's and Artemis' users.
PATHS: Final = frozenset({"/$servicebus/websocket", "/amqp", "/mqtt", "/ws", "/"})
ANY_ORIGIN: Final = "*"


class NoEntry(Exception):
    """The handshake is refused with this status."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


@dataclass(frozen=True)
class TunnelDoor:
    """`makers` are what makes a connection, by the name of its protocol.

    `origins` are those of web pages that may come in from elsewhere (RFC 6454 §6.1), to which
    `local_pages` adds all that this machine serves. `is_expected_host` says by which names the
    broker may be called. `is_ending`: the broker is shutting down.
    """

    makers: dict[str, Callable[[], SocketConnection]]
    origins: Sequence[str]
    local_pages: bool
    is_expected_host: Callable[[str], bool]
    is_ending: Callable[[], bool]

    def open(
        self, path: str, offered: Sequence[str], host: str, origin: str | None
    ) -> tuple[str, Callable[[], SocketConnection]]:
        """The sub-protocol that is spoken, and its maker; raises `NoEntry`."""
        if (unquote(path).rstrip("/") or "/") not in PATHS:
            raise NoEntry(404, f"WebSockets are at {', '.join(sorted(PATHS))}")
        if not self.is_expected_host(host):
            raise NoEntry(421, f"nobody is called {host[:80]!r} here")
        if origin is not None and not self.is_welcome(origin, host):
            raise NoEntry(
                403,
                f"pages of {origin[:80]!r} may not come in; those of the broker's own address"
                " may, and those that websocket_origins names",
            )
        for name in offered:
            maker = self.makers.get(AMQP if name == AMQP_BEFORE else name)
            if maker is not None:
                return name, maker
        spoken = [AMQP_BEFORE, *self.makers]
        raise NoEntry(
            400, f"no sub-protocol that is spoken here: there are {', '.join(sorted(spoken))}"
        )

    def is_welcome(self, origin: str, host: str) -> bool:
        """A page comes from where it was loaded, whatever it was loaded by.

        Its scheme is not looked at where the rest is the broker's own address: clients that
        are no browsers guess it, and a page at another scheme of our address is ours, too.
        """
        allowed = [one.lower() for one in self.origins]
        if ANY_ORIGIN in allowed or origin.lower() in allowed:
            return True
        try:
            parts = urlsplit(origin)
            named = (parts.hostname or "", parts.port or default_port(parts.scheme))
            wanted = urlsplit(f"//{host}")
            own = (wanted.hostname or "", wanted.port)
        except ValueError:  # of a port that is none
            return False
        if not named[0]:
            return False
        if self.local_pages and is_loopback(named[0]):
            return True
        return named[0] == own[0] and (own[1] is None or named[1] == own[1])


def default_port(scheme: str) -> int | None:
    return {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(scheme)
