"""`$management`'s operations on derivations: entities of type `derivation`.

A request names one `<topic>/Derivations/<name>`; a QUERY names the topic.
"""

from typing import TYPE_CHECKING, Final, final

from peeklock.engine.engine import Engine
from peeklock.entities.address import DERIVATIONS, derivation_parts
from peeklock.errors import InvalidRequest
from peeklock.management.derivations import (
    add_derivation,
    changed_derivation,
    derivation_from,
    describe_derivation,
    list_derivations,
    remove_derivation,
    update_derivation,
)

if TYPE_CHECKING:
    from peeklock.frontends.amqp_request import Request

View = dict[str, object]
DERIVATION: Final = "derivation"


@final
class DerivationOperations:
    """The caller has asked for the right to do it."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def create(self, request: "Request") -> View:
        path, name = parts_of(request.name)
        settings = derivation_from(name, request.arguments)
        require_send = request.principal.require_send
        ledger = add_derivation(self._engine, path, settings, request.now, require_send)
        return describe_derivation(self._engine.namespace.find_topic(path), ledger)

    def read(self, request: "Request") -> View:
        path, name = parts_of(request.name)
        topic = self._engine.namespace.find_topic(path)
        return describe_derivation(topic, topic.derivations.find(name))

    def update(self, request: "Request") -> View:
        """Settings that the request does not name stay; null is the default."""
        path, name = parts_of(request.name)
        topic = self._engine.namespace.find_topic(path)
        before = topic.derivations.find(name).settings
        settings = changed_derivation(before, request.arguments)
        require_send = request.principal.require_send
        ledger = update_derivation(self._engine, path, settings, request.now, require_send)
        return describe_derivation(topic, ledger)

    def delete(self, request: "Request") -> None:
        path, name = parts_of(request.name)
        remove_derivation(self._engine, path, name)

    def found(self, owner: str, prefix: str, skip: int, top: int) -> list[View]:
        topic = self._engine.namespace.find_topic(owner)
        ledgers = list_derivations(topic, prefix, skip, top)
        return [describe_derivation(topic, ledger) for ledger in ledgers]


def parts_of(path: str) -> tuple[str, str]:
    """A derivation's path as its topic's and its own name; raises `InvalidRequest`."""
    parts = derivation_parts(path)
    if parts is None:
        raise InvalidRequest(
            f"{path!r} names no derivation; expected <topic>{DERIVATIONS}<name>"
        )
    return parts
