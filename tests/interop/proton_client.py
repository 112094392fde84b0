"""Qpid Proton, as the tests use it; without it, whatever imports this is skipped."""

from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any

import pytest

WANTED = "python-qpid-proton is not installed (pip install python-qpid-proton)"
proton = pytest.importorskip("proton", reason=WANTED)
reactor = pytest.importorskip("proton.reactor", reason=WANTED)
handlers = pytest.importorskip("proton.handlers", reason=WANTED)
utils = pytest.importorskip("proton.utils", reason=WANTED)

PATIENCE_SECONDS = 15
QUIET_SECONDS = 0.3  # how long to look whether something comes that should not
NUMBERS = count(1)
ACCEPTED = proton.Delivery.ACCEPTED
REJECTED = proton.Delivery.REJECTED
RELEASED = proton.Delivery.RELEASED
MODIFIED = proton.Delivery.MODIFIED


class Client:
    """A connection of Proton's blocking kind. Use it as a context manager."""

    def __init__(self, url: str, **options: Any) -> None:
        self.connection = utils.BlockingConnection(url, timeout=PATIENCE_SECONDS, **options)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def sender(self, address: str | None, *options: Any) -> Any:
        name = f"link-{next(NUMBERS)}"  # Proton's own are equal for equal addresses
        return self.connection.create_sender(address, name=name, options=list(options))

    def receiver(self, address: str, *options: Any, credit: int = 0) -> "Receiver":
        return Receiver(self, address, list(options), credit)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it is so; raises `proton.Timeout`."""
        self.connection.wait(condition)

    def stays(self, condition: Callable[[], bool], seconds: float = QUIET_SECONDS) -> bool:
        """Is it so for a while?"""
        try:
            self.connection.wait(lambda: not condition(), timeout=seconds)
        except proton.Timeout:
            return True
        return False


class Receiver:
    """A receiving link, whose messages come with their deliveries."""

    def __init__(self, client: Client, address: str, options: list[Any], credit: int) -> None:
        self._client = client
        name = f"link-{next(NUMBERS)}"
        # Without a credit of its own: Proton would take that for a window, and refill it.
        made = client.connection.create_receiver(address, credit=0, name=name, options=options)
        self._blocking = made  # it frees the link when it is collected
        self.link = made.link
        self.incoming = made.fetcher.incoming
        if credit:
            self.link.flow(credit)

    def take(self, credit: int = 1) -> tuple[Any, Any]:
        """The next message and its delivery; grants credit when there is none."""
        if not self.incoming and not self.link.credit:
            self.link.flow(credit)
        self._client.wait(lambda: bool(self.incoming))
        message, delivery = self.incoming.popleft()
        return message, delivery

    def take_all(self, count: int) -> list[Any]:
        """So many messages, each accepted."""
        messages = []
        self.link.flow(count)
        for _ in range(count):
            message, delivery = self.take()
            delivery.update(ACCEPTED)
            delivery.settle()
            messages.append(message)
        return messages

    def is_quiet(self) -> bool:
        """Nothing comes, although there is credit."""
        assert self.link.credit > 0
        return self._client.stays(lambda: not self.incoming)

    def settle(self, delivery: Any, outcome: Any) -> Any:
        """Give an outcome, wait for the broker's own, and settle; returns the broker's."""
        delivery.update(outcome)
        self._client.wait(lambda: delivery.settled)
        answer = Answer(delivery)
        delivery.settle()
        return answer

    def close(self) -> None:
        self._blocking.close()


class Answer:
    """What the broker says to an outcome."""

    def __init__(self, delivery: Any) -> None:
        self.state = delivery.remote_state
        self.failed = delivery.remote.failed
        self.undeliverable = delivery.remote.undeliverable
        self.condition = delivery.remote.condition


def message(body: object = "job", **fields: Any) -> Any:
    return proton.Message(body=body, **fields)
