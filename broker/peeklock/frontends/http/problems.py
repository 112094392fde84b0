"""Problem documents (RFC 9457): what was wrong, for people and for programs.

`condition` says it in the words that AMQP has for the same thing, so that a program can tell
one 404 from another.
"""

import json
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from peeklock.errors import BrokerError, Busy, InvalidEvent, Unauthorized
from peeklock.frontends.errors_on_the_wire import condition_of, rest_status_of

PROBLEM_TYPE: Final = "application/problem+json"
CHALLENGE: Final = {"www-authenticate": 'Basic realm="peeklock", charset="UTF-8"'}
AGAIN_SECONDS: Final = 1  # for who met a limit that others' requests fill


def problem_of(error: BrokerError) -> Response:
    """A refusal."""
    status = rest_status_of(error)
    more: dict[str, object] = {
        "condition": condition_of(error),
        "retryable": error.retryable,
    }
    if isinstance(error, InvalidEvent):
        more["attribute"] = error.attribute
    response = problem(status, str(error), more)
    if isinstance(error, Unauthorized):
        response.headers.update(CHALLENGE)
    if isinstance(error, Busy):
        response.headers["retry-after"] = str(AGAIN_SECONDS)
    return response


def problem(
    status: int,
    detail: str,
    more: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    title = HTTPStatus(status).phrase
    document: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail and detail != title:
        document["detail"] = detail
    body = json.dumps(document | (more or {})).encode()
    return Response(body, status, headers, PROBLEM_TYPE)
