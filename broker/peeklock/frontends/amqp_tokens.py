"""The `$cbs` node: claims-based security. A client puts a token for each entity it uses."""

from typing import Final, final

from peeklock.errors import BrokerError, InvalidRequest, ProtocolViolation
from peeklock.frontends.amqp_nodes import Node
from peeklock.frontends.errors_on_the_wire import condition_of, status_of
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    ValueBody,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
    split_message,
)
from peeklock.protocols.amqp10.values import AmqpValue, Int, Symbol
from peeklock.security.principal import Principal
from peeklock.security.tokens import Tokens
from peeklock.types import UnixMs

ACCEPTED: Final = 202


@final
class TokenReply:
    """The answer to one request. Its names have hyphens, unlike `$management`'s."""

    def __init__(self, node: Node, request: Properties | None) -> None:
        self.node: Final = node
        self.reply_to: Final = (request.reply_to if request is not None else None) or ""
        self.error: BrokerError | None = None
        self._request: Final = request

    def payload(self) -> bytes:
        error = self.error
        status: dict[AmqpValue, AmqpValue] = {
            "status-code": Int(ACCEPTED if error is None else status_of(error)),
            "status-description": "Accepted" if error is None else str(error),
        }
        if error is not None:
            status["error-condition"] = Symbol(condition_of(error))
        request = self._request
        # With the request's own type: clients compare the two as they are.
        correlation = None if request is None else request.message_id
        return encode_bare(Properties(correlation_id=correlation), status, ValueBody(None))


def answer(
    tokens: Tokens, principal: Principal, node: Node, payload: bytes, now: UnixMs
) -> TokenReply | None:
    """Take a token or refuse it; None for what cannot be read as a request at all."""
    try:
        bare = split_message(payload).bare
        reply = TokenReply(node, read_properties(bare))
        try:
            put(tokens, principal, bare, now)
        except BrokerError as error:
            reply.error = error
    except ProtocolViolation:
        return None
    return reply


def put(tokens: Tokens, principal: Principal, bare: bytes, now: UnixMs) -> None:
    asked = read_application_properties(bare)
    audience = asked.get("name")
    if not isinstance(audience, str) or not audience:
        raise InvalidRequest("the property `name` says which entity the token is for")
    if asked.get("operation") not in ("put-token", "delete-token"):
        raise InvalidRequest("the property `operation` is put-token or delete-token")
    claims = principal.claims
    if claims is None:
        return  # its login says what it may do: whatever token it puts changes nothing
    if asked.get("operation") == "delete-token":
        claims.drop(audience)
        return
    claims.put(audience, tokens.claim(token_in(bare), audience, now))


def token_in(bare: bytes) -> str:
    """The body: a string, or its bytes."""
    body = read_body(bare)
    value = body.value if isinstance(body, ValueBody) else None
    if isinstance(body, DataBody):
        value = b"".join(body.parts)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InvalidRequest("the token is the body: a string")
    return str(value)
