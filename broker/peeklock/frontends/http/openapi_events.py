"""The routes of events and of last values, for the document at `/openapi.json`."""

from typing import Final

from peeklock.cloudevents.json_format import JSON_BATCH
from peeklock.cloudevents.structured import BATCH_TYPES, EVENT_TYPES
from peeklock.cloudevents.webhook import ALLOWED_ORIGIN, ALLOWED_RATE, REQUEST_ORIGIN
from peeklock.filters.filter import DIALECTS
from peeklock.frontends.http.last_value_routes import PAGE_DEFAULT
from peeklock.frontends.http.live_events import STREAM_TYPE
from peeklock.frontends.http.openapi_parts import (
    ENTITY,
    HANDED,
    LOCATED,
    NONE,
    OURS,
    RECEIVE,
    TIMEOUT,
    Json,
    answer,
    broker_properties,
    operation,
    parameter,
    referred,
    text,
)
from peeklock.limits import LAST_VALUES_PAGE_MAX

EVENTS: Final = "/{entity}/events"
EVENTS_HEAD: Final = EVENTS + "/head"
LAST: Final = "/{entity}/last"
LAST_BELOW: Final = LAST + "/{subject}"
ONE: Final = referred("CloudEvent")
MANY: Final = referred("CloudEvents")
BYTES: Final[Json] = {"type": "string", "format": "binary"}
IN_BINARY_MODE: Final = tuple(
    text(f"The attribute `{name}` of an event in binary mode; others alike.", f"ce-{name}",
         "header")
    for name in ("specversion", "id", "source", "type")
)  # fmt: skip


def is_json(kind: str) -> bool:
    return kind.endswith("+json")


