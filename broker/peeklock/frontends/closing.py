"""Why the broker ends a connection; each front-end says so in its protocol's words."""

from enum import Enum


class Closing(Enum):
    """Whose doing it is."""

    SHUT_DOWN = "the broker is told to end"
    MISTAKE = "our own code broke"
