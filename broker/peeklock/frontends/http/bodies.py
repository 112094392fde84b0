"""Bytes of bodies under way, in and out, over all requests: bounded, whoever sends how many."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from peeklock.errors import Busy, InvalidRequest
from peeklock.limits import HTTP_BODIES_BYTES_MAX


class Bodies:
    """Counts what is held in memory; takes no more than there is room for."""

    def __init__(self, bytes_max: int = HTTP_BODIES_BYTES_MAX) -> None:
        self._bytes_max: Final = bytes_max
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Raises `Busy`."""
        if self.used_bytes + count > self._bytes_max:
            raise Busy(f"bodies of {self._bytes_max} bytes in all are under way, the limit")
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        self.used_bytes -= count


class Body:
    """One request's body, while it is needed. Use it as a context manager."""

    def __init__(self, bodies: Bodies, limit: int) -> None:
        """`limit` is what it may have at most, in bytes."""
        self._bodies: Final = bodies
        self._limit: Final = limit
        self._taken = 0

    def __enter__(self) -> "Body":
        return self

    def __exit__(self, *_about: object) -> None:
        self._bodies.give_back(self._taken)
        self._taken = 0

    async def read(self, request: Request) -> bytes:
        """All of it; raises `HTTPException` when it is too long: before it comes, if it says
        so, else as soon as it is; `Busy`, and `InvalidRequest` when its end does not come.
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and (len(announced) > 15 or int(announced) > self._limit):
            self._refuse()
        parts: list[bytes] = []
        try:
            async for part in request.stream():
                if self._taken + len(part) > self._limit:
                    self._refuse()
                self._bodies.take(len(part))
                self._taken += len(part)
                parts.append(part)
        except ClientDisconnect:
            raise InvalidRequest("the client went before its body was there") from None
        return b"".join(parts)

    def _refuse(self) -> None:
        """The connection goes on: the rest is read, as far as time allows, and dropped. A
        client that is cut off while it sends would not hear why."""
        raise HTTPException(413, f"a body has at most {self._limit} bytes here")