SEND_EVENTS: Final = operation(
    "sendEvents", OURS + "Send a CloudEvent, or a batch: all of it or nothing.",
    {"202": answer("All of it is on disk.")},
    ("400", "401", "403", "404", "409", "413", "415", "503", "507"),
    ENTITY,
    broker_properties("As with a message: SessionId, say. Not with a batch."),
    *IN_BINARY_MODE,
    requestBody={
        "description": "An event in binary mode: its attributes are header fields, `ce-id` and "
        "the like. Or in structured mode, or a batch.",
        "content": {"*/*": {"schema": {}}}
        | {kind: {"schema": ONE if is_json(kind) else BYTES} for kind in EVENT_TYPES}
        | {kind: {"schema": MANY if is_json(kind) else BYTES} for kind in BATCH_TYPES},
    },
)  # fmt: skip
ALLOW_WEBHOOK: Final = operation(
    "allowWebhook", OURS + "Give a webhook of elsewhere leave to push here, if its sender may "
    "send or is named by `webhook_origins`; or say what can be asked.",
    {
        "200": answer("It has it.", {
            ALLOWED_ORIGIN: {"schema": {"type": "string"}},
            ALLOWED_RATE: {"schema": {"type": "string"}},
        }),
        "204": answer("What can be asked.", {"Allow": {"schema": {"type": "string"}}}),
    },
    ("400", "401"), ENTITY,
    text("The sender's DNS name.", REQUEST_ORIGIN, "header"),
)  # fmt: skip
ACCEPT: Final = parameter(
    "Accept", "header", "An event format, for structured mode; otherwise it is binary.",
    {"type": "string", "examples": list(EVENT_TYPES)},
)  # fmt: skip
EVENT: Final = "The message as a CloudEvent; as it is when it is none."
LOCK_EVENT: Final = operation(
    "lockNextEvent", OURS + "Take the next event under a lock; settle it as a message.",
    {"201": answer(EVENT, LOCATED, body=True), "204": NONE}, RECEIVE, ENTITY, TIMEOUT, ACCEPT,
)  # fmt: skip
TAKE_EVENT: Final = operation(
    "takeNextEvent", OURS + "Take the next event for good.",
    {"200": answer(EVENT, HANDED, body=True), "204": NONE}, RECEIVE, ENTITY, TIMEOUT, ACCEPT,
)  # fmt: skip
FOLLOW: Final = operation(
    "followEvents", OURS + "A topic's events as they come, until the client goes.",
    {
        "200": answer("Each as JSON, in structured mode; an event called `skipped` says how "
                      "many are missing.")
        | {"content": {STREAM_TYPE: {"schema": {"type": "string"}}}}
    },
    ("400", "401", "404", "409", "503"), ENTITY,
    parameter("Accept", "header", "Has to be said.", {"const": STREAM_TYPE}),
    text("A CESQL expression, which has to be true.", "filter", "query"),
    text("A path that the subject has to match; `+` is one level, `#` the rest.", "subject",
         "query"),
)  # fmt: skip
TOPIC: Final = text(
    "A topic. Its name may contain `/`, which is not encoded.", "entity", "path"
)
LEVELS: Final = "Levels with `/` between them, which is not encoded. "
ASKED: Final = (
    text("Only those for which this is true.", "filter", "query"),
    parameter("dialect", "query", "The language of `filter`: `cesql` is asked of the event, "
              "the others of the message, as rules of subscriptions are.",
              {"type": "string", "enum": list(DIALECTS), "default": "cesql"}),
    parameter("limit", "query", "How many events at most.",
              {"type": "integer", "minimum": 1, "maximum": LAST_VALUES_PAGE_MAX,
               "default": PAGE_DEFAULT}),
    text("Where to go on, as the `Link` of the answer before had it.", "after", "query"),
)  # fmt: skip
PAGE: Final[Json] = {
    "description": "Some last values, in the order of their subjects, perhaps none.",
    "headers": {
        "Link": {
            "description": '`rel="next"`: there may be more, also if few are in this answer. '
            "None: that is all.",
            "required": False,
            "schema": {"type": "string"},
        }
    },
    "content": {JSON_BATCH: {"schema": MANY}},
}
LOOK: Final = ("400", "401", "403", "404", "503")
LAST_VALUES: Final = operation(
    "lastValues", OURS + "The newest signal of each subject that the topic keeps.",
    {"200": PAGE}, LOOK, TOPIC, *ASKED,
)  # fmt: skip
LAST_VALUES_BELOW: Final = operation(
    "lastValuesBelow", OURS + "The newest signals of a subject and of all below it.",
    {"200": PAGE}, LOOK, TOPIC,
    text(LEVELS + "With `+` or `#` (`%23`) it is an MQTT topic filter.", "subject", "path"),
    *ASKED,
)  # fmt: skip
CLEAR_LAST: Final = operation(
    "clearLastValue", OURS + "Keep nothing for this very subject any more.",
    {"204": answer("Nothing is kept for it, on disk.")}, ("400", "401", "404"), TOPIC,
    text(LEVELS, "subject", "path"),
)  # fmt: skip

REQUIRED: Final = ("specversion", "id", "source", "type")
CLOUD_EVENT: Final[Json] = {
    "type": "object",
    "description": "CloudEvents 1.0, JSON format; other members are extension attributes.",
    "required": list(REQUIRED),
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in REQUIRED},
        "subject": {"type": ["string", "null"]},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "datacontenttype": {"type": ["string", "null"]},
        "dataschema": {"type": ["string", "null"], "format": "uri"},
        "data": {},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
    "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
}
PATHS: Final[Json] = {
    EVENTS: {"post": SEND_EVENTS, "get": FOLLOW, "options": ALLOW_WEBHOOK},
    EVENTS_HEAD: {"post": LOCK_EVENT, "delete": TAKE_EVENT},
    LAST: {"get": LAST_VALUES},
    LAST_BELOW: {"get": LAST_VALUES_BELOW, "delete": CLEAR_LAST},
}
SCHEMAS: Final[Json] = {
    "CloudEvent": CLOUD_EVENT,
    "CloudEvents": {"type": "array", "items": ONE},
}
