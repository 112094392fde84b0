"""The routes of derivations, for the document at `/openapi.json`."""

from typing import Final

from peeklock.entities.derivation_settings import DerivationKind
from peeklock.frontends.http.openapi_events import TOPIC
from peeklock.frontends.http.openapi_parts import (
    OURS,
    Json,
    answer,
    json_of,
    operation,
    referred,
    text,
)

MANY_AT: Final = "/{entity}/derivations"
ONE_AT: Final = MANY_AT + "/{name}"
NAME: Final = text("The derivation's name.", "name", "path")
ONE: Final = referred("Derivation")
GIVEN: Final[Json] = {"required": True} | json_of("What it is to be.", ONE)
LIST: Final = operation(
    "listDerivations", OURS + "Which jobs the topic's signals make.",
    {"200": json_of("By these.", {"type": "array", "items": ONE})}, ("401", "404"), TOPIC,
)  # fmt: skip
READ: Final = operation(
    "readDerivation", OURS + "One of them.", {"200": json_of("It is this.", ONE)},
    ("401", "404"), TOPIC, NAME,
)  # fmt: skip
MAKE: Final = operation(
    "makeDerivation", OURS + "One more.", {"201": json_of("It is on disk.", ONE)},
    ("400", "401", "403", "404", "409", "413", "503"), TOPIC, NAME, requestBody=GIVEN,
)  # fmt: skip
CHANGE: Final = operation(
    "changeDerivation", OURS + "A merge patch: what it does not name stays, null is the "
    "default. What the derivation remembers stays; 409 for what that is by.",
    {"200": json_of("It is on disk.", ONE)},
    ("400", "401", "404", "409", "413", "503"), TOPIC, NAME, requestBody=GIVEN,
)  # fmt: skip
DELETE: Final = operation(
    "deleteDerivation", OURS + "Its jobs stay; what it remembers is forgotten.",
    {"204": answer("It is gone.")}, ("401", "404"), TOPIC, NAME,
)  # fmt: skip
DERIVATION: Final[Json] = {
    "type": "object",
    "description": "Settings as `[[topics.derivations]]` of the configuration has them; and, "
    "where it is told, how it is.",
    "properties": {
        "to": {"type": "string", "description": "The queue that gets the jobs."},
        "kind": {"enum": [kind.value for kind in DerivationKind], "default": "each"},
        "body": {"description": "Of the job: JSON, or its text, with placeholders."},
        "properties": {"type": "object", "additionalProperties": {"type": "string"}},
        "keys": {"type": "integer", "readOnly": True, "description": "That it remembers."},
        "unusable": {"type": "string", "readOnly": True, "description": "Why; empty: it is."},
    },
}
PATHS: Final[Json] = {
    MANY_AT: {"get": LIST},
    ONE_AT: {"get": READ, "put": MAKE, "patch": CHANGE, "delete": DELETE},
}
SCHEMAS: Final[Json] = {"Derivation": DERIVATION}
