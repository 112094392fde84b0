"""Messages in: transfers, sections, every type (§2.6.12–14, §3.2, §1.6)."""

import time
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    Composite,
    Described,
    Raw,
    annotations,
    anything,
    application_properties,
    array,
    composite,
    data_section,
    decode,
    described,
    frame,
    int_,
    list_,
    long,
    map_,
    null,
    string,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
    uuid,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess

EVERY_TYPE = {
    "null §1.6.1": null(),
    "boolean §1.6.2": Raw(b"\x56\x01"),
    "true §1.6.2": Raw(b"\x41"),
    "false §1.6.2": Raw(b"\x42"),
    "ubyte §1.6.3": ubyte(255),
    "ushort §1.6.4": ushort(65535),
    "uint §1.6.5": uint(4294967295),
    "smalluint §1.6.5": uint(7),
    "uint0 §1.6.5": uint(0),
    "ulong §1.6.6": ulong(2**64 - 1),
    "smallulong §1.6.6": ulong(7),
    "ulong0 §1.6.6": ulong(0),
    "byte §1.6.7": Raw(b"\x51\x80"),
    "short §1.6.8": Raw(b"\x61\x80\x00"),
    "int §1.6.9": int_(-(2**31)),
    "smallint §1.6.9": Raw(b"\x54\xff"),
    "long §1.6.10": long(-(2**63)),
    "smalllong §1.6.10": Raw(b"\x55\xff"),
    "float §1.6.11": Raw(b"\x72\x7f\x80\x00\x00"),
    "double §1.6.12": Raw(b"\x82\x7f\xf0\x00\x00\x00\x00\x00\x00"),
    "decimal32 §1.6.13": Raw(b"\x74" + bytes(4)),
    "decimal64 §1.6.14": Raw(b"\x84" + bytes(8)),
    "decimal128 §1.6.15": Raw(b"\x94" + bytes(16)),
    "char §1.6.16": Raw(b"\x73\x00\x01\xf6\x00"),
    "timestamp §1.6.17": timestamp(-1),
    "uuid §1.6.18": uuid(UUID(int=5)),
    "vbin8 §1.6.19": anything(b"\x00\xff"),
    "vbin32 §1.6.19": anything(bytes(300)),
    "str8 §1.6.20": string("Grüße, 世界"),
    "str32 §1.6.20": string("x" * 300),
    "sym8 §1.6.21": symbol("a:b"),
    "sym32 §1.6.21": symbol("s" * 300),
    "list0 §1.6.22": list_([]),
    "list8 §1.6.22": list_([uint(1), string("x")]),
    "list32 §1.6.22": list_([uint(1)] * 300),
    "map8 §1.6.23": map_([(string("k"), list_([]))]),
    "map32 §1.6.23": map_([(string(f"k{n}"), uint(n)) for n in range(200)]),
    "array32 §1.6.24": array(0x70, [b"\x00\x00\x00\x01"] * 3),
    "array8 §1.6.24": Raw(b"\xe0\x04\x02\x56\x00\x01"),
    "array of arrays §1.6.24": Raw(b"\xe0\x0a\x02\xe0\x03\x01\x50\x07\x03\x01\x50\x08"),
    "described §1.3.2": described(0x1234567890, string("x")),
    "described by a symbol §1.3.2": Raw(b"\x00\xa3\x03a:b\xa1\x01x"),
}


# Annotations are written anew, in the shortest form that a value of their type has.
ENCODED_SHORTER = {"boolean §1.6.2", "array32 §1.6.24", "array of arrays §1.6.24"}


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_every_type_comes_back_as_the_bytes_it_was(
    ready: AmqpPeer, queue: str, kind: str
) -> None:
    """The bare message is untouched (§3.2), as a value and in application-properties."""
    value = EVERY_TYPE[kind]
    bare = composite("properties", message_id="m") + described(0x77, value)
    ready.attach_sender(queue, 0)
    ready.transfer(0, bare)
    ready.hear_accepted(0, 0)
    ready.attach_receiver(queue, 1, credit=1)
    assert ready.receive()[1].bare == bare


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_every_type_is_kept_in_annotations(ready: AmqpPeer, queue: str, kind: str) -> None:
    """§3.2.3: ours stand beside the sender's."""
    value = EVERY_TYPE[kind]
    mine = described(0x72, map_([(symbol("x-mine"), value)]))
    ready.attach_sender(queue, 0)
    ready.transfer(0, mine + data_section(b"body"))
    ready.hear_accepted(0, 0)
    ready.attach_receiver(queue, 1, credit=1)
    heard, message = ready.receive()
    assert message.body == b"body"
    assert message.annotations["x-opt-sequence-number"] == 1
    if kind not in ENCODED_SHORTER:
        assert value in heard.payload, "the sender's value, byte for byte"


