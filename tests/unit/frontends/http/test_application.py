"""What the application answers when something of ours goes wrong."""

import json
from typing import Any

import pytest
from starlette.types import Message

from peeklock.frontends.http.application import make_application
from tests.unit.frontends.http.test_openapi import Nothing


class Mistaken(Nothing):
    """A host that has a mistake in it."""

    def health(self) -> dict[str, object]:
        raise ZeroDivisionError


async def test_a_mistake_of_ours_is_told_as_a_problem_and_raised_for_the_log() -> None:
    told: list[Message] = []
    host: Any = Mistaken()

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await make_application(host)(scope, receive, send)
    assert told[0]["status"] == 500
    assert (b"content-type", b"application/problem+json") in told[0]["headers"]
    document = json.loads(told[1]["body"])
    assert "whose log tells more" in document["detail"]
    assert "ZeroDivisionError" not in document["detail"]
