"""One management request and its reply, as messages.

A request names its operation in the application properties and its arguments in a map as
body; so does the reply its status.
"""

from collections.abc import Callable
from typing import Final, final
from uuid import UUID

from peeklock.engine.effects import Peer
from peeklock.entities.queue import Queue
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, NotAllowed
from peeklock.frontends.amqp_nodes import Node
from peeklock.protocols.amqp10 import conditions
from peeklock.protocols.amqp10.sections import (
    Properties,
    ValueBody,
    encode_bare,
    read_application_properties,
    read_body,
)
from peeklock.protocols.amqp10.values import AmqpValue, Int, Symbol
from peeklock.security.principal import Principal
from peeklock.types import LockToken, SequenceNumber, SessionId, UnixMs

Arguments = dict[str, AmqpValue]
Result = dict[AmqpValue, AmqpValue]

OK: Final = 200
CREATED: Final = 201
NO_CONTENT: Final = 204
INTERNAL_ERROR: Final = 500
NOT_IMPLEMENTED: Final = 501


@final
class Reply:
    """An answer on its way. Its messages are read when it leaves: they are durable then."""

    def __init__(self, node: Node, properties: Properties | None) -> None:
        self.node: Final = node
        self.reply_to = (properties.reply_to if properties is not None else None) or ""
        self.status = OK
        self.description = "OK"
        self.condition: str | None = None
        self.result: Result = {}
        self.messages: Callable[[], list[Result]] | None = None
        self._request: Final = properties

    def payload(self) -> bytes:
        if self.messages is not None:
            try:
                self.result["messages"] = self.messages()
            except OSError as error:
                why = f"the journal cannot be read: {error}"
                self.refuse(INTERNAL_ERROR, conditions.INTERNAL_ERROR, why)
        status: dict[AmqpValue, AmqpValue] = {
            "statusCode": Int(self.status),
            "statusDescription": self.description,
        }
        if self.condition is not None:
            status["errorCondition"] = Symbol(self.condition)
        request = self._request
        correlation: AmqpValue = None
        if request is not None:
            correlation = request.message_id
            if correlation is None:
                correlation = request.correlation_id
        return encode_bare(
            Properties(correlation_id=correlation), status, ValueBody(self.result)
        )

    def tell(self, view: dict[str, object]) -> None:
        """A view's names and values are AMQP's already; only the key type is wider."""
        self.result = dict(view.items())

    def refuse(self, status: int, condition: str, description: str) -> "Reply":
        self.status = status
        self.condition = condition
        self.description = description
        self.result = {}
        self.messages = None
        return self


@final
class Request:
    """One request, read."""

    def __init__(
        self,
        peer: Peer,
        node: Node,
        principal: Principal,
        operation: str,
        entity_type: str,
        name: str,
        link_name: str,
        arguments: Arguments,
        now: UnixMs,
    ) -> None:
        self.peer: Final = peer  # whose connection it came on
        self.node = node
        self.principal: Final = principal
        self.operation: Final = operation
        self.entity_type: Final = entity_type  # "" where the request does not say it
        self.name: Final = name
        self.link_name: Final = link_name  # of the receiver that it is for; "": not said
        self.arguments: Final = arguments
        self.now: Final = now

    @property
    def entity(self) -> Queue | Topic:
        """What takes messages in: for scheduling."""
        return self.node.topic or self.queue

    @property
    def queue(self) -> Queue:
        if self.node.topic is not None:
            raise NotAllowed(f"{self.operation}: a topic holds no messages, subscriptions do")
        queue = self.node.queue
        if queue is None:
            raise NotAllowed(f"{self.operation} is an operation of <entity>/$management")
        return queue

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.arguments.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidRequest(f"{self.operation}: {name} is a whole number, not {value!r}")
        return int(value)

    def text(self, name: str, default: str) -> str:
        value = self.arguments.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise InvalidRequest(f"{self.operation}: {name} is a string, not {value!r}")
        return str(value)

    def session_id(self) -> SessionId | None:
        """The message session that it is about; None for none."""
        if self.arguments.get("session-id") is None:
            return None
        return SessionId(self.text("session-id", ""))

    def values(self, name: str) -> list[AmqpValue]:
        value = self.arguments.get(name)
        if not isinstance(value, list):
            raise InvalidRequest(f"{self.operation}: {name} is an array, not {value!r}")
        return list(value)

    def numbers(self, name: str) -> list[SequenceNumber]:
        found: list[SequenceNumber] = []
        for value in self.values(name):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidRequest(f"{self.operation}: {name} has {value!r} in it")
            found.append(SequenceNumber(int(value)))
        self._check_list(name, len(found), len(set(found)))
        return found

    def tokens(self) -> list[LockToken]:
        """Lock tokens. As uuids they are in .NET's byte order on a delivery tag."""
        found: list[LockToken] = []
        for value in self.values("lock-tokens"):
            if isinstance(value, UUID):
                found.append(LockToken(value.bytes_le))
            elif isinstance(value, bytes):
                found.append(LockToken(value))
            else:
                raise InvalidRequest(f"{self.operation}: a lock token is a uuid or binary")
        self._check_list("lock-tokens", len(found), len(set(found)))
        return found

    def _check_list(self, name: str, count: int, distinct_count: int) -> None:
        """Facts are about messages, each once: so are requests that become facts."""
        if count == 0:
            raise InvalidRequest(f"{self.operation}: {name} is empty")
        if distinct_count != count:
            raise InvalidRequest(f"{self.operation}: {name} has the same one twice")


def read_request(
    peer: Peer, principal: Principal, node: Node, bare: bytes, now: UnixMs
) -> Request:
    """The request that a bare message is; raises `ProtocolViolation`."""
    properties = read_application_properties(bare)
    body = read_body(bare)
    value = body.value if isinstance(body, ValueBody) else None
    arguments: Arguments = {}
    if isinstance(value, dict):
        arguments = {str(key): argument for key, argument in value.items()}
    operation = properties.get("operation")
    entity_type = properties.get("type")
    name = properties.get("name")
    link_name = properties.get("associated-link-name")
    return Request(
        peer,
        node,
        principal,
        operation if isinstance(operation, str) else "",
        entity_type if isinstance(entity_type, str) else "",
        name if isinstance(name, str) else "",
        link_name if isinstance(link_name, str) else "",
        arguments,
        now,
    )
