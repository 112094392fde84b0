"""Jobs, events, last values and subscriptions as an OpenAPI 3.1 document, at `/openapi.json`.

The administration's are Service Bus' own Atom, which OpenAPI cannot describe:
docs/reference/http.md lists them. The registry describes itself, at `/model`. Tests hold this
page against the routes and their answers.
"""

from typing import Any, Final

from peeklock.cloudevents.json_format import JSON_BATCH
from peeklock.cloudevents.structured import BATCH_TYPES, EVENT_TYPES
from peeklock.cloudevents.webhook import ALLOWED_ORIGIN, ALLOWED_RATE, REQUEST_ORIGIN
from peeklock.filters.filter import DIALECTS
from peeklock.frontends.http import openapi_subscriptions as subscriptions
from peeklock.frontends.http.jobs import DISPOSITIONS
from peeklock.frontends.http.last_value_routes import PAGE_DEFAULT
from peeklock.frontends.http.live_events import STREAM_TYPE
from peeklock.frontends.http.problems import PROBLEM_TYPE
from peeklock.frontends.http.property_values import BROKER_PROPERTIES, MORE_PROPERTIES
from peeklock.frontends.http.sent_messages import BATCH_TYPE
from peeklock.limits import HTTP_WAIT_DEFAULT, HTTP_WAIT_MAX, LAST_VALUES_PAGE_MAX

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
EVENTS: Final = "/{entity}/events"
EVENTS_HEAD: Final = EVENTS + "/head"
AT: Final = "/{entity}/messages"
HEAD: Final = AT + "/head"
DEFERRED: Final = AT + "/{number}"
LAST: Final = "/{entity}/last"
LAST_BELOW: Final = LAST + "/{subject}"
LOCKED: Final = AT + "/{which}/{token}"


def parameter(name: str, where: str, about: str, schema: Json) -> Json:
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, "description": about, "schema": schema} | required


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
BROKER_HEADER: Final[Json] = {
    "description": "A JSON object: what the broker knows of the message.",
    "schema": {"type": "string", "contentMediaType": "application/json"},
}


def answer(about: str, headers: Json | None = None, *, body: bool = False) -> Json:
    found: Json = {"description": about}
    if headers:
        found["headers"] = headers
    if body:
        found["content"] = {"*/*": {"schema": {}}}
    return found


