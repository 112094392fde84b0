"""All routes as an OpenAPI 3.1 document, at `/openapi.json`: a page for each kind of them.

WebSockets, which OpenAPI cannot describe, are in docs/howto/websockets.md. Tests hold this
document against the routes and their answers.
"""

from typing import Final

from peeklock.frontends.http import (
    openapi_administration,
    openapi_derivations,
    openapi_events,
    openapi_jobs,
    openapi_metrics,
    openapi_mqtt,
    openapi_registry,
    openapi_subscriptions,
)
from peeklock.frontends.http.openapi_parts import PROBLEM, Json

PAGES: Final = (
    ("jobs", openapi_jobs.PATHS, openapi_jobs.SCHEMAS),
    ("events", openapi_events.PATHS, openapi_events.SCHEMAS),
    ("derivations", openapi_derivations.PATHS, openapi_derivations.SCHEMAS),
    ("subscriptions", openapi_subscriptions.PATHS, openapi_subscriptions.SCHEMAS),
    ("registry", openapi_registry.PATHS, openapi_registry.SCHEMAS),
    ("metrics", openapi_metrics.PATHS, openapi_metrics.SCHEMAS),
    ("mqtt", openapi_mqtt.PATHS, openapi_mqtt.SCHEMAS),
    ("administration", openapi_administration.PATHS, openapi_administration.SCHEMAS),
)


def tagged(tag: str, item: Json) -> Json:
    return {method: operation | {"tags": [tag]} for method, operation in item.items()}


OPENAPI: Final[Json] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Jobs and events over HTTP",
        "description": "Queues, topics and subscriptions of a peeklock broker: jobs in the "
        "form of Service Bus' REST API and its administration, CloudEvents with their "
        "Subscriptions API, last values, derivations, and a registry of what there is. What "
        "can be had by GET has HEAD, too, but for what has no end or changes something; "
        "OPTIONS says what can be asked.",
        "version": "1",
    },
    "servers": [{"url": "/"}],
    "tags": [{"name": tag} for tag, _paths, _schemas in PAGES],
    "paths": {
        path: tagged(tag, item)
        for tag, paths, _schemas in PAGES
        for path, item in paths.items()
    },
    "components": {
        "schemas": {
            "Problem": PROBLEM,
            **{name: schema for _tag, _paths, found in PAGES for name, schema in found.items()},
        },
        "securitySchemes": {
            "user": {"type": "http", "scheme": "basic"},
            "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "signature": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "A shared access signature.",
            },
        },
    },
    "security": [{"user": []}, {"jwt": []}, {"signature": []}, {}],
}
