"""Administration, health and leave of webhooks, for the document at `/openapi.json`.

What the administration's documents say in their content, docs/reference/http.md leaves to
Service Bus, whose they are: OpenAPI can name them, and no more.
"""

from typing import Final

from peeklock.cloudevents.webhook import ALLOWED_RATE
from peeklock.frontends.http import atom
from peeklock.frontends.http.openapi_parts import (
    OPEN,
    PROBLEMS,
    Json,
    json_of,
    operation,
    parameter,
    referred,
    refusal,
    text,
)

WHAT: Final = text(
    "`{queue}`, `{topic}`, `{topic}/subscriptions/{name}`, or "
    "`{topic}/subscriptions/{name}/rules/{rule}`; to be read also `$Resources/queues`, "
    "`$Resources/topics`, `{topic}/subscriptions`, `{topic}/subscriptions/{name}/rules` and "
    "`$namespaceinfo`. Names may contain `/`, which is not encoded.",
    "path", "path",
)  # fmt: skip
ATOM: Final = "Service Bus' administration, in its Atom documents. "
ENTRY: Final[Json] = {atom.ENTRY_TYPE: {"schema": referred("AtomEntry")}}
FEED: Final[Json] = {atom.FEED_TYPE: {"schema": referred("AtomFeed")}}
REFUSED: Final = "application/xml; charset=utf-8"


def asked(
    name: str, summary: str, answers: Json, refused: tuple[str, ...], **more: object
) -> Json:
    """Refusals are its own documents, but for what is too long."""
    problems: Json = {
        status: refusal(status)
        if status == "413"
        else json_of(PROBLEMS[status], referred("AtomError"), REFUSED)
        for status in refused
    }
    parameters = [WHAT, *more.pop("parameters", ())]  # type: ignore[misc]  # they are a tuple
    return operation(name, ATOM + summary, answers | problems, (), *parameters, **more)


WRITE: Final = ("400", "401", "403", "404", "409", "413")
PATHS: Final[Json] = {
    "/health": {
        "get": operation(
            "readHealth", "Does the broker take messages?",
            {
                "200": json_of("It does.", referred("Health")),
                "503": json_of("It does not; `reason` says why.", referred("Health")),
            },
            (), **OPEN,
        )
    },
    "/openapi.json": {
        "get": operation(
            "readDescription", "This document.",
            {"200": json_of("It is this.", {"type": "object", "required": ["openapi"]})},
            (), **OPEN,
        )
    },
    "/$webhooks/{key}": {
        method: operation(
            name,
            "The receiver of a webhook gives leave, once: the key in the URL says that it is "
            "the receiver (CloudEvents Web Hooks 1.0, §4.1.3).",
            {"200": {
                "description": "It is on disk.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }},
            ("404",), text("As it was told.", "key", "path"),
            text("How many requests a minute; without it, any number.", ALLOWED_RATE, "header"),
            **OPEN,
        )
        for method, name in (("get", "giveLeaveByLink"), ("post", "giveLeave"))
    },
    "/{path}": {
        "get": asked(
            "readEntity", "What is there, or a list.",
            {"200": {"description": "It is this.", "content": ENTRY | FEED}},
            ("400", "401", "404"),
            parameters=(
                parameter("$skip", "query", "Of a list: not the first so many.",
                          {"type": "integer", "minimum": 0, "default": 0}),
                parameter("$top", "query", "Of a list: how many at most.",
                          {"type": "integer", "minimum": 0, "default": 100}),
            ),
        ),
        "put": asked(
            "writeEntity", "Make one; or, with `If-Match: *`, change it.",
            {
                "200": {"description": "It is changed, on disk.", "content": ENTRY},
                "201": {"description": "It is made, on disk.", "content": ENTRY},
            },
            WRITE,
            parameters=(
                text("`*`: what is there is changed.", "If-Match", "header"),
                text("A token that allows to send to `ForwardTo`, if `Authorization` does not.",
                     "ServiceBusSupplementaryAuthorization", "header"),
                text("The same for `ForwardDeadLetteredMessagesTo`.",
                     "ServiceBusDlqSupplementaryAuthorization", "header"),
            ),
            requestBody={"required": True, "content": {
                "application/atom+xml": {"schema": referred("AtomEntry")},
            }},
        ),
        "delete": asked(
            "deleteEntity", "With what it holds; a topic with its subscriptions.",
            {"200": {"description": "It is gone."}}, ("400", "401", "404"),
        ),
    },
}  # fmt: skip
OF_ATOM: Final[Json] = {"namespace": atom.ATOM["xmlns"]}
SCHEMAS: Final[Json] = {
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["healthy", "unhealthy"]},
            "reason": {"type": "string"},
        },
    },
    "AtomEntry": {
        "type": "object",
        "xml": OF_ATOM | {"name": "entry"},
        "required": ["content"],
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "published": {"type": "string", "format": "date-time"},
            "updated": {"type": "string", "format": "date-time"},
            "content": {"type": "object", "description": "A QueueDescription, say."},
        },
    },
    "AtomFeed": {
        "type": "object",
        "xml": OF_ATOM | {"name": "feed"},
        "properties": {"entry": {"type": "array", "items": referred("AtomEntry")}},
    },
    "AtomError": {
        "type": "object",
        "xml": {"name": "Error"},
        "required": ["Code", "Detail"],
        "properties": {"Code": {"type": "integer"}, "Detail": {"type": "string"}},
    },
}