def transfer_frame(number: int) -> bytes:
    """A whole small message on handle 0."""
    fields = composite(
        "transfer", handle=0, delivery_id=number, delivery_tag=b"t", message_format=0
    )
    return frame(fields + data_section(b"x"))


IDENTITY = composite("properties", message_id="m")  # one without is given one


class TestMessages:
    """§3.2"""

    def sent_and_received(self, peer: AmqpPeer, queue: str, payload: bytes) -> Composite | None:
        peer.attach_sender(queue, 0)
        peer.transfer(0, payload)
        peer.hear_accepted(0, 0)
        peer.attach_receiver(queue, 1, credit=1)
        return peer.receive()[1].header

    def test_a_header_comes_back(self, ready: AmqpPeer, queue: str) -> None:
        """§3.2.1"""
        header = composite("header", durable=True, priority=7, ttl=60_000)
        got = self.sent_and_received(ready, queue, header + data_section(b"x"))
        assert got is not None
        assert got["durable"] is True
        assert got["priority"] == 7
        ttl = got["ttl"]
        assert isinstance(ttl, int)
        assert 0 < ttl <= 60_000

    def test_annotations_that_we_set(self, ready: AmqpPeer, queue: str) -> None:
        """design: Message annotations"""
        before = int(time.time() * 1000) - 1
        ready.attach_sender(queue, 0)
        ready.put(b"x")
        ready.attach_receiver(queue, 1, credit=1)
        heard, message = ready.receive()
        found = message.annotations
        assert found["x-opt-sequence-number"] == 1
        enqueued, until = found["x-opt-enqueued-time"], found["x-opt-locked-until"]
        assert isinstance(enqueued, int)
        assert isinstance(until, int)
        assert before <= enqueued <= time.time() * 1000 + 1
        assert until - enqueued >= 59_000
        tag = heard["delivery-tag"]
        assert isinstance(tag, bytes)
        assert len(tag) == 16

    @pytest.mark.parametrize(
        "bare",
        [
            IDENTITY + data_section(b"") + data_section(b"two"),
            IDENTITY + described(0x76, list_([uint(1)])) + described(0x76, list_([])),
            IDENTITY + value_section(None),
            composite("properties", message_id="m", group_id="g") + data_section(b"x"),
            composite("properties", message_id=ulong(5), absolute_expiry_time=5)
            + application_properties({"a": 1, "b": [1, 2], "c": None})
            + value_section({"k": "v"}),
            data_section(b"x") + described(0x78, map_([(symbol("crc"), uint(1))])),
        ],
        ids=["two data", "two sequences", "null", "properties", "all", "footer"],
    )
    def test_bare_messages_are_untouched(
        self, ready: AmqpPeer, queue: str, bare: bytes
    ) -> None:
        ready.attach_sender(queue, 0)
        ready.transfer(0, bare)
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].bare == bare

    @pytest.mark.parametrize(
        "payload",
        [
            b"\x00",
            b"garbage",
            b"\x00\x53\x75",
            b"\x00\x53\x75\xa0\xff\x00",
            b"\x00\x53\x7f\xa0\x00",
            b"\x40",
            data_section(b"x") + composite("header", durable=True),
            composite("header", durable=True) * 2 + data_section(b"x"),
            described(0x72, list_([])) + data_section(b"x"),
            described(0x72, b"\xd1\xff\xff\xff\xff\x7f\xff\xff\xff"),
            described(0x70, list_([string("yes")])) + data_section(b"x"),
        ],
        ids=lambda data: repr(data[:12]) if isinstance(data, bytes) else None,
    )
    def test_what_is_no_message_is_rejected_and_the_link_lives(
        self, ready: AmqpPeer, queue: str, payload: bytes
    ) -> None:
        """§3.4.3"""
        ready.attach_sender(queue, 0)
        ready.transfer(0, payload)
        heard = ready.expect("disposition", settled=True)
        state = heard["state"]
        assert isinstance(state, Composite)
        assert state.name == "rejected"
        error = state["error"]
        assert isinstance(error, Composite)
        assert error["condition"] == "amqp:decode-error"
        ready.put(b"good", first=1)

    @pytest.mark.parametrize("payload", [b"", composite("header", durable=True)])
    def test_one_without_a_body_is_let_through(
        self, ready: AmqpPeer, queue: str, payload: bytes
    ) -> None:
        """§3.2 wants a body; clients that send none exist, and get none."""
        ready.attach_sender(queue, 0)
        ready.transfer(0, payload)
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        assert [code for code, _value in ready.receive()[1].sections] == [0x73]

    def test_an_unsettled_scheduled_message_waits(self, ready: AmqpPeer, queue: str) -> None:
        """design: Message annotations"""
        at = int(time.time() * 1000) + 700
        when = annotations(x_opt_scheduled_enqueue_time=timestamp(at))
        ready.attach_sender(queue, 0)
        ready.transfer(0, when + data_section(b"later"))
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        ready.expect_silence(0.1)
        ready.receive()
        assert time.time() * 1000 >= at

    def test_a_schedule_that_is_no_time_is_refused(self, ready: AmqpPeer, queue: str) -> None:
        when = annotations(x_opt_scheduled_enqueue_time="tomorrow")
        ready.attach_sender(queue, 0)
        ready.transfer(0, when + data_section(b"x"))
        state = ready.expect("disposition")["state"]
        assert isinstance(state, Composite)
        assert state.name == "rejected"
        assert "x-opt-scheduled-enqueue-time" in str(state["error"])


