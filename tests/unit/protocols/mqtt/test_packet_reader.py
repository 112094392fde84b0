"""Packets out of a stream (§2.1.4), and what is kept meanwhile."""

import tracemalloc

import pytest

from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.reason_codes import PACKET_TOO_LARGE, MqttViolation
from peeklock.protocols.mqtt.varint import write_varint


def test_a_large_packet_in_pieces_is_joined_once() -> None:
    size = 100_000
    packet = b"\x30" + write_varint(size) + bytes(size)
    reader = PacketReader(1 << 20)
    for at in range(0, len(packet), 1000):
        assert not reader.next_packet()
        kept = reader.data
        reader.feed(packet[at : at + 1000])
        if 1000 < at < len(packet) - 1000:
            assert reader.data is kept  # gathered aside
            assert reader.unread_bytes == at + 1000
    reader.feed(b"\xc0")
    assert reader.next_packet()
    assert reader.end - reader.at == size
    assert not reader.next_packet()
    assert reader.peek() == 0xC0
    reader.feed(b"\x00")
    assert reader.next_packet()
    assert (reader.first, reader.at, reader.end) == (0xC0, reader.end, reader.end)


def test_a_packet_that_is_too_large_is_refused_by_its_length_alone() -> None:
    """[MQTT-3.1.2-24] [MQTT-3.2.2-15]: header and all."""
    reader = PacketReader(102)
    reader.feed(b"\x30\x64")
    assert not reader.next_packet()
    reader = PacketReader(101)
    reader.feed(b"\x30\x64")
    with pytest.raises(MqttViolation) as caught:
        reader.next_packet()
    assert caught.value.reason_code == PACKET_TOO_LARGE


def test_what_waits_costs_its_bytes_in_whatever_pieces_it_comes() -> None:
    reader = PacketReader(1 << 20)
    reader.feed(b"\x30" + write_varint(200_000))
    assert not reader.next_packet()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(99_000):
        reader.feed(bytes(2))
        assert not reader.next_packet()
    for _ in range(900):
        reader.keep(bytes(2))
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 300_000
    reader.feed(bytes(300))
    assert reader.next_packet()
    assert reader.end - reader.at == 200_000


def test_what_is_not_wanted_any_more_is_gone() -> None:
    reader = PacketReader(1000)
    reader.feed(b"\x30\x64abc")
    assert not reader.next_packet()
    reader.feed(b"def")
    reader.clear()
    assert reader.unread_bytes == 0
    assert reader.peek() == -1
    reader.feed(b"\xc0\x00")
    assert reader.next_packet()
