"""How much went over a connection, or over many of them."""

from typing import final


@final
class Traffic:
    """Counts since a connection began; in bytes, packets of any type, and PUBLISH packets."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "packets_received",
        "packets_sent",
        "payload_bytes_received",
        "payload_bytes_sent",
        "publishes_dropped",
        "publishes_received",
        "publishes_sent",
    )

    def __init__(self) -> None:
        self.bytes_received = 0
        self.bytes_sent = 0
        self.packets_received = 0
        self.packets_sent = 0
        self.publishes_received = 0
        self.publishes_sent = 0
        self.publishes_dropped = 0  # by its owner, instead of being sent
        self.payload_bytes_received = 0
        self.payload_bytes_sent = 0

    def add(self, other: "Traffic") -> None:
        self.bytes_received += other.bytes_received
        self.bytes_sent += other.bytes_sent
        self.packets_received += other.packets_received
        self.packets_sent += other.packets_sent
        self.publishes_received += other.publishes_received
        self.publishes_sent += other.publishes_sent
        self.publishes_dropped += other.publishes_dropped
        self.payload_bytes_received += other.payload_bytes_received
        self.payload_bytes_sent += other.payload_bytes_sent
