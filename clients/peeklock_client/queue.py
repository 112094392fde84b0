"""A handle to one queue: everything that can be done with it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from peeklock_client.errors import BatchRefused, Refused
from peeklock_client.job import Job, modifications
from peeklock_client.message import ReceivedMessage, encode_job
from peeklock_client.message_session import MessageSession
from peeklock_client.receiver import PREFETCH_DEFAULT, Receiver
from peeklock_client.source_filter import SourceFilter

if TYPE_CHECKING:
    from peeklock_client.client import Client

DEAD_LETTERS = "$DeadLetterQueue"
PEEK_PAGE = 200
SESSION_PAGE = 500
CHANGE_PAGE = 10_000  # messages that the broker removes or moves in one request
EVERYTHING = 1 << 31


class Queue:
    """One queue of a broker. Cheap to make: it holds nothing but the name."""

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self.name = name

    # ---- jobs in

    async def send(
        self,
        body: bytes | str | object,
        *,
        message_id: str | None = None,
        content_type: str | None = None,
        subject: str | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        session_id: str | None = None,
        properties: dict[str, Any] | None = None,
        priority: int = 4,
        ttl: timedelta | float | None = None,
        at: datetime | None = None,
        delay: timedelta | float | None = None,
    ) -> str:
        """Enqueue a job, and return its message-id once the broker has it safely on disk.

        Bytes and text go as they are, anything else as JSON. `ttl` and `delay` are timedeltas
        or seconds; a message to be had only `at` an instant, or after a `delay`, is scheduled.
        Raises `NotFound`, `QueueFull` and other `Refused`; `Unreachable` when the broker did
        not come back in time, and then it is not known whether it has the job.
        """
        message_id = message_id or str(uuid4())
        payload = encode_job(
            body,
            message_id=message_id,
            content_type=content_type,
            subject=subject,
            correlation_id=correlation_id,
            reply_to=reply_to,
            session_id=session_id,
            properties=properties,
            priority=priority,
            ttl=ttl,
            at=at,
            delay=delay,
        )
        await self.send_encoded([payload])
        return message_id

    async def send_batch(self, bodies: Iterable[bytes | str | object], **options: Any) -> int:
        """Enqueue many with the same options (those of `send`, but no message_id).

        They travel together and are confirmed together. Returns how many; raises
        `BatchRefused` that says which were refused, the others are in the queue then.
        """
        payloads = [encode_job(body, **options) for body in bodies]
        await self.send_encoded(payloads)
        return len(payloads)

    async def send_encoded(self, payloads: list[bytes]) -> None:
        """Enqueue messages that `encode_job` has made, in this order."""
        errors = await self._client.sender(self.name).send(payloads)
        if len(payloads) == 1 and errors:
            raise errors[0]
        if errors:
            raise BatchRefused(errors, len(payloads))

    # ---- jobs out

    async def receive(
        self,
        *,
        prefetch: int = PREFETCH_DEFAULT,
        wait: float | None = None,
        count: int | None = None,
        selector: str | SourceFilter | None = None,
    ) -> AsyncIterator[Job]:
        """Jobs as they come, each leased to us until it is settled or its lock runs out.

        At most `prefetch` are ours and unsettled at a time. It ends after `count` jobs, or
        when none came for `wait` seconds; without them it goes on for ever, also over broken
        connections. Jobs that the loop has handed out can be settled after it has ended.
        With a `selector` (of JMS: `region = 'EU' AND amount > 100`) only jobs for which it is
        true; others stay for others. `cesql`, `event_filters` and `subject_path` make
        selectors in other languages. Raises `Refused` for one that is none, and says where.
        """
        if count is not None:
            prefetch = min(prefetch, max(1, count))
        receiver = Receiver(self._client, self.name, prefetch, selector).open()
        try:
            given = 0
            while count is None or given < count:
                job = await receiver.next(wait)
                if job is None:
                    return
                given += 1
                yield job
        finally:
            receiver.stop()

    def receiver(
        self, prefetch: int = PREFETCH_DEFAULT, selector: str | SourceFilter | None = None
    ) -> Receiver:
        """For those who want `next`, `stop` and `finish` apart, as `Worker` does."""
        return Receiver(self._client, self.name, prefetch, selector)

    def accept_session(
        self,
        session_id: str | None = None,
        *,
        prefetch: int = PREFETCH_DEFAULT,
        wait: float | None = None,
    ) -> MessageSession:
        """A message session by its id, or None: the one that has waited longest.

        To be used as `async with queue.accept_session() as session:`, which waits for a free
        one: for `wait` seconds, and then raises `TimedOut`; without, for ever. A session that
        somebody else has raises `SessionInUse`, at once.
        """
        return MessageSession(self._client, self, session_id, prefetch, wait)

    async def sessions(self) -> list[str]:
        """The ids of its message sessions with jobs or a state."""
        found: list[str] = []
        while True:
            result = await self._request(
                "com.microsoft:get-message-sessions", {"skip": len(found), "top": SESSION_PAGE}
            )
            page = result.get("sessions-ids")
            if not isinstance(page, list) or not page:
                return found
            found += [str(session_id) for session_id in page]

    async def receive_deferred(
        self, numbers: Iterable[int], *, session_id: str | None = None
    ) -> list["DeferredJob"]:
        """Lease deferred messages by their sequence numbers; raises `Refused` if one is not.

        Those of a message session are for its holder: `MessageSession.receive_deferred`.
        """
        arguments = {"sequence-numbers": list(numbers), "receiver-settle-mode": 1}
        result = await self._request(
            "com.microsoft:receive-by-sequence-number",
            arguments if session_id is None else {**arguments, "session-id": session_id},
        )
        return [
            DeferredJob(self, item["lock-token"], ReceivedMessage(item["message"]))
            for item in maps(result.get("messages"))
        ]

    async def peek(
        self, *, start: int = 1, count: int = PEEK_PAGE, session_id: str | None = None
    ) -> list[ReceivedMessage]:
        """Messages in any state, by sequence number from `start` on, without touching them.

        Of one message session, or of all there are.
        """
        of_session = {} if session_id is None else {"session-id": session_id}
        found: list[ReceivedMessage] = []
        while len(found) < count:
            result = await self._request(
                "com.microsoft:peek-message",
                {
                    "from-sequence-number": start,
                    "message-count": min(PEEK_PAGE, count - len(found)),
                    **of_session,
                },
            )
            page = [ReceivedMessage(item["message"]) for item in maps(result.get("messages"))]
            if not page:
                break
            found += page
            start = page[-1].sequence_number + 1
        return found

    # ---- the queue itself

    @property
    def dead_letters(self) -> "Queue":
        """Its dead-letter queue, which is read and settled like any queue."""
        return Queue(self._client, f"{self.name}/{DEAD_LETTERS}")

    async def info(self) -> dict[str, Any]:
        """Its settings and state: how many messages, in which state, how many receivers."""
        return await self._client.request("", "READ", self.name, {})

    async def update(self, **settings: object) -> dict[str, Any]:
        """Change settings."""
        return await self._client.request("", "UPDATE", self.name, settings)

    async def delete(self) -> None:
        """With all its messages."""
        await self._client.request("", "DELETE", self.name, {})

    async def purge(
        self, *, state: str = "all", count: int = EVERYTHING, where: str = ""
    ) -> int:
        """Remove messages: active, scheduled, deferred or all of these; held ones stay.

        `where` is a filter in the language of a rule's SQL: only what it takes goes.
        """
        given: dict[str, object] = {"state": state}
        if where:
            given["filter"] = where
        return await self._in_pages("peeklock:purge", given, "removed", count)

    async def undefer(
        self, sequence_numbers: Sequence[int] = (), *, count: int = EVERYTHING
    ) -> int:
        """Deferred messages are handed out again, uncounted: these, or all."""
        if not sequence_numbers:
            return await self._in_pages("peeklock:undefer", {}, "returned", count)
        await self._request("peeklock:undefer", {"sequence-numbers": list(sequence_numbers)})
        return len(sequence_numbers)

    async def pause(self) -> None:
        """Hand out nothing more; messages still come in."""
        await self._request("peeklock:pause", {})

    async def resume(self) -> None:
        await self._request("peeklock:resume", {})

    async def redrive(self, *, count: int = EVERYTHING) -> int:
        """Of a dead-letter queue: send messages back to where they came from."""
        return await self._in_pages("peeklock:redrive", {}, "moved", count)

    async def dead_letter_reasons(self) -> dict[str, int]:
        """Of a dead-letter queue: how many messages for each reason."""
        result = await self._request("peeklock:dead-letter-reasons", {})
        return {item["reason"]: item["count"] for item in maps(result.get("reasons"))}

    async def settle_token(
        self,
        token: object,
        status: str,
        properties: Mapping[str, Any] | None = None,
        *,
        reason: str = "",
        why: str = "",
    ) -> None:
        """Settle what was leased by number; see `DeferredJob`."""
        arguments: dict[str, object] = {
            "lock-tokens": [token],
            "disposition-status": status,
            "deadletter-reason": reason,
            "deadletter-description": why,
        }
        if properties:
            arguments["properties-to-modify"] = modifications(properties)
        await self._request("com.microsoft:update-disposition", arguments)

    async def renew_token(self, token: object) -> None:
        """Renew the lock of what was leased by number; see `DeferredJob`."""
        await self._request("com.microsoft:renew-lock", {"lock-tokens": [token]})

    async def _request(self, operation: str, arguments: dict[str, object]) -> dict[str, object]:
        return await self._client.request(self.name, operation, "", arguments)

    async def _in_pages(
        self, operation: str, arguments: dict[str, object], answer: str, count: int
    ) -> int:
        """The broker changes so many at a time, so that nobody else waits long."""
        done = 0
        page = dict(arguments)
        while done < count:
            page["count"] = min(CHANGE_PAGE, count - done)
            result = await self._request(operation, page)
            changed = result.get(answer)
            assert isinstance(changed, int)
            done += changed
            following = result.get("next", 0 if changed else None)
            if following is None:
                break
            page["from-sequence-number"] = following
        return done


class DeferredJob:
    """A job that was fetched by its number, and is ours until it is settled or its lock ends.

    Settling works as with `Job`, but what is not completed or dead-lettered stays deferred;
    its lock belongs to no connection, so that nothing but its end gives it back unsettled.
    """

    def __init__(self, queue: Queue, lock_token: object, message: ReceivedMessage) -> None:
        self._queue = queue
        self._lock_token = lock_token
        self.message = message

    async def complete(self) -> None:
        await self._queue.settle_token(self._lock_token, "completed")

    async def abandon(self, *, properties: Mapping[str, Any] | None = None) -> None:
        """Failed: it stays deferred, with one more attempt counted."""
        await self._queue.settle_token(self._lock_token, "abandoned", properties)

    async def release(self) -> None:
        """Give it back untried: it stays deferred, and no attempt is counted."""
        await self._queue.settle_token(self._lock_token, "released")

    async def defer(self, *, properties: Mapping[str, Any] | None = None) -> None:
        """Set it aside again: as `abandon`."""
        await self._queue.settle_token(self._lock_token, "defered", properties)

    async def renew(self) -> None:
        """Hold it for the queue's lock duration from now. As often as one likes."""
        await self._queue.renew_token(self._lock_token)

    async def dead_letter(
        self,
        reason: str = "",
        description: str = "",
        *,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        await self._queue.settle_token(
            self._lock_token, "suspended", properties, reason=reason, why=description
        )


def maps(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    found: list[dict[str, Any]] = []
    for item in value:
        if not isinstance(item, dict):
            raise Refused("peeklock:unreadable", "the broker's answer has an unknown form")
        found.append({str(key): part for key, part in item.items()})
    return found
