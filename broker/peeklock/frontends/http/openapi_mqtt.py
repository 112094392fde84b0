"""MQTT's sessions and groups, for the document at `/openapi.json`."""

from typing import Final

from peeklock.frontends.http.openapi_parts import (
    Json,
    answer,
    json_of,
    operation,
    parameter,
    referred,
    text,
)
from peeklock.limits import HTTP_PAGE_MAX

TOLD: Final = "For those who may manage everything. "
SESSIONS_AT: Final = "/mqtt/sessions"
SESSION_AT: Final = SESSIONS_AT + "/{client_id}"
GROUPS_AT: Final = "/mqtt/groups"

TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
STORED: Final[Json] = {
    "in_flight": COUNT | {"description": "Messages that were sent and are not acknowledged."},
    "stored": COUNT | {"description": "Messages that wait, or are in flight, on disk."},
    "stored_bytes": COUNT,
    "oldest_enqueued_at": COUNT | {"description": "Ms since 1970; 0: nothing is stored."},
    "dropped": COUNT | {"description": "Messages that it should have had, and did not get."},
}
SESSION: Final[Json] = {
    "client_id": TEXT,
    "user": TEXT,
    "connected": {"type": "boolean"},
    "since": COUNT | {"description": "Ms since 1970: when it came, or went."},
    "expires_at": COUNT
    | {"description": "Ms since 1970: when it ends; 0: not while its client is here."},
    "peer": TEXT | {"description": "HOST:PORT; empty: its client is away."},
    "protocol": TEXT | {"description": "`5.0` or `3.1.1`; empty: its client is away."},
    "kept": {"type": "boolean", "description": "Does it outlive its connection?"},
    "lifetime_ms": COUNT | {"description": "How long it is kept while its client is away."},
    "subscriptions": COUNT,
} | STORED
GROUP: Final[Json] = {
    "group": TEXT | {"description": "`$share/{name}/{filter}`"},
    "filter": TEXT,
    "sessions": COUNT | {"description": "Those that share it."},
    "connected": COUNT | {"description": "Of them, those whose clients are here."},
} | STORED
FILTERS: Final[Json] = {
    "filters": {
        "type": "object",
        "description": "Of one that is asked for alone: its topic filters, each with its QoS.",
        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 2},
    }
}


def schema(members: Json, more: Json | None = None) -> Json:
    return {
        "type": "object",
        "required": list(members),
        "additionalProperties": False,
        "properties": members | (more or {}),
    }


SCHEMAS: Final[Json] = {
    "MqttSession": schema(SESSION, FILTERS),
    "MqttGroup": schema(GROUP),
}


PAGED: Final = (
    text("Only those whose names begin so.", "prefix", "query"),
    parameter("offset", "query", "Not the first so many.", {"type": "integer", "minimum": 0}),
    parameter("limit", "query", "How many at most.",
              {"type": "integer", "minimum": 0, "maximum": HTTP_PAGE_MAX,
               "default": HTTP_PAGE_MAX}),
)  # fmt: skip
NEXT: Final[Json] = {
    "headers": {
        "Link": {
            "description": '`rel="next"`: there may be more.',
            "required": False,
            "schema": TEXT,
        }
    }
}
CLIENT_ID: Final = text("It may contain `/`, which is not encoded.", "client_id", "path")


def page(kind: str) -> Json:
    return json_of("They are these.", {"type": "array", "items": referred(kind)}) | NEXT


PATHS: Final[Json] = {
    SESSIONS_AT: {"get": operation(
        "listMqttSessions", TOLD + "MQTT sessions, by client identifier.",
        {"200": page("MqttSession")}, ("400", "401"), *PAGED,
    )},
    SESSION_AT: {
        "get": operation(
            "readMqttSession", TOLD + "One MQTT session, with its topic filters.",
            {"200": json_of("It is this.", referred("MqttSession"))}, ("401", "404"), CLIENT_ID,
        ),
        "delete": operation(
            "endMqttSession", TOLD + "End it, with what waits for it, and cut off its client.",
            {"204": answer("It is over, on disk.")}, ("401", "404"), CLIENT_ID,
        ),
    },
    GROUPS_AT: {"get": operation(
        "listMqttGroups", TOLD + "Groups of MQTT sessions that share a filter.",
        {"200": page("MqttGroup")}, ("400", "401"), *PAGED,
    )},
}  # fmt: skip
