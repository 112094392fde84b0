"""Two engines, ours at both ends, over a wire that splits bytes anywhere (part 2)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.connection_state import STEPS, Half, Step, step
from peeklock.protocols.amqp10.events import (
    AttachReceived,
    ConnectionClosed,
    CreditReceived,
    DeliverySettled,
    MessageReceived,
    OutcomeReceived,
    SessionOpened,
)
from peeklock.protocols.amqp10.link import LinkState, SenderLink
from peeklock.protocols.amqp10.outcomes import ACCEPTED
from peeklock.protocols.amqp10.terminus import Source, Target
from tests.support.amqp_pair import NOW, Pair


def test_a_link_that_was_taken_back_before_its_answer_is_gone_at_both_ends() -> None:
    """§2.6.4: the answer to an attach may cross our detach."""
    pair = Pair([1000], 4096, 10)
    pair.run()
    session = pair.client.begin()
    pair.run()
    for answers in (True, False):
        link = session.attach_receiver("r", source=Source(address="q"), target=Target())
        out = pair.client.data_to_send()
        asked = [e for e in pair.server.receive_data(out, NOW) if isinstance(e, AttachReceived)]
        link.detach()
        if answers:
            asked[0].link.accept(source=asked[0].link.source, target=asked[0].link.target)
        pair.run()
        assert asked[0].link.state is link.state is LinkState.DETACHED
        assert not [e for e in pair.client_events if isinstance(e, AttachReceived)]
    assert session._links == session._remote_links == {}


@settings(max_examples=60, deadline=None)
@given(
    chunks=st.lists(st.integers(1, 700), min_size=1, max_size=10),
    frame_bytes=st.sampled_from([512, 600, 4096]),
    window=st.integers(1, 50),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=20),
    settled=st.booleans(),
)
def test_messages_arrive_whole_and_in_order(
    chunks: list[int], frame_bytes: int, window: int, sizes: list[int], settled: bool
) -> None:
    pair = Pair(chunks, frame_bytes, window)
    pair.run()
    session = pair.client.begin()
    pair.run()
    sender = session.attach_sender("s", source=Source(), target=Target(address="q"))
    pair.run()
    assert any(isinstance(event, SessionOpened) for event in pair.server_events)
    payloads = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    waiting = list(payloads)
    got: list[bytes] = []
    seen = len(pair.server_events)
    while len(got) < len(payloads):
        assert isinstance(sender, SenderLink)
        while waiting and sender.credit > 0:
            sender.send(b"t", waiting.pop(0), settled=settled)
        pair.run()
        before = len(got)
        for event in pair.server_events[seen:]:
            if isinstance(event, MessageReceived):
                got.append(event.payload)
                assert event.settled == settled
                if not settled:
                    event.link.settle(event.delivery_id, ACCEPTED)
                event.link.grant(5)
        seen = len(pair.server_events)
        pair.run()
        assert len(got) > before, "nothing moves any more"
    assert got == payloads
    if not settled:
        outcomes = [e for e in pair.client_events if isinstance(e, OutcomeReceived)]
        assert sum(len(event.tags) for event in outcomes) == len(payloads)
    assert any(isinstance(event, CreditReceived) for event in pair.client_events)
    pair.client.close()
    pair.run()
    assert pair.client.closed
    assert pair.server.closed
    assert pair.client.backlog_bytes == pair.server.backlog_bytes == 0


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), place=st.integers(0, 3))
def test_garbage_at_any_time_never_raises_and_ends_it(data: bytes, place: int) -> None:
    pair = Pair([1000], 4096, 10)
    if place:
        pair.run()
    if place > 1:
        pair.client.begin()
        pair.run()
    events = pair.server.receive_data(data, NOW)
    if pair.server.closed:
        assert any(isinstance(e, ConnectionClosed) for e in [*pair.server_events, *events])
    pair.server.data_to_send()
    pair.server.receive_eof(NOW)
    assert pair.server.closed


def test_rcv_settle_mode_second_settles_in_two_steps() -> None:
    """§2.6.12, §2.8.3"""
    pair = Pair([1000], 4096, 10)
    pair.run()
    session = pair.client.begin()
    pair.run()
    sender = session.attach_sender(
        "s", source=Source(), target=Target(address="q"), rcv_settle_mode=1
    )
    pair.run()
    delivery_id = sender.send(b"t", b"payload")
    pair.run()
    (message,) = [e for e in pair.server_events if isinstance(e, MessageReceived)]
    message.link.settle(message.delivery_id, ACCEPTED, settled=False)
    pair.run()
    (outcome,) = [e for e in pair.client_events if isinstance(e, OutcomeReceived)]
    assert not outcome.settled
    sender.settle(delivery_id, ACCEPTED)
    pair.run()
    (settled,) = [e for e in pair.server_events if isinstance(e, DeliverySettled)]
    assert settled.settled


def test_the_states_table_is_total() -> None:
    """§2.4.6: an answer for each step in each state."""
    for half in Half:
        for taken in Step:
            if (half, taken) in STEPS:
                assert step(half, taken) is STEPS[half, taken]
                continue
            with pytest.raises(ProtocolViolation, match=re.escape("§2.4.6")):
                step(half, taken)