def operation(
    name: str, summary: str, answers: Json, problems: tuple[str, ...], *parameters: Json,
    **more: object,
) -> Json:  # fmt: skip
    refused: Json = {
        status: {
            "description": PROBLEMS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in problems
    }
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

SEND: Final = operation(
    "send", "Send a message, or a batch: all of it or nothing.",
    {"201": answer("All of it is on disk.")},
    ("400", "401", "403", "404", "409", "413", "503", "507"),
    ENTITY,
    text("A JSON object: MessageId, SessionId, Label, TimeToLive and the like.",
         BROKER_PROPERTIES, "header"),
    text(OURS + "A JSON object: properties whose names no header field may have.",
         MORE_PROPERTIES, "header"),
    requestBody={
        "description": "The message's body. All other header fields are its own properties.",
        "content": {
            "*/*": {"schema": {}},
            BATCH_TYPE: {"schema": {"$ref": "#/components/schemas/Batch"}},
        },
    },
)  # fmt: skip
LOCK_NEXT: Final = operation(
    "lockNext", "Take the next message under a lock, which ends by time alone.",
    {"201": answer("The message.", LOCATED, body=True), "204": NONE}, RECEIVE, ENTITY, TIMEOUT,
)  # fmt: skip
TAKE_NEXT: Final = operation(
    "takeNext", "Take the next message for good.",
    {"200": answer("The message.", HANDED, body=True), "204": NONE}, RECEIVE, ENTITY, TIMEOUT,
)  # fmt: skip
LOCK_DEFERRED: Final = operation(
    "lockDeferred", OURS + "Take a deferred message under a lock.",
    {"201": answer("The message.", LOCATED, body=True)}, RECEIVE, ENTITY,
    parameter("number", "path", "Its sequence number.", {"type": "integer"}),
)  # fmt: skip
COMPLETE: Final = operation(
    "complete", "The job is done: the message goes.",
    {"200": answer("It is gone.")}, SETTLE, ENTITY, WHICH, TOKEN,
)  # fmt: skip
GIVE_BACK: Final = operation(
    "giveBack", "Unlock it: by default it is abandoned, which counts as an attempt.",
    {"200": answer("It is so.")}, SETTLE, ENTITY, WHICH, TOKEN,
    parameter("disposition", "query", OURS + f"One of {DISPOSITIONS}.",
              {"type": "string", "enum": ["abandon", "release", "defer", "dead-letter"],
               "default": "abandon"}),
    parameter("delay", "query", OURS + "Abandon: not again before so many seconds.",
              {"type": "integer", "minimum": 0}),
    text(OURS + "Dead-letter: why, in a word.", "reason", "query"),
    text(OURS + "Dead-letter: why, in a sentence.", "description", "query"),
)  # fmt: skip
RENEW: Final = operation(
    "renew", "A longer lock: the queue's lock duration from now on.",
    {"200": answer("`LockedUntilUtc` is in the header.", HANDED)}, SETTLE, ENTITY, WHICH, TOKEN,
)  # fmt: skip
SEND_EVENTS: Final = operation(
    "sendEvents", OURS + "Send a CloudEvent, or a batch: all of it or nothing.",
    {"202": answer("All of it is on disk.")},
    ("400", "401", "403", "404", "409", "413", "415", "503", "507"),
    ENTITY,
    text("A JSON object, as with a message: SessionId, say. Not with a batch.",
         BROKER_PROPERTIES, "header"),
    requestBody={
        "description": "An event in binary mode: its attributes are header fields, `ce-id` and "
        "the like. Or in structured mode, or a batch.",
        "content": {"*/*": {"schema": {}}}
        | {kind: {"schema": {"type": "object"}} for kind in EVENT_TYPES}
        | {kind: {"schema": {"type": "array"}} for kind in BATCH_TYPES},
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
ID: Final = text("The topic, a slash, and the subscription's name.", "id", "path")
ALLOW: Final = answer("What can be asked.", {"Allow": {"schema": {"type": "string"}}})
GIVEN: Final[Json] = {"required": True} | subscriptions.OBJECT
WRONG: Final = ("400", "401", "404", "413", "503")
CREATE_SUBSCRIPTION: Final = operation(
    "createSubscription", "Have a topic's events pushed.",
    {"201": answer("It is on disk.", {"Location": {"schema": {"type": "string"}}})
     | subscriptions.OBJECT},
    (*WRONG, "409"), requestBody=GIVEN,
)  # fmt: skip
LIST_SUBSCRIPTIONS: Final = operation(
    "listSubscriptions", "Those that push; `Link` leads to more of them.",
    {"200": answer("They are these.") | subscriptions.LIST}, ("400", "401", "404"),
    text("Of this topic alone.", "topic", "query"),
    parameter("skip", "query", "Not the first so many.", {"type": "integer", "minimum": 0}),
)  # fmt: skip
READ_SUBSCRIPTION: Final = operation(
    "readSubscription", "One of them.",
    {"200": answer("It is this.") | subscriptions.OBJECT}, ("401", "404"), ID,
)  # fmt: skip
REPLACE_SUBSCRIPTION: Final = operation(
    "replaceSubscription", "It is to be as this says.",
    {"200": answer("It is on disk.") | subscriptions.OBJECT}, WRONG, ID, requestBody=GIVEN,
)  # fmt: skip
DELETE_SUBSCRIPTION: Final = operation(
    "deleteSubscription", "With the events that it holds.",
    {"200": answer("It was this.") | subscriptions.OBJECT}, ("401", "404"), ID,
)  # fmt: skip
ASK_SUBSCRIPTIONS: Final = operation(
    "askSubscriptions", "What can be asked here.", {"204": ALLOW}, ()
)
ASK_SUBSCRIPTION: Final = operation(
    "askSubscription", "What can be asked here.", {"204": ALLOW}, (), ID
)

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
    "content": {JSON_BATCH: {"schema": {"type": "array", "items": {"type": "object"}}}},
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
BATCH: Final[Json] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "Body": {"type": "string"},
            "BrokerProperties": {"type": "object"},
            "UserProperties": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            },
        },
    },
}
OPENAPI: Final[Json] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Jobs and events over HTTP",
        "description": "Queues, topics and subscriptions of a peeklock broker: jobs in the "
        "form of Service Bus' REST API, CloudEvents with their Subscriptions API, and last "
        "values.",
        "version": "1",
    },
    "paths": {
        EVENTS: {"post": SEND_EVENTS, "get": FOLLOW, "options": ALLOW_WEBHOOK},
        EVENTS_HEAD: {"post": LOCK_EVENT, "delete": TAKE_EVENT},
        subscriptions.MANY_AT: {
            "post": CREATE_SUBSCRIPTION, "get": LIST_SUBSCRIPTIONS,
            "options": ASK_SUBSCRIPTIONS,
        },
        subscriptions.ONE_AT: {
            "get": READ_SUBSCRIPTION, "put": REPLACE_SUBSCRIPTION,
            "delete": DELETE_SUBSCRIPTION, "options": ASK_SUBSCRIPTION,
        },
        AT: {"post": SEND},
        HEAD: {"post": LOCK_NEXT, "delete": TAKE_NEXT},
        DEFERRED: {"post": LOCK_DEFERRED},
        LOCKED: {"delete": COMPLETE, "put": GIVE_BACK, "post": RENEW},
        LAST: {"get": LAST_VALUES},
        LAST_BELOW: {"get": LAST_VALUES_BELOW, "delete": CLEAR_LAST},
    },
    "components": {
        "schemas": {
            "Problem": PROBLEM, "Batch": BATCH, "Subscription": subscriptions.SCHEMA,
        },
        "securitySchemes": {
            "user": {"type": "http", "scheme": "basic"},
            "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "signature": {
                "type": "apiKey", "in": "header", "name": "Authorization",
                "description": "A shared access signature.",
            },
        },
    },
    "security": [{"user": []}, {"jwt": []}, {"signature": []}, {}],
}  # fmt: skip
