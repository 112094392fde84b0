"""RFC 1982 serial numbers of 32 bits (§2.8.10): they wrap, only differences mean anything."""

from typing import Final

SERIAL_MODULUS: Final = 1 << 32
SERIAL_HALF: Final = 1 << 31


def serial_add(number: int, count: int) -> int:
    return (number + count) % SERIAL_MODULUS


def serial_distance(start: int, end: int) -> int:
    """How far `end` lies after `start`; negative when it lies before."""
    distance = (end - start) % SERIAL_MODULUS
    return distance - SERIAL_MODULUS if distance >= SERIAL_HALF else distance
