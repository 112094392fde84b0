"""What can happen to a topic's derivations, and to what they remember of its signals.

Facts of the topic, whose id is their `queue_id`.
"""

from typing import Final, TypeAlias, final

from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.types import QueueId, UnixMs


@final
class DerivationCreated:
    """A topic derives jobs by one more derivation."""

    __slots__ = ("created_at", "queue_id", "settings")
    __match_args__ = ("queue_id", "settings", "created_at")

    def __init__(
        self, queue_id: QueueId, settings: DerivationSettings, created_at: UnixMs
    ) -> None:
        self.queue_id: Final = queue_id
        self.settings: Final = settings
        self.created_at: Final = created_at


@final
class DerivationUpdated:
    """Other settings under the same name, for signals from now on; what it remembers stays."""

    __slots__ = ("queue_id", "settings")
    __match_args__ = ("queue_id", "settings")

    def __init__(self, queue_id: QueueId, settings: DerivationSettings) -> None:
        self.queue_id: Final = queue_id
        self.settings: Final = settings


@final
class DerivationDeleted:
    """One less, and all that it remembered is forgotten."""

    __slots__ = ("name", "queue_id")
    __match_args__ = ("queue_id", "name")

    def __init__(self, queue_id: QueueId, name: str) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name


@final
class CauseSeen:
    """A signal made jobs, or counts towards one. When it is sent again, it does not."""

    __slots__ = ("at", "key", "queue_id")
    __match_args__ = ("queue_id", "key", "at")

    def __init__(self, queue_id: QueueId, key: bytes, at: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.key: Final = key  # a digest of the signal's source and id
        self.at: Final = at  # from when on the window counts


@final
class SignalTaken:
    """A signal counts towards a job of a key; the first one opens the key's account."""

    __slots__ = (
        "at",
        "cause_id",
        "cause_source",
        "context",
        "key",
        "name",
        "queue_id",
        "serial",
    )
    __match_args__ = ("queue_id", "name", "serial", "key", "at")

    def __init__(
        self,
        queue_id: QueueId,
        name: str,
        serial: int,
        key: str,
        at: UnixMs,
        cause_source: str,
        cause_id: str,
        context: bytes,
    ) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name  # of the derivation
        self.serial: Final = serial  # of the topic's facts about keys; see `KeyKept`
        self.key: Final = key
        self.at: Final = at
        self.cause_source: Final = cause_source
        self.cause_id: Final = cause_id
        self.context: Final = context  # what the job may say of it, as JSON; b"": nothing


@final
class SampleTaken:
    """A value counts towards a threshold of a key."""

    __slots__ = ("at", "key", "name", "part", "queue_id", "serial", "value")
    __match_args__ = ("queue_id", "name", "serial", "key", "at", "part", "value")

    def __init__(
        self,
        queue_id: QueueId,
        name: str,
        serial: int,
        key: str,
        at: UnixMs,
        part: str,
        value: float,
    ) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name  # of the derivation
        self.serial: Final = serial
        self.key: Final = key
        self.at: Final = at
        self.part: Final = part  # whose last value it is; "": values are not told apart
        self.value: Final = value


@final
class KeyCrossed:
    """A key's figure is out of its bounds, on this side, or back in them."""

    __slots__ = ("key", "name", "queue_id", "serial", "side")
    __match_args__ = ("queue_id", "name", "serial", "key", "side")

    def __init__(self, queue_id: QueueId, name: str, serial: int, key: str, side: int) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name
        self.serial: Final = serial
        self.key: Final = key
        self.side: Final = side  # 1 above, -1 below, 0 within


@final
class KeyClosed:
    """No more counts towards a job of this key: it was made, or nobody waits for it."""

    __slots__ = ("key", "name", "queue_id", "serial")
    __match_args__ = ("queue_id", "name", "serial", "key")

    def __init__(self, queue_id: QueueId, name: str, serial: int, key: str) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name
        self.serial: Final = serial
        self.key: Final = key


@final
class KeyKept:
    """In a snapshot: the account of a key, as of the fact with this serial.

    What the journal's tail says of the key up to that one is in it, and is left out.
    """

    __slots__ = ("account", "key", "name", "queue_id", "serial")
    __match_args__ = ("queue_id", "name", "serial", "key", "account")

    def __init__(
        self, queue_id: QueueId, name: str, serial: int, key: str, account: bytes
    ) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name
        self.serial: Final = serial
        self.key: Final = key
        self.account: Final = account  # as JSON


KeyFact: TypeAlias = SignalTaken | SampleTaken | KeyCrossed | KeyClosed | KeyKept
ChangeFact: TypeAlias = DerivationCreated | DerivationUpdated | DerivationDeleted
DerivationFact: TypeAlias = ChangeFact | CauseSeen | KeyFact
