"""Chance that a test can foresee: nonces and names are counted."""


class FakeIds:
    """Each nonce and each name once."""

    def __init__(self) -> None:
        self._count = 0

    def skip_to(self, other: "FakeIds") -> None:
        """Go on where another stopped: not the same ones again."""
        self._count = other._count

    def nonce(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(8, "big")

    def name(self) -> str:
        self._count += 1
        return f"name-{self._count}"
