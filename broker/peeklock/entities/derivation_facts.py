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


DerivationFact: TypeAlias = DerivationCreated | DerivationDeleted | CauseSeen
