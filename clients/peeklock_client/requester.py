"""Management requests: operations on the namespace, or on one entity's messages."""

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from peeklock.protocols.amqp10.events import (
    CreditReceived,
    Event,
    LinkAttached,
    LinkDetached,
    MessageReceived,
)
from peeklock.protocols.amqp10.link import ReceiverLink, SenderLink
from peeklock.protocols.amqp10.sections import (
    Properties,
    ValueBody,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
    split_message,
)
from peeklock.protocols.amqp10.session import Session
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock_client.errors import PeeklockError, Refused, Unreachable, refusal

if TYPE_CHECKING:
    from peeklock_client.client import Client

REPLIES_CREDIT = 100
ANSWER_SECONDS = 30.0
STATUS_OK_MAX = 299


class Requester:
    """Requests to one management node, and their replies. An `Endpoint`."""

    def __init__(self, client: "Client", entity: str) -> None:
        self._client = client
        self._node = f"{entity}/$management" if entity else "$management"
        self._reply_to = f"replies-{uuid4().hex[:12]}"
        self._requests: SenderLink | None = None
        self._replies: ReceiverLink | None = None
        self._is_added = False
        self._waiting: list[tuple[str, bytes]] = []
        self._answers: dict[str, asyncio.Future[dict[str, object]]] = {}

    async def request(
        self, operation: str, name: str, arguments: dict[str, object], kind: str
    ) -> dict[str, object]:
        """The result of one operation; raises `Refused`, `Unreachable`."""
        request_id = uuid4().hex
        payload = encode_bare(
            Properties(message_id=request_id, reply_to=self._reply_to),
            {"operation": operation, "name": name, **({"type": kind} if kind else {})},
            ValueBody(dict(arguments.items())),
        )
        answer: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        if not self._is_added:
            self._client.add(self)
            self._is_added = True
        self._answers[request_id] = answer
        self._waiting.append((request_id, payload))
        self._pump()
        try:
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            raise Unreachable(f"{operation}: no answer within {ANSWER_SECONDS:.0f} s") from None
        finally:
            self._answers.pop(request_id, None)
            self._waiting = [one for one in self._waiting if one[0] != request_id]

    def _pump(self) -> None:
        requests, replies = self._requests, self._replies
        if requests is None or replies is None or not replies.is_attached:
            return
        while self._waiting and requests.is_attached and requests.credit > 0:
            request_id, payload = self._waiting.pop(0)
            requests.send(request_id[:32].encode(), payload, settled=True)
            self._client.flush_soon()

    def _on_reply(self, event: MessageReceived) -> None:
        bare = split_message(event.payload).bare
        properties = read_properties(bare)
        status = read_application_properties(bare)
        body = read_body(bare)
        assert self._replies is not None
        self._replies.grant(REPLIES_CREDIT)
        correlation = properties.correlation_id if properties is not None else None
        answer = self._answers.get(str(correlation))
        if answer is None or answer.done():
            return
        code = status.get("statusCode")
        if isinstance(code, int) and code <= STATUS_OK_MAX:
            value = body.value if isinstance(body, ValueBody) else None
            found = value if isinstance(value, dict) else {}
            answer.set_result({str(key): item for key, item in found.items()})
        else:
            condition = str(status.get("errorCondition") or f"status {code}")
            answer.set_exception(refusal(condition, str(status.get("statusDescription") or "")))

    # ---- endpoint

    def attach(self, session: Session) -> None:
        name = f"{self._client.name}-{self._node}"
        self._replies = session.attach_receiver(
            f"{name}-replies",
            source=Source(address=self._node),
            target=Target(address=self._reply_to),
        )
        self._replies.context = self
        self._replies.grant(REPLIES_CREDIT)
        self._requests = session.attach_sender(
            f"{name}-requests",
            source=Source(address=self._reply_to),
            target=Target(address=self._node),
        )
        self._requests.context = self

    def on_event(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            self._on_reply(event)
        elif isinstance(event, CreditReceived | LinkAttached):
            self._pump()
        elif isinstance(event, LinkDetached):
            self._on_detached(event)

    def _on_detached(self, event: LinkDetached) -> None:
        """Refused, or the entity is gone: the other link goes too, later requests ask anew."""
        if not self._is_added:
            return
        self._is_added = False
        self._client.remove(self)
        for link in (self._requests, self._replies):
            if link is not None and link is not event.link:
                link.context = None
                link.detach()
        self._requests = None
        self._replies = None
        self._client.flush_soon()
        error = event.error
        self._fail(
            refusal(error.condition, error.description)
            if error is not None
            else Refused("amqp:detach-forced", f"{self._node}: the link was closed")
        )

    def on_connection_lost(self) -> None:
        """Requests on their way may have been obeyed or not: the caller decides what to do."""
        self._requests = None
        self._replies = None
        still_here = {request_id for request_id, _payload in self._waiting}
        for request_id, answer in self._answers.items():
            if request_id not in still_here and not answer.done():
                answer.set_exception(Unreachable("the connection broke before an answer came"))

    def on_given_up(self, error: PeeklockError) -> None:
        self._is_added = False
        self._fail(error)

    def _fail(self, error: PeeklockError) -> None:
        self._waiting.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
