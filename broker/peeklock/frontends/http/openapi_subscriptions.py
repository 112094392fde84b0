"""The routes of CloudEvents' Subscriptions API, for the document at `/openapi.json`."""

from typing import Any, Final

Json = dict[str, Any]

MANY_AT: Final = "/subscriptions"
ONE_AT: Final = "/subscriptions/{id}"
REFERRED: Final[Json] = {"$ref": "#/components/schemas/Subscription"}
OBJECT: Final[Json] = {"content": {"application/json": {"schema": REFERRED}}}
LIST: Final[Json] = {
    "content": {"application/json": {"schema": {"type": "array", "items": REFERRED}}}
}
ABOUT: Final = (
    "A subscription of a topic that pushes (CloudEvents Subscriptions API, §3.2.1). What is "
    "left out of a PUT is as by default, but for `sinkcredential`, which stays with the sink."
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
        "sink": {"type": "string", "format": "uri"},
        "sinkcredential": {
            "type": ["object", "null"],
            "description": "PLAIN or ACCESSTOKEN; its secrets are never told.",
        },
        "protocol": {"const": "HTTP"},
        "protocolsettings": {
            "type": "object",
            "properties": {"method": {"const": "POST"}},
        },
    },
}
