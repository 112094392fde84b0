"""Management nodes: requests and replies as messages.

`$management` knows the namespace's operations (create, read, update, delete, query), and
`<entity>/$management` those on one entity's messages: Service Bus' own, by their names and
forms, and a few more under `peeklock:`.
"""

from collections.abc import Callable
from typing import Final, final
from uuid import UUID

from peeklock.engine.effects import Peer
from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import (
    COMPLETE,
    RELEASE,
    Disposition,
    Properties,
    Verdict,
)
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import Entry
from peeklock.entities.ranges import within
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import (
    BrokerError,
    InvalidRequest,
    ProtocolViolation,
    SessionLockLost,
)
from peeklock.frontends.amqp_dialect import is_service_bus_operation
from peeklock.frontends.amqp_intake import read_sent
from peeklock.frontends.amqp_last_values import LastValueOperations
from peeklock.frontends.amqp_message import (
    delivery_payload,
    peeked_payload,
)
from peeklock.frontends.amqp_namespace import NamespaceOperations, require_look
from peeklock.frontends.amqp_nodes import Node
from peeklock.frontends.amqp_outcomes import properties_of
from peeklock.frontends.amqp_request import (
    NO_CONTENT,
    NOT_IMPLEMENTED,
    Reply,
    Request,
    Result,
    read_request,
)
from peeklock.frontends.amqp_rules import RuleOperations
from peeklock.frontends.amqp_session_operations import SessionOperations, holder_for
from peeklock.frontends.errors_on_the_wire import condition_of, status_of
from peeklock.limits import BATCH_DELETE_COUNT_MAX
from peeklock.management.mqtt_sessions import MqttSessions
from peeklock.management.operations import (
    dead_letter_reasons,
    delete_oldest,
    peek,
    purge,
    purge_matching,
    redrive_dead_letters,
    set_dispatch,
    undefer,
)
from peeklock.protocols.amqp10.sections import read_properties, split_message
from peeklock.protocols.amqp10.values import (
    ARRAY_LONG,
    ARRAY_TIMESTAMP,
    AmqpArray,
    Int,
    Timestamp,
)
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.store.journal import MessageDamaged
from peeklock.types import SequenceNumber, UnixMs


