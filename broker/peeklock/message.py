"""Message: the pivot of all protocols, shaped like an AMQP 1.0 message (§3.2).

What a sender sent stays as it came: `bare` is the AMQP bare message (properties,
application-properties, body) and footer, byte for byte. What the broker may look at or
change on the way lies beside it.
"""

from typing import Final, final

from peeklock.limits import PRIORITY_DEFAULT

NO_TTL: Final = -1


@final
class Message:
    """One message as it is stored. Nothing in it changes after it was made."""

    __slots__ = ("annotations", "bare", "durable", "priority", "ttl_ms")
    __match_args__ = ("bare", "annotations", "durable", "priority", "ttl_ms")

    def __init__(
        self,
        bare: bytes,
        annotations: bytes = b"",
        durable: bool = False,
        priority: int = PRIORITY_DEFAULT,
        ttl_ms: int = NO_TTL,
    ) -> None:
        self.bare: Final = bare  # §3.2.4–3.2.8 sections and footer, encoded
        self.annotations: Final = annotations  # the sender's §3.2.3 map, encoded; b"" for none
        self.durable: Final = durable  # §3.2.1; told on, decides nothing here
        self.priority: Final = priority  # §3.2.1
        self.ttl_ms: Final = ttl_ms  # §3.2.1; NO_TTL when the sender gave none

    @property
    def size(self) -> int:
        """Bytes that count against the queue's limit."""
        return len(self.bare) + len(self.annotations)