class TestTransfers:
    """§2.6.12–2.6.14, §2.7.5"""

    def test_many_frames_make_one_message(self, ready: AmqpPeer, queue: str) -> None:
        whole = IDENTITY + data_section(bytes(range(256)) * 4)
        ready.attach_sender(queue, 0)
        ready.transfer(0, whole[:100], more=True)
        ready.transfer(None, whole[100:500], more=True)
        ready.transfer(0, b"", more=True)  # the id may be repeated
        ready.transfer(None, whole[500:])
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].bare == whole

    def test_deliveries_of_two_links_may_interleave(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.14: within a link they may not, between links they may."""
        ready.attach_sender(queue, 0)
        ready.attach_sender(queue + "-b", 1)
        first, second = data_section(b"first"), data_section(b"second")
        ready.transfer(0, first[:4], 0, more=True)
        ready.transfer(1, second[:4], 1, more=True)
        ready.transfer(None, second[4:], 1)
        ready.transfer(None, first[4:], 0)
        answered = {ready.expect("disposition")["first"]}
        if answered == {1}:
            answered.add(ready.expect("disposition")["first"])
        ready.attach_receiver(queue, 2, credit=1)
        heard = ready.next_frame()
        if heard.name == "disposition":
            heard = ready.next_frame()
        assert heard.payload.endswith(b"first")

    def test_an_aborted_one_never_was(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.5"""
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"lost")[:3], more=True)
        ready.transfer(None, b"", aborted=True)
        ready.put(b"kept", first=1)
        ready.attach_receiver(queue, 1, credit=5)
        assert ready.receive()[1].body == b"kept"
        ready.expect_silence()

    def test_a_settled_one_is_not_answered(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.12 at most once"""
        ready.attach_sender(queue, 0, snd_settle_mode=1)
        ready.transfer(0, data_section(b"a"), settled=True)
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].body == b"a"

    def test_settled_on_any_of_its_frames(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.5"""
        whole = data_section(b"abcdef")
        ready.attach_sender(queue, 0)
        ready.transfer(0, whole[:3], more=True, settled=True)
        ready.transfer(None, whole[3:])
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].body == b"abcdef"

    def test_dispositions_leave_as_ranges(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.6"""
        ready.attach_sender(queue, 0)
        ready.send_bytes(b"".join(transfer_frame(number) for number in range(100)))
        count = 0
        upto = -1
        while upto < 99:
            heard = ready.expect("disposition")
            count += 1
            last = heard["last"] if heard["last"] is not None else heard["first"]
            assert isinstance(last, int)
            upto = last
        assert count < 20

    def test_delivery_ids_wrap(self, ready: AmqpPeer, queue: str) -> None:
        """§2.8.10 RFC 1982 serial numbers"""
        ready.attach_sender(queue, 0)
        for number in (0xFFFFFFFE, 0xFFFFFFFF, 0, 1):
            ready.transfer(number, data_section(b"x"))
            ready.expect("disposition", first=number)

    @pytest.mark.parametrize("missing", ["delivery_id", "delivery_tag"])
    def test_without_id_or_tag(self, ready: AmqpPeer, queue: str, missing: str) -> None:
        ready.attach_sender(queue, 0)
        given: dict[str, object] = {"delivery_id": 0, "delivery_tag": b"t", missing: None}
        ready.send("transfer", payload=data_section(b"x"), handle=0, **given)
        ready.expect_error("detach", "amqp:invalid-field")
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    def test_a_new_one_before_the_last_was_whole(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.transfer(0, b"\x00", more=True)
        ready.transfer(1, data_section(b"x"))
        ready.expect_error("detach", "amqp:invalid-field")

    def test_a_tag_of_33_bytes(self, ready: AmqpPeer, queue: str) -> None:
        """§2.8.7"""
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"x"), delivery_tag=bytes(33))
        ready.expect_close("amqp:decode-error")

    def test_on_a_handle_without_a_link(self, ready: AmqpPeer) -> None:
        """§2.7.5"""
        ready.transfer(0, data_section(b"x"), handle=4)
        ready.expect_error("end", "amqp:session:unattached-handle")

    def test_on_a_link_that_the_broker_sends_on(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.5: the link is wrong, its session and connection are not."""
        ready.attach_receiver(queue, 0)
        ready.transfer(0, data_section(b"x"))
        ready.expect_error("detach", "amqp:not-allowed")
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    def test_beyond_the_credit_is_taken_and_answered(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.7 is not enforced: a much-used client grants credit to itself."""
        ready.attach_sender(queue, 0)
        flood = [transfer_frame(number) for number in range(5_000)]
        ready.socket.settimeout(30)
        ready.send_bytes(b"".join(flood))
        ready.hear_accepted(0, 4_999)

    def test_larger_than_the_link_takes(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.3 max-message-size: refused as it grows, not when it has come."""
        limit = 0
        ready.attach_sender(queue, 1)
        piece = bytes(60_000)
        ready.transfer(0, b"\x00\x53\x75\xb0\x7f\xff\xff\xff" + piece, 1, more=True)
        try:
            while limit < 3000:
                limit += 1
                ready.transfer(None, piece, 1, more=True)
        except OSError:
            pass
        while True:
            heard = ready.next_frame()
            if heard.name != "flow":
                break
        assert heard.name == "detach"
        assert "amqp:link:message-size-exceeded" in str(heard["error"])

    @pytest.mark.parametrize("pieces", [1, 3])
    def test_one_that_is_too_large_is_refused_alone(self, pieces: int) -> None:
        """§2.7.3: in one transfer or several; the link goes on."""
        config = "[[queues]]\nname = 'narrow'\nmax_message_bytes = 1000\n"
        section = data_section(bytes(1500))
        size = -(-len(section) // pieces)
        with (
            BrokerProcess(config=config) as broker,
            ready_peer(broker.amqp_port) as peer,
        ):
            peer.attach_sender("narrow", 0)
            for piece in range(pieces):
                part = section[piece * size : (piece + 1) * size]
                more = piece + 1 < pieces
                peer.transfer(0 if piece == 0 else None, part, 0, more=more)
            heard = peer.expect("disposition", first=0, settled=True)
            assert "amqp:link:message-size-exceeded" in str(heard["state"])
            peer.put(b"fits", handle=0, first=1)

    def test_larger_than_the_receiver_takes(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.3: the link ends with the reason, and the message is for others."""
        ready.attach_sender(queue, 0)
        ready.put(bytes(1000))
        ready.attach_receiver(queue, 1, credit=1, max_message_size=ulong(500))
        ready.expect_error("detach", "amqp:link:message-size-exceeded")
        ready.send("detach", handle=1, closed=True)
        ready.attach_receiver(queue, 2, credit=1)
        assert ready.receive()[1].body == bytes(1000)


def test_the_tests_decoder_reads_what_it_writes() -> None:
    """§1.6"""
    for value in EVERY_TYPE.values():
        try:
            got, end = decode(value)
        except AssertionError:
            continue  # arrays of arrays and of described values are not for it
        assert end == len(value)
        assert not isinstance(got, Described) or got.descriptor
