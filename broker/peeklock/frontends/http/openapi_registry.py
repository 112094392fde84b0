"""The registry's routes, for the document at `/openapi.json`. What it says there, `/model` does
in the registry's own words.
"""

from typing import Final

from peeklock.frontends.http.openapi_parts import (
    Json,
    json_of,
    operation,
    parameter,
    referred,
    text,
)
from peeklock.frontends.http.registry import AMQP as AMQP_1
from peeklock.frontends.http.registry import HTTP as BY_HTTP
from peeklock.frontends.http.registry import MQTT, SCHEMA_FORMAT, SCHEMA_GROUP, SCHEMA_TYPE
from peeklock.limits import HTTP_PAGE_MAX

TOLD: Final = "xRegistry 1.0-rc4. With an `api-version`, the administration answers instead. "
LOOK: Final = ("400", "401")
FIND: Final = ("401", "404")
SCHEMA_AT: Final = f"/schemagroups/{SCHEMA_GROUP}/schemas"
ONE: Final = text("Its id, in any case.", "endpoint", "path")
INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
URL: Final[Json] = {"type": "string", "format": "uri"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
TEXT: Final[Json] = {"type": "string"}
# What each thing in a registry has.
CORE: Final[Json] = {
    "self": URL,
    "xid": {"type": "string", "description": "Its path in the registry."},
    "epoch": {"type": "integer", "description": "It never goes down, and changes with it."},
    "createdat": INSTANT,
    "modifiedat": INSTANT,
}


def thing(about: str, optional: tuple[str, ...] = (), **members: Json) -> Json:
    found = CORE | members
    return {
        "type": "object",
        "description": about,
        "required": [name for name in found if name not in optional],
        "properties": found,
        "additionalProperties": False,
    }


def by_id(name: str) -> Json:
    return {"type": "object", "additionalProperties": referred(name)}


PAGE: Final = json_of("They are these.", by_id("Endpoint")) | {
    "headers": {
        "Link": {
            "description": '`rel="next"`: there are more.',
            "required": False,
            "schema": TEXT,
        }
    }
}
PATHS: Final[Json] = {
    "/": {"get": operation(
        "readRegistry", TOLD + "The registry, and how much is in it.",
        {"200": json_of("It is this.", referred("Registry"))}, ("401",),
    )},
    "/capabilities": {"get": operation(
        "readCapabilities", TOLD + "What the registry can do.",
        {"200": json_of("It is this.", {"type": "object"})}, ("401",),
    )},
    "/model": {"get": operation(
        "readModel", TOLD + "What the registry is made of.",
        {"200": json_of("It is this.", {"type": "object", "required": ["groups"]})}, ("401",),
    )},
    "/endpoints": {"get": operation(
        "listEndpoints", TOLD + "Ways to queues, topics and subscriptions, by their ids.",
        {"200": PAGE}, LOOK,
        parameter("limit", "query", "How many at most.",
                  {"type": "integer", "minimum": 1, "maximum": HTTP_PAGE_MAX,
                   "default": HTTP_PAGE_MAX}),
        parameter("offset", "query", "Not the first so many.", COUNT | {"default": 0}),
    )},
    "/endpoints/{endpoint}": {"get": operation(
        "readEndpoint", TOLD + "One way to one entity.",
        {"200": json_of("It is this.", referred("Endpoint"))}, FIND, ONE,
    )},
    "/endpoints/{endpoint}/messages": {"get": operation(
        "listMessages", TOLD + "None: messages are not described.",
        {"200": json_of("None.", {"type": "object", "maxProperties": 0})}, FIND, ONE,
    )},
    "/schemagroups": {"get": operation(
        "listSchemaGroups", TOLD + "The one group of schemas.",
        {"200": json_of("It is this.", by_id("SchemaGroup"))}, ("401",),
    )},
    f"/schemagroups/{SCHEMA_GROUP}": {"get": operation(
        "readSchemaGroup", TOLD + "Schemas of topics.",
        {"200": json_of("It is this.", referred("SchemaGroup"))}, ("401",),
    )},
    SCHEMA_AT: {"get": operation(
        "listSchemas", TOLD + "Those of topics that have one, by their ids.",
        {"200": json_of("They are these.", by_id("SchemaDetails"))}, ("401",),
    )},
    SCHEMA_AT + "/{schema}": {"get": operation(
        "readSchema", TOLD + "The schema, as its author wrote it; with `$details` behind its "
        "id, what is known of it.",
        {"200": {"description": "It is this.", "content": {
            SCHEMA_TYPE: {"schema": {"type": ["object", "boolean"]}},
            "application/json": {"schema": referred("SchemaDetails")},
        }}}, FIND, text("Its id, in any case.", "schema", "path"),
    )},
}  # fmt: skip
SCHEMAS: Final[Json] = {
    "Registry": thing(
        "What the broker has.",
        specversion=TEXT, registryid=TEXT, endpointsurl=URL, endpointscount=COUNT,
        schemagroupsurl=URL, schemagroupscount=COUNT,
    ),
    "Endpoint": thing(
        "One way to one entity: to send to it, or to receive from it.", ("envelope",),
        endpointid=TEXT, name=TEXT,
        usage={"type": "array", "items": {"enum": ["producer", "consumer", "subscriber"]}},
        channel={"type": "string", "description": "The entity's name."},
        protocol={"enum": [AMQP_1, *MQTT, BY_HTTP]},
        envelope=TEXT,
        protocoloptions={
            "type": "object",
            "required": ["endpoints", "deployed"],
            "properties": {
                "endpoints": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["uri"], "properties": {"uri": TEXT},
                    },
                },
                "deployed": {"type": "boolean"},
                "node": {"type": "string", "description": "AMQP's address."},
                "topic": {"type": "string", "description": "MQTT's, to publish to."},
                "topicfilter": {"type": "string", "description": "MQTT's, to subscribe to."},
            },
        },
        messagesurl=URL, messagescount=COUNT,
    ),
    "SchemaGroup": thing(
        "Schemas of topics.", schemagroupid=TEXT, schemasurl=URL, schemascount=COUNT
    ),
    "SchemaDetails": thing(
        "What is known of a schema beside itself.",
        schemaid=TEXT, versionid=TEXT, name={"type": "string", "description": "The topic's."},
        isdefault={"const": True}, format={"const": SCHEMA_FORMAT},
        contenttype={"const": SCHEMA_TYPE}, schemaurl=URL,
    ),
}  # fmt: skip
