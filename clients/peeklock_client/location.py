"""Where the broker is, and as whom we come: URL, environment, or the local broker's file."""

import json
import os
import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

PORT = 5672
TLS_PORT = 5671
DEFAULT_URL = f"amqp://127.0.0.1:{PORT}"


@dataclass(frozen=True)
class Location:
    """A parsed broker URL."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'amqps' if self.tls else 'amqp'}://{host}:{self.port}"

    def is_same_place(self, other: "Location") -> bool:
        """Whatever this machine is called: localhost, 127.0.0.1, ::1."""
        mine, others = self.host, other.host
        same_host = mine == others or (is_loopback(mine) and is_loopback(others))
        return same_host and self.port == other.port and self.tls == other.tls


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_url(url: str) -> Location:
    """`amqp[s]://[user[:password]@]host[:port]`; raises `ValueError` saying what is wrong."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not close, a port that is none
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("amqp", "amqps") or not host:
        shown = re.sub(r"//[^/]*@", "//", url)  # without user and password
        raise ValueError(f"{shown!r} is no broker URL like amqp://127.0.0.1:5672")
    tls = parts.scheme == "amqps"
    return Location(
        host,
        port or (TLS_PORT if tls else PORT),
        tls,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def credentials_file() -> Path:
    """Where brokers started on this machine say where they are, and whom they let in."""
    named = os.environ.get("PEEKLOCK_CREDENTIALS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "peeklock" / "credentials.json"


def find_broker(url: str | None) -> Location:
    """The broker that is meant: `url`, else PEEKLOCK_URL, else the local one, started last.

    Credentials that a local broker has left are used when the URL names none.
    """
    known = known_brokers()
    wanted = url or os.environ.get("PEEKLOCK_URL")
    if not wanted:
        running = [entry for entry in known if is_running(entry.get("pid"))]
        wanted = str(running[-1]["url"]) if running else DEFAULT_URL
    location = parse_url(wanted)
    if location.user is None:
        for entry in reversed(known):
            if entry.get("user") and location.is_same_place(parse_url(str(entry["url"]))):
                user, password = str(entry["user"]), str(entry.get("password", ""))
                return replace(location, user=user, password=password)
    return location


def known_brokers() -> list[dict[str, object]]:
    """What the credentials file has; nothing when there is none, or it is not ours."""
    try:
        found = json.loads(credentials_file().read_text())
    except (OSError, ValueError, RuntimeError):  # the last one: a user without a home
        return []
    brokers = found.get("brokers") if isinstance(found, dict) else None
    if not isinstance(brokers, list):
        return []
    return [entry for entry in brokers if isinstance(entry, dict) and is_url(entry.get("url"))]


def is_url(url: object) -> bool:
    try:
        parse_url(str(url))
    except ValueError:
        return False
    return True


def is_running(pid: object) -> bool:
    """A broker that says no process id is elsewhere, in a container perhaps."""
    if not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
