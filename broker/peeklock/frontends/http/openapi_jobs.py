"""The routes of jobs, for the document at `/openapi.json`."""

from typing import Final

from peeklock.frontends.http.jobs import DISPOSITIONS
from peeklock.frontends.http.openapi_parts import (
    ENTITY,
    HANDED,
    LOCATED,
    NONE,
    OURS,
    RECEIVE,
    SETTLE,
    TIMEOUT,
    TOKEN,
    WHICH,
    Json,
    answer,
    broker_properties,
    operation,
    parameter,
    text,
)
from peeklock.frontends.http.property_values import MORE_PROPERTIES
from peeklock.frontends.http.sent_messages import BATCH_TYPE

AT: Final = "/{entity}/messages"
HEAD: Final = AT + "/head"
DEFERRED: Final = AT + "/{number}"
LOCKED: Final = AT + "/{which}/{token}"

SEND: Final = operation(
    "send", "Send a message, or a batch: all of it or nothing.",
    {"201": answer("All of it is on disk.")},
    ("400", "401", "403", "404", "409", "413", "503", "507"),
    ENTITY,
    broker_properties("What the broker is to know of the message, but for a batch."),
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
KNOWN: Final[Json] = {
    "type": "object",
    "description": "Instants are HTTP dates, or ISO 8601 in what is sent; others that are sent "
    "are not looked at.",
    "properties": {
        **{
            name: {"type": "string"}
            for name in (
                *("MessageId", "CorrelationId", "SessionId", "Label", "To", "ReplyTo"),
                *("ReplyToSessionId", "PartitionKey", "ViaPartitionKey"),
                *("ScheduledEnqueueTimeUtc", "ContentType"),
            )
        },
        "TimeToLive": {"type": "number", "description": "Seconds."},
        **{
            name: {"type": ["string", "integer"], "readOnly": True}
            for name in (
                *("SequenceNumber", "EnqueuedTimeUtc", "DeliveryCount", "State", "LockToken"),
                *("LockedUntilUtc", "EnqueuedSequenceNumber", "DeadLetterSource"),
            )
        },
    },
}
PATHS: Final[Json] = {
    AT: {"post": SEND},
    HEAD: {"post": LOCK_NEXT, "delete": TAKE_NEXT},
    DEFERRED: {"post": LOCK_DEFERRED},
    LOCKED: {"delete": COMPLETE, "put": GIVE_BACK, "post": RENEW},
}
SCHEMAS: Final[Json] = {"Batch": BATCH, "BrokerProperties": KNOWN}
