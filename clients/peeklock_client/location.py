"""Where the broker is, and as whom we come: URL, environment, or the local broker's file."""

import json
import os
from dataclasses import dataclass, replace
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
        return f"{'amqps' if self.tls else 'amqp'}://{self.host}:{self.port}"


def parse_url(url: str) -> Location:
    """`amqp[s]://[user[:password]@]host[:port]`; raises `ValueError` saying what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ValueError(f"{url!r} is no broker URL like amqp://127.0.0.1:5672")
    tls = parts.scheme == "amqps"
    return Location(
        parts.hostname,
        parts.port or (TLS_PORT if tls else PORT),
        tls,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def credentials_file() -> Path:
    """Where a broker started on this machine leaves the credentials it made."""
    named = os.environ.get("PEEKLOCK_CREDENTIALS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "peeklock" / "credentials.json"


def find_broker(url: str | None) -> Location:
    """The broker that is meant: `url`, else PEEKLOCK_URL, else the local one.

    Credentials that a local broker has left are used when the URL names none and the file
    was written for that address.
    """
    known = read_credentials()
    wanted = url or os.environ.get("PEEKLOCK_URL")
    if wanted is None:
        wanted = known.get("url", DEFAULT_URL)
    location = parse_url(wanted)
    if location.user is None and known and str(parse_url(known["url"])) == str(location):
        return replace(location, user=known["user"], password=known["password"])
    return location


def read_credentials() -> dict[str, str]:
    try:
        found = json.loads(credentials_file().read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or not {"url", "user", "password"} <= found.keys():
        return {}
    return {str(name): str(value) for name, value in found.items()}
