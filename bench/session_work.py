"""Message sessions for the load generator: filled in turn, and worked off one at a time."""

import time

from bench.peer import Peer, PeerFailed
from peeklock.protocols.amqp10.events import (
    LinkAttached,
    MessageReceived,
    OutcomeReceived,
    SenderFlowed,
)
from peeklock.protocols.amqp10.outcomes import ACCEPTED
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Header,
    Properties,
    encode_bare,
    encode_message,
)
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock.protocols.amqp10.values import Symbol, UInt

SESSION_FILTER = Symbol("com.microsoft:session-filter")
TIMEOUT = Symbol("com.microsoft:timeout")
IDLE_MS = 500  # a worker that found no free session for so long is done
CREDIT = 100


def fill(url: str, address: str, count: int, sessions: int, size: int, window: int) -> None:
    """`count` messages, one for each session in turn; returns when all are accepted."""
    peer = Peer.connect(url, "bench-sessions")
    link, _credit = peer.attach_sender(address)
    payloads = [
        encode_message(
            encode_bare(
                Properties(message_id=b"MESSAGE-", group_id=f"session-{number}"),
                None,
                DataBody([bytes(size)]),
            ),
            Header(durable=True),
            {},
        )
        for number in range(sessions)
    ]
    sent = settled = 0
    while settled < count:
        while sent < count and link.credit > 0 and sent - settled < window:
            link.send(sent.to_bytes(4, "big"), payloads[sent % sessions])
            sent += 1
        event = peer.wait(OutcomeReceived)
        assert isinstance(event, OutcomeReceived)
        settled += len(event.tags)
    peer.close()


def drain(url: str, address: str) -> dict[str, float]:
    """Take the next session, settle all that is in it, leave it: until none is free."""
    peer = Peer.connect(url, "bench-sessions")
    sessions = received = 0
    ended = time.monotonic()
    while True:
        count = drain_one(peer, address, f"session-{sessions}")
        if count is None:
            break
        sessions += 1
        received += count
        ended = time.monotonic()
    peer.close()
    return {"sessions": sessions, "received": received, "ended": ended}


def drain_one(peer: Peer, address: str, name: str) -> int | None:
    """How many messages the next session had; None when none is free."""
    assert peer.session is not None
    link = peer.session.attach_receiver(
        name,
        source=Source(address=address, filter={SESSION_FILTER: None}),
        target=Target(),
        properties={TIMEOUT: UInt(IDLE_MS)},
    )
    try:
        peer.wait(LinkAttached)
    except PeerFailed:
        return None
    link.grant(CREDIT)
    link.drain()  # what is there, and word that it is all
    ids: list[int] = []
    while link.credit > 0:
        event = peer.wait(MessageReceived, SenderFlowed)
        if isinstance(event, MessageReceived):
            ids.append(event.delivery_id)
    if ids:
        link.settle_range(ids[0], ids[-1], ACCEPTED)
    link.detach()
    peer.flush()
    return len(ids)
