"""Where a demonstration's broker is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Places:
    """AMQP by its URL (None: the broker that runs here), the others as `host:port`."""

    amqp: str | None
    mqtt: str | None = None  # None: port 1883 where AMQP is
    http: str | None = None  # None: port 8180 there, if there is one
