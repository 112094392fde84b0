"""The routes of CloudEvents' Subscriptions API, for the document at `/openapi.json`."""

from typing import Final

from peeklock.frontends.http.openapi_parts import (
    OPEN,
    Json,
    answer,
    operation,
    parameter,
    referred,
    text,
)
from peeklock.frontends.http.subscription_sinks import PROTOCOLS

MANY_AT: Final = "/subscriptions"
ONE_AT: Final = "/subscriptions/{id}"
REFERRED: Final = referred("Subscription")
OBJECT: Final[Json] = {"content": {"application/json": {"schema": REFERRED}}}
LIST: Final[Json] = {
    "content": {"application/json": {"schema": {"type": "array", "items": REFERRED}}}
}
ABOUT: Final = (
    "A subscription of a topic that pushes or forwards (CloudEvents Subscriptions API, "
    "§3.2.1). What is left out of a PUT is as by default, but for the secrets of "
    "`sinkcredential`, which stay with the sink's host."
)
SCHEMA: Final[Json] = {
    "type": "object",
    "description": ABOUT,
    "required": ["sink", "protocol"],
    "additionalProperties": False,
    "properties": {
        "id": {
            "type": "string",
            "readOnly": True,
            "description": "The topic, a slash, and the subscription's name.",
        },
        "source": {"type": "string", "description": "Of the events that are wanted."},
        "types": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "config": {
            "type": "object",
            "description": "`topic`, which is to be there; `name`, else it gets one; and "
            "settings of a subscription. `rules`: it has some that no filters can say.",
        },
        "filters": {
            "type": "array",
            "items": {"type": "object", "minProperties": 1, "maxProperties": 1},
            "description": "All have to be true: exact, prefix, suffix, all, any, not, sql.",
        },
        "sink": {
            "type": "string",
            "format": "uri-reference",
            "description": "By HTTP a URL; by AMQP a queue or topic here: `amqp:///orders`.",
        },
        "sinkcredential": {
            "type": ["object", "null"],
            "description": "Its secrets are never told; without them, those it has.",
            "required": ["credentialtype"],
            "properties": {
                "credentialtype": {"enum": ["PLAIN", "ACCESSTOKEN"]},
                "identifier": {"type": "string", "writeOnly": True},
                "secret": {"type": "string", "writeOnly": True},
                "accesstoken": {"type": "string", "writeOnly": True},
                "accesstokentype": {"type": "string", "writeOnly": True},
                "accesstokenexpiresutc": {"type": "string", "format": "date-time"},
            },
        },
        "protocol": {"enum": list(PROTOCOLS)},
        "protocolsettings": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "method": {"const": "POST"},
                "headers": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "By HTTP: sent with each event; told to who may manage.",
                },
                "address": {"type": "string", "description": "By AMQP: the queue or topic."},
            },
        },
        "status": {
            "type": "object",
            "readOnly": True,
            "description": "How it goes. Beyond the Subscriptions API.",
            "required": ["state", "messages"],
            "properties": {
                "state": {"type": "string"},
                "messages": {"type": "integer", "description": "That wait."},
                "delivered": {"type": "integer", "description": "Since the broker started."},
                "error": {"type": "string", "description": "The last one, until it is over."},
                "errorat": {"type": "string", "format": "date-time"},
            },
        },
    },
}
ID: Final = text("The topic, a slash, and the subscription's name.", "id", "path")
ALLOW: Final = answer("What can be asked.", {"Allow": {"schema": {"type": "string"}}})
GIVEN: Final[Json] = {"required": True} | OBJECT
WRONG: Final = ("400", "401", "404", "413", "503")
CREATE_SUBSCRIPTION: Final = operation(
    "createSubscription", "Have a topic's events pushed.",
    {"201": answer("It is on disk.", {"Location": {"schema": {"type": "string"}}})
     | OBJECT},
    (*WRONG, "409"), requestBody=GIVEN,
)  # fmt: skip
LIST_SUBSCRIPTIONS: Final = operation(
    "listSubscriptions", "Those that push; `Link` leads to more of them.",
    {"200": answer("They are these.") | LIST}, ("400", "401", "404"),
    text("Of this topic alone.", "topic", "query"),
    parameter("skip", "query", "Not the first so many.", {"type": "integer", "minimum": 0}),
)  # fmt: skip
READ_SUBSCRIPTION: Final = operation(
    "readSubscription", "One of them.",
    {"200": answer("It is this.") | OBJECT}, ("401", "404"), ID,
)  # fmt: skip
REPLACE_SUBSCRIPTION: Final = operation(
    "replaceSubscription", "It is to be as this says.",
    {"200": answer("It is on disk.") | OBJECT}, WRONG, ID, requestBody=GIVEN,
)  # fmt: skip
DELETE_SUBSCRIPTION: Final = operation(
    "deleteSubscription", "With the events that it holds.",
    {"200": answer("It was this.") | OBJECT}, ("401", "404"), ID,
)  # fmt: skip
ASK_SUBSCRIPTIONS: Final = operation(
    "askSubscriptions", "What can be asked here.", {"204": ALLOW}, (), **OPEN
)
ASK_SUBSCRIPTION: Final = operation(
    "askSubscription", "What can be asked here.", {"204": ALLOW}, (), ID, **OPEN
)
PATHS: Final[Json] = {
    MANY_AT: {
        "post": CREATE_SUBSCRIPTION,
        "get": LIST_SUBSCRIPTIONS,
        "options": ASK_SUBSCRIPTIONS,
    },
    ONE_AT: {
        "get": READ_SUBSCRIPTION,
        "put": REPLACE_SUBSCRIPTION,
        "delete": DELETE_SUBSCRIPTION,
        "options": ASK_SUBSCRIPTION,
    },
}
SCHEMAS: Final[Json] = {"Subscription": SCHEMA}
