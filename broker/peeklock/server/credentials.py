"""The credentials of a first start: made once, kept where our own CLI finds them.

Files that are readable by their owner only. `credentials.json` in the data directory has the
user that was made for it, `salt-key.json` what the salts of nobody's passwords are made of. The
user's own (`state_file`) lists the brokers that run on this machine, newest last, so that
commands find them without being told.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peeklock.server.bad_config import BadConfig

FILE_NAME: Final = "credentials.json"
SALT_KEY_NAME: Final = "salt-key.json"
SALT_KEY_BYTES: Final = 32
USER: Final = "admin"


@dataclass(frozen=True)
class Credentials:
    """A generated user."""

    user: str
    password: str


def state_dir() -> Path:
    """Where this user's state goes when nothing else is said; raises `BadConfig`."""
    base = os.environ.get("XDG_STATE_HOME")
    if base:
        return Path(base) / "peeklock"
    try:
        return Path.home() / ".local" / "state" / "peeklock"
    except RuntimeError:  # a user that the system does not know, as in some containers
        raise BadConfig("this user has no home directory: give --data-dir") from None


def state_file() -> Path:
    """Where the CLI looks for the brokers of this machine."""
    named = os.environ.get("PEEKLOCK_CREDENTIALS")
    return Path(named) if named else state_dir() / FILE_NAME


def load_or_make(data_dir: Path | None) -> Credentials:
    """Those of the data directory, made on its first use."""
    if data_dir is not None:
        file = data_dir / FILE_NAME
        if file.exists():
            return read(file)
    made = Credentials(USER, secrets.token_urlsafe(24))
    if data_dir is not None:
        write_private(data_dir / FILE_NAME, {"user": made.user, "password": made.password})
    return made


def load_or_make_salt_key(data_dir: Path | None) -> bytes:
    """That of the data directory, made when it is first wanted; raises `BadConfig`."""
    if data_dir is None:
        return secrets.token_bytes(SALT_KEY_BYTES)
    file = data_dir / SALT_KEY_NAME
    if not file.exists():
        write_private(file, {"key": secrets.token_hex(SALT_KEY_BYTES)})
    try:
        key = bytes.fromhex(json.loads(file.read_text())["key"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadConfig(f"{file} has no key: {error}; remove it") from None
    if len(key) != SALT_KEY_BYTES:
        raise BadConfig(f"{file} has a key of {len(key)} bytes; remove it")
    return key


def read(file: Path) -> Credentials:
    try:
        found = json.loads(file.read_text())
        return Credentials(str(found["user"]), str(found["password"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadConfig(f"{file} has no user and password: {error}; remove it") from None


def announce(url: str, credentials: Credentials | None) -> None:
    """Tell our own CLI on this machine; without credentials anybody may come in.

    Best effort: the broker works without it.
    """
    entry: dict[str, object] = {"url": url, "pid": os.getpid()}
    if credentials is not None:
        entry |= {"user": credentials.user, "password": credentials.password}
    rewrite([*(one for one in listed() if is_other(one, url)), entry])


def retract(url: str) -> None:
    """The broker ends: commands shall look elsewhere."""
    rewrite([one for one in listed() if is_other(one, url)])


def listed() -> list[dict[str, object]]:
    """The brokers that the state file has; none when it is not there, or not ours."""
    try:
        found = json.loads(state_file().read_text())
    except (OSError, ValueError, BadConfig):
        return []
    brokers = found.get("brokers") if isinstance(found, dict) else None
    return (
        [one for one in brokers if isinstance(one, dict)] if isinstance(brokers, list) else []
    )


def is_other(entry: dict[str, object], url: str) -> bool:
    """Does it stand for another broker than the one at `url`, and one that may still run?"""
    pid = entry.get("pid")
    if entry.get("url") == url:
        return False
    return not isinstance(pid, int) or is_running(pid)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def rewrite(brokers: list[dict[str, object]]) -> None:
    try:
        file = state_file()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, {"brokers": brokers})
    except (OSError, BadConfig):
        return


def write_private(file: Path, content: dict[str, object]) -> None:
    """Readable by nobody else, from its first byte on."""
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(content, opened)
    aside.replace(file)
