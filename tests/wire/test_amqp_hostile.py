"""What no peer should send: the connection ends with the right error, the others live on."""

import socket
import struct
import time

import pytest

from tests.support.amqp_bytes import (
    AMQP_HEADER,
    composite,
    described,
    frame,
    list_,
    null,
    string,
    uint,
)
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess

OPEN = 0x10


def nested(depth: int) -> bytes:
    """A list in a list in a list …"""
    inner = b"\x45"
    for _ in range(depth):
        inner = b"\xd0" + struct.pack(">II", len(inner) + 4, 1) + inner
    return inner


def open_with(properties: bytes) -> bytes:
    """An open whose properties are these bytes."""
    return frame(described(OPEN, list_([string("x"), *[null()] * 8, properties])))


# name (with the section) → bytes after the protocol header → condition of the close
MALFORMED = {
    "§2.3.1 size 0": (b"\0\0\0\0\2\0\0\0", "amqp:connection:framing-error"),
    "§2.3.1 size 7": (b"\0\0\0\7\2\0\0\0", "amqp:connection:framing-error"),
    "§2.3.1 size 4 GiB": (b"\xff\xff\xff\xff\2\0\0\0", "amqp:connection:framing-error"),
    "§2.3.1 size beyond max-frame-size": (
        b"\0\1\0\1\2\0\0\0",
        "amqp:connection:framing-error",
    ),
    "§2.3.1 data offset 0": (b"\0\0\0\x08\0\0\0\0", "amqp:connection:framing-error"),
    "§2.3.1 data offset 1": (b"\0\0\0\x08\1\0\0\0", "amqp:connection:framing-error"),
    "§2.3.1 data offset beyond the frame": (
        b"\0\0\0\x0c\x04\0\0\0\0\0\0\0",
        "amqp:connection:framing-error",
    ),
    "§2.3.1 unknown frame type": (
        frame(composite("open", container_id="x"), kind=9),
        "amqp:connection:framing-error",
    ),
    "§5.3.1 SASL frame outside its layer": (
        frame(composite("sasl-init", mechanism="PLAIN"), kind=1),
        "amqp:connection:framing-error",
    ),
    "§2.7 body is no described type": (frame(b"\x40"), "amqp:decode-error"),
    "§2.7 body is a string": (frame(string("open")), "amqp:decode-error"),
    "§2.7 unknown performative": (frame(described(0x19, list_([]))), "amqp:decode-error"),
    "§2.7 descriptor is a string": (
        frame(b"\x00\xa1\x04open\x45"),
        "amqp:decode-error",
    ),
    "§2.7 unknown symbolic descriptor": (
        frame(b"\x00\xa3\x0bamqp:op:lis\x45"),
        "amqp:decode-error",
    ),
    "§2.7 performative is a map": (frame(described(OPEN, b"\xc1\1\0")), "amqp:decode-error"),
    "§1.4 too many fields": (
        frame(described(OPEN, list_([string("x")] + [null()] * 10))),
        "amqp:decode-error",
    ),
    "§2.7.1 container-id is a number": (
        frame(described(OPEN, list_([uint(5)]))),
        "amqp:decode-error",
    ),
    "§2.7.1 max-frame-size is a string": (
        frame(described(OPEN, list_([string("x"), null(), string("y")]))),
        "amqp:decode-error",
    ),
    "§1.6 unknown constructor": (open_with(b"\x39"), "amqp:decode-error"),
    "§1.2 nothing behind a constructor": (open_with(b"\x70"), "amqp:decode-error"),
    "§1.6.20 string longer than the frame": (
        open_with(b"\xb1\x7f\xff\xff\xffabc"),
        "amqp:decode-error",
    ),
    "§1.6.20 string that is no UTF-8": (
        frame(described(OPEN, list_([b"\xa1\x02\xff\xfe"]))),
        "amqp:decode-error",
    ),
    "§1.6.21 symbol that is no ASCII": (
        open_with(b"\xc1\x06\x02\xa3\x02\xc3\xa4\x40"),
        "amqp:decode-error",
    ),
    "§1.6.22 list of 4 GiB": (
        open_with(b"\xd0\xff\xff\xff\xff\xff\xff\xff\xff"),
        "amqp:decode-error",
    ),
    "§1.6.22 list with too many elements": (
        open_with(b"\xd0\0\0\0\x05\x7f\xff\xff\xff\x40"),
        "amqp:decode-error",
    ),
    "§1.6.22 list whose size is wrong": (open_with(b"\xc0\x09\x01\x40"), "amqp:decode-error"),
    "§1.6.23 map with an odd count": (open_with(b"\xc1\x02\x01\x40"), "amqp:decode-error"),
    "§1.6.23 map with the same key twice": (
        open_with(b"\xc1\x09\x04\xa3\x01a\x40\xa3\x01a\x40"),
        "amqp:decode-error",
    ),
    "§1.6.24 array of 2^31 nulls": (
        open_with(b"\xf0\0\0\0\x05\x7f\xff\xff\xff\x40"),
        "amqp:decode-error",
    ),
    "§1.6.24 array of 2^31 empty lists": (
        open_with(b"\xf0\0\0\0\x05\x7f\xff\xff\xff\x45"),
        "amqp:decode-error",
    ),
    "§1.6.2 boolean of 2": (open_with(b"\x56\x02"), "amqp:decode-error"),
    "§1.6.16 char beyond Unicode": (
        open_with(b"\xc1\x09\x02\xa3\x01c\x73\x00\x11\x00\x00"),
        "amqp:decode-error",
    ),
    "§1.2 nesting of 1,000": (open_with(nested(1_000)), "amqp:decode-error"),
    "§1.2 descriptors nested": (open_with(b"\x00" * 4000 + b"\x40"), "amqp:decode-error"),
    "§2.7.1 bytes behind the open": (
        frame(composite("open", container_id="x") + b"rest"),
        "amqp:decode-error",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(peer: AmqpPeer, ready: AmqpPeer, name: str) -> None:
    data, condition = MALFORMED[name]
    peer.send_bytes(AMQP_HEADER + data)
    assert peer.take(8) == AMQP_HEADER
    peer.expect("open")
    description = peer.expect_close(condition)
    assert "AMQP 1.0 §" in description
    ready.ping()


def test_nesting_of_10_000_in_many_frames(peer: AmqpPeer, ready: AmqpPeer) -> None:
    """§1.2: a frame of 64 KiB holds at most 7,000 small ones; by descriptors it is more."""
    peer.send_bytes(AMQP_HEADER + open_with(b"\x00" * 20_000 + nested(4_000)))
    assert peer.take(8) == AMQP_HEADER
    peer.expect("open")
    peer.expect_close("amqp:decode-error")
    ready.ping()


@pytest.mark.parametrize(
    "data",
    [b"\x00\x00", AMQP_HEADER[:5], AMQP_HEADER + b"\x00\x00\x00\x40\x02", b""],
    ids=["half a size", "half a header", "half a frame", "nothing"],
)
def test_half_and_silence_hold_nobody_up(peer: AmqpPeer, ready: AmqpPeer, data: bytes) -> None:
    """§2.4.6"""
    peer.send_bytes(data)
    ready.ping()


def test_half_a_frame_and_the_end(shared: BrokerProcess, ready: AmqpPeer) -> None:
    """§2.4.6: a reset at any moment"""
    for _ in range(50):
        with AmqpPeer(shared.amqp_port) as rude:
            rude.send_bytes(AMQP_HEADER + b"\x00\x00\x10\x00\x02\x00\x00\x00abc")
            rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ready.ping()


def test_memory_stays_flat(shared: BrokerProcess, ready: AmqpPeer) -> None:
    """§2.3.1: lengths that promise gigabytes cost nothing: looked at before buffering."""
    ready.ping()
    before = shared.rss_bytes
    hostile = [AMQP_HEADER + data for data, _condition in MALFORMED.values()]
    for data in hostile * 3:
        with AmqpPeer(shared.amqp_port) as rude:
            rude.send_bytes(data)
            rude.take(8)
    ready.ping()
    assert shared.rss_bytes - before < 16 * 1024 * 1024


def test_a_flood_of_wrong_frames_after_the_error_is_not_answered(peer: AmqpPeer) -> None:
    """§2.4.3: after a close only the peer's close counts."""
    peer.open()
    peer.send_bytes(OPEN_AGAIN)
    peer.send_bytes(OPEN_AGAIN * 1000)
    peer.expect_close("amqp:illegal-state")


def test_a_peer_that_does_not_answer_our_close_is_left(peer: AmqpPeer) -> None:
    """§2.4.3"""
    peer.open()
    peer.send_bytes(OPEN_AGAIN)
    peer.expect_error("close", "amqp:illegal-state")
    began = time.monotonic()
    peer.expect_end()
    assert time.monotonic() - began > 0.5, "it waits a little"


OPEN_AGAIN = frame(composite("open", container_id="x"))
