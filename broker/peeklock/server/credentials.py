"""The credentials of a first start: made once, kept where our own CLI finds them."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_NAME: Final = "credentials.json"
USER: Final = "admin"


@dataclass(frozen=True)
class Credentials:
    """A generated user."""

    user: str
    password: str


def state_file() -> Path:
    """Where the CLI looks: the credentials of the broker that was started here last."""
    named = os.environ.get("PEEKLOCK_CREDENTIALS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "peeklock" / FILE_NAME


def load_or_make(data_dir: Path | None) -> Credentials:
    """Those of the data directory, made on its first use."""
    if data_dir is not None:
        file = data_dir / FILE_NAME
        if file.exists():
            found = json.loads(file.read_text())
            return Credentials(found["user"], found["password"])
    made = Credentials(USER, secrets.token_urlsafe(24))
    if data_dir is not None:
        write_private(data_dir / FILE_NAME, made, None)
    return made


def announce(credentials: Credentials, url: str) -> None:
    """Tell our own CLI on this machine. Best effort: the broker works without it."""
    file = state_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, credentials, url)
    except OSError:
        return


def write_private(file: Path, credentials: Credentials, url: str | None) -> None:
    """Readable by nobody else, from its first byte on."""
    content: dict[str, str] = {"user": credentials.user, "password": credentials.password}
    if url is not None:
        content["url"] = url
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(content, opened)
    aside.replace(file)
