"""Packet identifiers and their exchanges (§2.2.1, §4.3, §4.9)."""

import pytest

from peeklock.protocols.mqtt.inflight import (
    AGAIN,
    FRESH,
    KEPT,
    NONE,
    PUBCOMP_AWAITED,
    RECORDED,
    Incoming,
    Outgoing,
)
from peeklock.protocols.mqtt.reason_codes import RECEIVE_MAXIMUM_EXCEEDED, MqttViolation


def test_identifiers_are_not_zero_and_not_in_use() -> None:
    """[MQTT-2.2.1-3]"""
    outgoing = Outgoing(65_535)
    outgoing.keep([2, 65_535])
    given = []
    for _ in range(4):
        packet_id = outgoing.allot()
        outgoing.send(packet_id, 1)
        given.append(packet_id)
    assert given == [1, 3, 4, 5]
    outgoing.end(3)
    assert outgoing.allot() == 6  # a number that has just come free rests for a while
    outgoing._last = 65_534
    assert outgoing.allot() == 3


def test_all_identifiers_may_be_in_use() -> None:
    outgoing = Outgoing(65_535)
    outgoing.keep(range(1, 65_536))
    assert outgoing.allot() == NONE


def test_requests_do_not_count_and_messages_do() -> None:
    """[MQTT-4.9.0-2]"""
    outgoing = Outgoing(2)
    outgoing.request(outgoing.allot())
    assert outgoing.quota == 2
    outgoing.send(outgoing.allot(), 2)
    outgoing.send(outgoing.allot(), 1)
    assert outgoing.quota == 0
    outgoing.end(1)
    assert outgoing.quota == 0
    outgoing.end(2)
    assert outgoing.quota == 1


def test_a_release_of_an_earlier_connection_counts_for_nothing() -> None:
    outgoing = Outgoing(1)
    outgoing.keep([7])
    outgoing.send_again(7)
    assert outgoing.quota == 1
    assert outgoing.state(7) == PUBCOMP_AWAITED
    outgoing.send(outgoing.allot(), 1)
    outgoing.end(7)
    assert outgoing.quota == 0


def test_what_was_kept_can_be_forgotten() -> None:
    """[MQTT-3.2.2-5]"""
    outgoing = Outgoing(5)
    outgoing.keep([7, 8])
    outgoing.send(1, 1)
    assert outgoing.state(7) == KEPT
    outgoing.forget_kept()
    assert outgoing.state(7) == NONE
    assert outgoing.state(1) != NONE
    incoming = Incoming(5)
    incoming.keep([9])
    incoming.forget_kept()
    assert incoming.receive(9, 2, dup=False) == FRESH


def test_answers_leave_in_the_order_of_the_messages() -> None:
    """[MQTT-4.6.0-2] [MQTT-4.6.0-3], however they are decided."""
    incoming = Incoming(10)
    for packet_id in (5, 3, 9, 1):
        assert incoming.receive(packet_id, 1, dup=False) == FRESH
    assert incoming.answer(3, b"3", ends=True) == []
    assert incoming.answer(1, b"1", ends=True) == []
    assert incoming.answer(5, b"5", ends=True) == [b"5", b"3"]
    assert incoming.answer(9, b"9", ends=True) == [b"9", b"1"]


def test_the_receive_maximum_is_of_both_qos_together() -> None:
    """[MQTT-3.3.4-7]"""
    incoming = Incoming(2)
    incoming.keep([100])  # of an earlier connection: it counts for nothing
    incoming.receive(1, 1, dup=False)
    incoming.receive(2, 2, dup=False)
    with pytest.raises(MqttViolation) as caught:
        incoming.receive(3, 1, dup=False)
    assert caught.value.reason_code == RECEIVE_MAXIMUM_EXCEEDED
    incoming.answer(1, b"", ends=True)
    incoming.answer(2, b"", ends=False)
    incoming.receive(3, 1, dup=False)
    with pytest.raises(MqttViolation):
        incoming.receive(4, 1, dup=False)
    incoming.release(2)
    incoming.complete(2)
    incoming.receive(4, 1, dup=False)


def test_messages_that_come_again() -> None:
    incoming = Incoming(5)
    incoming.keep([8])
    assert incoming.receive(8, 2, dup=True) == RECORDED
    incoming.receive(1, 1, dup=False)
    assert incoming.receive(1, 1, dup=True) == AGAIN
    with pytest.raises(MqttViolation, match="in use"):
        incoming.receive(1, 1, dup=False)
    with pytest.raises(MqttViolation, match="in use"):
        incoming.receive(1, 2, dup=True)
    incoming.answer(1, b"", ends=True)
    assert incoming.receive(1, 1, dup=True) == FRESH