@final
class ManagementNode:
    """Answers requests."""

    def __init__(
        self,
        engine: Engine,
        stats: Callable[[], dict[str, object]],
        mqtt_sessions: MqttSessions,
    ) -> None:
        self._engine: Final = engine
        self._stats: Final = stats
        self._operations: Final[dict[str, Callable[[Request, Reply], None]]] = {
            **NamespaceOperations(engine, mqtt_sessions).by_name(),
            **RuleOperations(engine).by_name(),
            **SessionOperations(engine).by_name(),
            **LastValueOperations(engine).by_name(),
            "peeklock:stats": self._tell_stats,
            "com.microsoft:peek-message": self._peek,
            "com.microsoft:renew-lock": self._renew,
            "com.microsoft:receive-by-sequence-number": self._receive_deferred,
            "com.microsoft:update-disposition": self._settle,
            "com.microsoft:schedule-message": self._schedule,
            "com.microsoft:cancel-scheduled-message": self._cancel,
            "com.microsoft:batch-delete-messages": self._delete_oldest,
            "peeklock:purge": self._purge,
            "peeklock:pause": self._pause,
            "peeklock:resume": self._resume,
            "peeklock:redrive": self._redrive,
            "peeklock:undefer": self._undefer,
            "peeklock:dead-letter-reasons": self._reasons,
        }

    def answer(
        self, peer: Peer, principal: Principal, node: Node, payload: bytes, now: UnixMs
    ) -> Reply | None:
        """The reply to one request; None when it cannot even be read as one."""
        try:
            bare = split_message(payload).bare
            reply = Reply(node, read_properties(bare))
            request = read_request(peer, principal, node, bare, now)
        except ProtocolViolation:
            return None
        operation = self._operations.get(request.operation)
        if operation is None:
            what = f"no operation {request.operation!r} here"
            return reply.refuse(NOT_IMPLEMENTED, "amqp:not-implemented", what)
        try:
            request.node = self._current(node)
            operation(request, reply)
        except BrokerError as error:
            in_service_bus = is_service_bus_operation(request.operation)
            condition = condition_of(error, in_service_bus=in_service_bus)
            return reply.refuse(status_of(error), condition, str(error))
        return reply

    def _current(self, node: Node) -> Node:
        """Links to a management node outlive its entity: it may be gone, or another be there.

        Raises `NotFound`.
        """
        entity = node.entity
        namespace = self._engine.namespace
        if entity is None or namespace.has_entity(entity):
            return node
        if namespace.has_topic(entity.path):
            return Node(node.kind, topic=namespace.find_topic(entity.path))
        return Node(node.kind, namespace.find(entity.path))

    def _tell_stats(self, request: Request, reply: Reply) -> None:
        require_look(request, "", "")
        reply.tell(self._stats())

    # ---- one entity's messages

    def _peek(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        start = SequenceNumber(request.whole("from-sequence-number", 1))
        count = request.whole("message-count", 1)
        entries = peek(request.queue, start, count, request.session_id())
        if not entries:
            reply.refuse(NO_CONTENT, "com.microsoft:message-not-found", "no more messages")
            return
        queue = request.queue
        reply.messages = lambda: self._read_messages(queue, entries, is_handed=False)

    def _read_messages(
        self, queue: Queue, entries: list[Entry], *, is_handed: bool
    ) -> list[Result]:
        """Those that can be read; what is damaged is given up."""
        results: list[Result] = []
        for entry in entries:
            try:
                results.append(self._handed(entry) if is_handed else self._shown(entry))
            except MessageDamaged:
                lock = entry.lock
                ours = lock.nonce if lock is not None and is_handed else b""
                self._engine.give_up(queue, entry, ours)
        return results

    def _shown(self, entry: Entry) -> Result:
        return {"message": peeked_payload(entry, self._engine.message_of(entry))}

    def _renew(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        until = self._engine.renew(request.queue, request.tokens(), request.now)
        reply.result = {
            "expirations": AmqpArray(ARRAY_TIMESTAMP, [Timestamp(t) for t in until])
        }

    def _receive_deferred(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        queue = request.queue
        delete = request.whole("receiver-settle-mode", 1) == 0
        numbers = request.numbers("sequence-numbers")
        session_id = request.session_id()
        holder = None if session_id is None else holder_for(self._engine, request, session_id)
        entries = self._engine.receive_deferred(
            queue, numbers, request.now, delete=delete, holder=holder
        )
        reply.messages = lambda: self._read_messages(queue, entries, is_handed=True)

    def _handed(self, entry: Entry) -> Result:
        message = self._engine.message_of(entry)
        lock = entry.lock
        if lock is None:
            return {"message": peeked_payload(entry, message)}
        return {
            "message": delivery_payload(entry, message, lock.until),
            "lock-token": UUID(bytes_le=token_of(entry)),
        }

    def _settle(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        disposition = self._disposition(request)
        tokens = request.tokens()
        session_id = request.session_id()
        if session_id is not None:
            nonce = holder_for(self._engine, request, session_id).session_nonce
            for token in tokens:
                if not token.startswith(nonce):
                    raise SessionLockLost(f"message session {session_id!r}")
        self._engine.settle_tokens(request.queue, tokens, disposition, request.now)

    def _disposition(self, request: Request) -> Disposition:
        status = request.text("disposition-status", "")
        if status == "completed":
            return COMPLETE
        properties = properties_to_modify(request)
        if status == "abandoned":
            return Disposition(Verdict.ABANDON, properties=properties)
        if status == "released":  # ours: Service Bus has no word for giving it back untried
            return RELEASE
        if status in ("defered", "deferred"):  # Service Bus' spelling, and the right one
            return Disposition(Verdict.DEFER, properties=properties)
        if status == "suspended":
            return Disposition(
                Verdict.DEAD_LETTER,
                reason=request.text("deadletter-reason", ""),
                description=request.text("deadletter-description", ""),
                properties=properties,
            )
        raise InvalidRequest(
            f"disposition-status {status!r}; there are completed, abandoned, released, defered,"
            " suspended"
        )

    def _schedule(self, request: Request, reply: Reply) -> None:
        entity = request.entity
        request.principal.require(Right.SEND, entity.path)
        batch: list[Submission] = []
        ids = self._engine.ids
        for item in request.values("messages"):
            raw = item.get("message") if isinstance(item, dict) else None
            if not isinstance(raw, bytes):
                raise InvalidRequest(
                    "schedule-message: messages are maps with a binary message"
                )
            try:
                batch.append(read_sent(raw, entity, ids, request.now))
            except ProtocolViolation as violation:
                raise InvalidRequest(str(violation)) from None
        if isinstance(entity, Topic):
            numbers = self._engine.publish(entity, batch, request.now)
        else:
            numbers = self._engine.enqueue(entity, batch, request.now)
        reply.result = {"sequence-numbers": AmqpArray(ARRAY_LONG, [int(n) for n in numbers])}

    def _cancel(self, request: Request, reply: Reply) -> None:
        entity = request.entity
        request.principal.require(Right.SEND, entity.path)
        numbers = request.numbers("sequence-numbers")
        if isinstance(entity, Topic):
            self._engine.unpublish(entity, numbers)
        else:
            self._engine.commit(entity, entity.cancel_scheduled(numbers), request.now)

    def _delete_oldest(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        before = UnixMs(request.whole("enqueued-time-utc"))
        count = request.whole("message-count")
        within("message-count", count, 1, BATCH_DELETE_COUNT_MAX)
        session_id = request.session_id()
        if session_id is not None:
            holder_for(self._engine, request, session_id)
        deleted = delete_oldest(
            self._engine, request.queue, before, count, session_id, request.now
        )
        reply.result = {"message-count": Int(deleted)}

    # ---- operators

    def _purge(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        state = request.text("state", "all")
        count = request.whole("count", 1 << 31)
        text = request.text("filter", "")
        if not text:
            removed = purge(self._engine, request.queue, state, count, request.now)
            reply.result = {"removed": removed}
            return
        start = SequenceNumber(request.whole("from-sequence-number", 1))
        found = purge_matching(
            self._engine, request.queue, state, text, start, count, request.now
        )
        reply.result = {"removed": len(found.numbers), "next": found.following}

    def _undefer(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        given = request.arguments.get("sequence-numbers")
        numbers = request.numbers("sequence-numbers") if given is not None else []
        count = request.whole("count", 1 << 31)
        returned = undefer(self._engine, request.queue, numbers, count, request.now)
        reply.result = {"returned": returned}

    def _pause(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        set_dispatch(self._engine, request.queue, request.now, dispatch=False)

    def _resume(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        set_dispatch(self._engine, request.queue, request.now, dispatch=True)

    def _redrive(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        given = request.arguments.get("sequence-numbers")
        numbers = request.numbers("sequence-numbers") if given is not None else []
        count = request.whole("count", 1 << 31)
        moved = redrive_dead_letters(self._engine, request.queue, numbers, count, request.now)
        reply.result = {"moved": moved}

    def _reasons(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        counts = dead_letter_reasons(request.queue)
        reply.result = {
            "reasons": [{"reason": reason, "count": count} for reason, count in counts.items()]
        }


def properties_to_modify(request: Request) -> Properties | None:
    """What is to be set on the messages; None: nothing."""
    given = request.arguments.get("properties-to-modify")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise InvalidRequest(
            f"{request.operation}: properties-to-modify is a map, not {given!r}"
        )
    return properties_of(given)
