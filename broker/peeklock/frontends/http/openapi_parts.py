"""What the pages of the document at `/openapi.json` are made of."""

from typing import Any, Final

from peeklock.frontends.http.problems import PROBLEM_TYPE
from peeklock.frontends.http.property_values import BROKER_PROPERTIES
from peeklock.limits import HTTP_WAIT_DEFAULT, HTTP_WAIT_MAX

Json = dict[str, Any]

OURS: Final = "Beyond Service Bus' REST API. "
PROBLEMS: Final = {
    "400": "Something in the request is wrong; `detail` names it and what is allowed.",
    "401": "Nobody known, or without the right.",
    "403": "The entity is full, or disabled for now.",
    "404": "No such entity; or the lock was lost: `condition` tells which.",
    "409": "The entity does not do this: a topic hands nothing out, say.",
    "413": "The message is larger than the entity takes, the batch than 4 MiB, or the document "
    "of an event or of several than 1 MiB.",
    "415": "An event in a format that is not read; `detail` names those that are.",
    "503": "Too much of this at a time; again after `Retry-After`.",
    "507": "The broker's disk is nearly full; receiving and settling still work.",
}
OF_REFUSALS: Final = {"401": "WWW-Authenticate", "503": "Retry-After"}
OPEN: Final[Json] = {"security": []}  # of who asks no proof is wanted


def parameter(name: str, where: str, about: str, schema: Json) -> Json:
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, "description": about, "schema": schema} | required


def referred(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def text(about: str, name: str, where: str) -> Json:
    return parameter(name, where, about, {"type": "string"})


ENTITY: Final = text(
    "A queue, a topic (to send), or `{topic}/subscriptions/{name}`; with `/$deadletterqueue` "
    "behind it for its dead letters. Names may contain `/`, which is not encoded.",
    "entity", "path",
)  # fmt: skip
WHICH: Final = text("The message's sequence number, or its id.", "which", "path")
TOKEN: Final = parameter(
    "token", "path", "`LockToken`, as it was told.", {"type": "string", "format": "uuid"}
)
TIMEOUT: Final = parameter(
    "timeout", "query", "How long to wait for a message, in seconds.",
    {
        "type": "integer", "minimum": 0, "maximum": HTTP_WAIT_MAX // 1000,
        "default": HTTP_WAIT_DEFAULT // 1000,
    },
)  # fmt: skip
AS_JSON: Final[Json] = {
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/BrokerProperties"}}
    }
}
BROKER_HEADER: Final[Json] = AS_JSON | {"description": "What the broker knows of the message."}


def answer(about: str, headers: Json | None = None, *, body: bool = False) -> Json:
    found: Json = {"description": about}
    if headers:
        found["headers"] = headers
    if body:
        found["content"] = {"*/*": {"schema": {}}}
    return found


def broker_properties(about: str) -> Json:
    """As a parameter: a JSON object in a header."""
    return {"name": BROKER_PROPERTIES, "in": "header", "description": about} | AS_JSON


def json_of(about: str, schema: Json, kind: str = "application/json") -> Json:
    return {"description": about, "content": {kind: {"schema": schema}}}


def refusal(status: str) -> Json:
    """As a problem document."""
    found = json_of(PROBLEMS[status], referred("Problem"), PROBLEM_TYPE)
    name = OF_REFUSALS.get(status)
    return found | ({"headers": {name: {"schema": {"type": "string"}}}} if name else {})


def operation(
    name: str, summary: str, answers: Json, problems: tuple[str, ...], *parameters: Json,
    **more: object,
) -> Json:  # fmt: skip
    refused: Json = {status: refusal(status) for status in problems}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": answers | refused,
    } | more


NONE: Final = answer("There is none; or none came in time.")
RECEIVE: Final = ("400", "401", "403", "404", "409", "503")
SETTLE: Final = ("400", "401", "404", "409")
HANDED: Final = {BROKER_PROPERTIES: BROKER_HEADER}
LOCATED: Final = HANDED | {
    "Location": {"description": "Where to settle it.", "schema": {"type": "string"}}
}

PROBLEM: Final[Json] = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "condition": {"type": "string", "description": "AMQP's word for it."},
        "attribute": {"type": "string", "description": "Of an event: the one that is wrong."},
        "retryable": {"type": "boolean", "description": "Would it do, later?"},
    },
}
