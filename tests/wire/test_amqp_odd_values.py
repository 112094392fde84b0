"""Values that decode and are not to be trusted, and odd ones that are legal (§1, §3.2)."""

import struct
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    ACCEPTED,
    Composite,
    Raw,
    annotations,
    array,
    composite,
    data_section,
    described,
    frame,
    list_,
    map_,
    null,
    rejected,
    string,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    uuid,
)
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess

BEGIN = 0x11
ATTACH = 0x12
BEYOND_UINT = Raw(ulong(1 << 32))
PRIME = (1 << 61) - 1  # numbers that differ by it have the same hash in Python


def begin_with(properties: bytes) -> bytes:
    """A begin on channel 1 whose properties are these bytes."""
    fields = [null(), uint(0), uint(1), uint(1), null(), null(), null(), properties]
    return frame(described(BEGIN, list_(fields)), 1)


def wide(code: int, value: bytes) -> Raw:
    """Described by a ulong of eight bytes, which is as good as a small one (§1.6.6)."""
    return Raw(b"\x00\x80" + struct.pack(">Q", code) + value)


HOSTILE_PROPERTIES = {
    "§1.6.23 described keys of one hash": map_(
        (described(0, uint(1000 + n)), null()) for n in range(6000)
    ),
    "§1.6.23 uuid keys of one hash": map_(
        (uuid(UUID(int=5 + n * PRIME)), null()) for n in range(3400)
    ),
    "§1.6.24 arrays of nothing, in a list": map_(
        [(symbol("x"), list_([b"\xf0\x00\x00\x00\x05\x00\x01\x00\x00\x40"] * 300))]
    ),
    "§1.6.24 arrays of empty lists, in a list": map_(
        [(symbol("x"), list_([b"\xe0\x02\xff\x45"] * 3000))]
    ),
    "§1.6.16 half a surrogate pair": map_([(symbol("x"), b"\x73\x00\x00\xd8\x00")]),
}


@pytest.mark.parametrize("name", HOSTILE_PROPERTIES)
def test_what_would_cost_much_to_build_is_refused(ready: AmqpPeer, name: str) -> None:
    """§1.6: the sections are in the names"""
    ready.send_bytes(begin_with(HOSTILE_PROPERTIES[name]))
    ready.expect_close("amqp:decode-error")


def test_memory_stays_flat_under_values_that_swell(
    shared: BrokerProcess, ready: AmqpPeer
) -> None:
    """§1.6.24: a frame of 64 KiB would build a billion elements."""
    swelling = list_([b"\xf0\x00\x00\x00\x05\x00\x01\x00\x00\x45"] * 6000)
    before = shared.rss_bytes
    ready.send_bytes(begin_with(map_([(symbol("x"), swelling)])))
    ready.expect_close("amqp:decode-error")
    assert shared.rss_bytes - before < 16 * 1024 * 1024


# A number that its field's type cannot hold; the peer wrote it in a wider one.
BEYOND = [
    ("begin", {"next_outgoing_id": BEYOND_UINT, "incoming_window": 1, "outgoing_window": 1}),
    ("begin", {"next_outgoing_id": 0, "incoming_window": BEYOND_UINT, "outgoing_window": 1}),
    ("attach", {"initial_delivery_count": BEYOND_UINT}),
    ("attach", {"source": composite("source", timeout=BEYOND_UINT)}),
    ("attach", {"source": composite("source", durable=BEYOND_UINT)}),
    ("attach", {"target": composite("target", timeout=BEYOND_UINT)}),
    ("flow", {"delivery_count": BEYOND_UINT}),
    ("flow", {"link_credit": BEYOND_UINT}),
    ("flow", {"next_incoming_id": BEYOND_UINT}),
    ("flow", {"available": Raw(b"\x54\xff")}),
]
COMPLETE: dict[str, dict[str, object]] = {
    "begin": {},
    "attach": {"name": "x", "handle": 0, "role": False},
    "flow": {"handle": 0, "incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1},
}


@pytest.mark.parametrize(
    ("name", "given"), BEYOND, ids=lambda one: one if isinstance(one, str) else next(iter(one))
)
def test_a_number_beyond_its_fields_type(
    ready: AmqpPeer, name: str, given: dict[str, object]
) -> None:
    """§1.4, §2.7"""
    ready.send(name, 1 if name == "begin" else 0, **(COMPLETE[name] | given))
    assert "not from 0 to" in ready.expect_close("amqp:decode-error")


NOT_ASCII = string("Grüße")
BAD_SYMBOLS = {
    "§3.5.3 expiry-policy": {
        "source": described(0x28, list_([string("q"), null(), NOT_ASCII])),
    },
    "§3.5.3 default-outcome's condition": {
        "source": composite(
            "source",
            address="q",
            default_outcome=described(0x25, list_([described(0x1D, list_([NOT_ASCII]))])),
        ),
    },
    "§3.5.4 capabilities": {
        "target": described(0x29, list_([string("q")] + [null()] * 5 + [NOT_ASCII])),
    },
}


@pytest.mark.parametrize("name", BAD_SYMBOLS)
def test_a_string_where_a_symbol_belongs_has_only_ascii(ready: AmqpPeer, name: str) -> None:
    """§1.6.21: what we could not write, we do not read."""
    given: dict[str, object] = {"name": "x", "handle": 0, "role": True}
    ready.send("attach", **(given | BAD_SYMBOLS[name]))
    ready.expect_close("amqp:decode-error")


def test_a_link_is_not_named_by_a_char(ready: AmqpPeer) -> None:
    """§2.7.3: name is a string, and a char (§1.6.16) is none."""
    fields = [b"\x73\x00\x00\x00\x41", uint(0), b"\x42"]
    ready.send_bytes(frame(described(ATTACH, list_(fields))))
    ready.expect_close("amqp:decode-error")


class TestLegal:
    """§1.4, §1.6: rare, and right."""

    def test_numbers_in_a_wider_type(self, ready: AmqpPeer, queue: str) -> None:
        """§1.4 says uint; some encoders have only one integer type."""
        ready.attach_sender(queue, 0, initial_delivery_count=Raw(ulong(5)))
        ready.put(b"a")

    def test_an_array_without_elements_or_constructor(self, peer: AmqpPeer, queue: str) -> None:
        """§1.6.24 wants a constructor; the Service Bus SDK for Python leaves it out."""
        peer.open(offered_capabilities=Raw(b"\xe0\x01\x00"))
        peer.begin(desired_capabilities=Raw(b"\xf0\x00\x00\x00\x04\x00\x00\x00\x00"))
        peer.attach_sender(queue, 0, offered_capabilities=array(0xA3, []))

    def test_a_fields_map_with_keys_that_are_no_symbols(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.8.13: only what we look up in it has to be readable."""
        properties = map_([(NOT_ASCII, null()), (uint(4), null()), (string("a"), null())])
        target = described(0x29, list_([string(queue)] + [null()] * 4 + [properties]))
        heard = ready.attach_receiver(queue, 0, target=target)
        assert heard["target"] is not None

    def test_symbolic_descriptors_everywhere(self, ready: AmqpPeer, queue: str) -> None:
        """§1.3.2, §2.7, §3.5"""
        target = Raw(b"\x00" + symbol("amqp:target:list") + list_([string(queue)]))
        source = Raw(b"\x00" + symbol("amqp:source:list") + list_([]))
        fields = [string("s"), uint(0), b"\x42", null(), null(), source, target]
        ready.send_bytes(
            frame(
                b"\x00" + symbol("amqp:attach:list") + list_([*fields, null(), null(), uint(0)])
            )
        )
        ready.expect("attach")
        ready.expect("flow")
        transfer = list_([uint(0), uint(0), b"\xa0\x01t", uint(0)])
        bare = Raw(b"\x00" + symbol("amqp:data:binary") + b"\xa0\x01x")
        ready.send_bytes(frame(b"\x00" + symbol("amqp:transfer:list") + transfer + bare))
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        heard = ready.expect("transfer")
        assert heard.payload.endswith(bare)
        state = Raw(b"\x00" + symbol("amqp:accepted:list") + b"\x45")
        first = heard["delivery-id"]
        disposition = list_([b"\x41", uint(first), null(), b"\x42", state])
        ready.send_bytes(frame(b"\x00" + symbol("amqp:disposition:list") + disposition))
        answer = ready.expect("disposition", settled=True)["state"]
        assert isinstance(answer, Composite)
        assert answer.name == "accepted"

    def test_wide_descriptors_and_lists(self, ready: AmqpPeer, queue: str) -> None:
        """§1.6.6, §1.6.22: ulong instead of smallulong, list32 instead of list8."""
        terminus = wide(0x29, list_([string(queue)]))
        termini = wide(0x28, b"\x45") + terminus
        body = string("s") + uint(0) + b"\x42\x40\x40" + termini + b"\x40\x40" + uint(0)
        head = struct.pack(">BII", 0xD0, len(body) + 4, 10)
        ready.send_bytes(frame(wide(ATTACH, head + body)))
        ready.expect("attach")
        ready.expect("flow")
        fields = uint(0) + uint(0) + b"\xb0\x00\x00\x00\x01t" + uint(0)
        transfer = struct.pack(">BII", 0xD0, len(fields) + 4, 4) + fields
        ready.send_bytes(frame(described(0x14, transfer) + data_section(b"x")))
        ready.hear_accepted(0, 0)


NO_MESSAGES = {
    "§3.2.3 annotations that are broken inside": described(0x72, b"\xc1\x03\x02\xff\xff")
    + data_section(b"x"),
    "§3.2.3 annotations that are broken inside, ours among them": described(
        0x72, b"\xc1\x1a\x04" + symbol("x-opt-delivery-time") + b"\x40\xff\xff"
    )
    + data_section(b"x"),
    "§3.2.1 priority of 300": described(0x70, list_([null(), uint(300)])) + data_section(b"x"),
    "§3.2.1 ttl of 2^40": described(0x70, list_([null(), null(), ulong(1 << 40)]))
    + data_section(b"x"),
    "§3.2.1 delivery-count of 2^40": described(0x70, list_([null()] * 4 + [ulong(1 << 40)]))
    + data_section(b"x"),
    "§3.2.1 header of 60,000 bytes": described(0x70, list_([null()] * 60_000))
    + data_section(b"x"),
    "§1.3.2 a body of descriptors": b"\x00\x53\x75" + bytes(60_000),
    "§1.3.2 a descriptor of descriptors": bytes(60_000),
    "§3.2 a section described by a list": b"\x00" + list_([null()] * 1000) + b"\x40",
    "§3.2 more than 65,536 sections": data_section(b"") * 65_537,
}


def send_in_parts(peer: AmqpPeer, delivery_id: int, payload: bytes) -> None:
    """One delivery, in as many transfers as it takes (§2.6.14)."""
    parts = [payload[at : at + 60_000] for at in range(0, len(payload), 60_000)]
    for place, part in enumerate(parts):
        peer.transfer(None if place else delivery_id, part, more=place + 1 < len(parts))


def expect_rejected(peer: AmqpPeer, condition: str) -> None:
    state = peer.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    assert state.name == "rejected"
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == condition


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_what_could_not_be_handed_out_is_not_taken(
    ready: AmqpPeer, queue: str, name: str
) -> None:
    """§3.4.3: rejected, and the link lives; the sections are in the names"""
    ready.attach_sender(queue, 0)
    send_in_parts(ready, 0, NO_MESSAGES[name])
    expect_rejected(ready, "amqp:decode-error")
    ready.put(b"good", first=1)
    ready.attach_receiver(queue, 1, credit=5)
    assert ready.receive()[1].body == b"good"


def test_descriptors_without_end_in_a_large_message(ready: AmqpPeer, queue: str) -> None:
    """§1.3.2: three million of them, each promising that a value follows."""
    ready.attach_sender(queue, 0)
    send_in_parts(ready, 0, b"\x00\x53\x75" + bytes(3_000_000))
    expect_rejected(ready, "amqp:decode-error")
    ready.put(b"good", first=1)


def test_annotations_have_a_bound(ready: AmqpPeer, queue: str) -> None:
    """§3.2.3: they are decoded and written anew, so a message cannot be all annotations."""
    ready.attach_sender(queue, 0)
    many = map_([(symbol("x-mine"), list_([b"\x45"] * 70_000))])
    send_in_parts(ready, 0, described(0x72, many) + data_section(b"x"))
    expect_rejected(ready, "amqp:resource-limit-exceeded")
    ready.put(b"good", first=1)


FAR = {
    "a timestamp": annotations(x_opt_scheduled_enqueue_time=timestamp((1 << 63) - 1)),
    "a ulong": annotations(x_opt_delivery_time=ulong((1 << 64) - 1)),
    "a delay": annotations(x_opt_delivery_delay=ulong((1 << 64) - 1)),
}


@pytest.mark.parametrize("name", FAR)
def test_a_schedule_beyond_all_time_is_refused(ready: AmqpPeer, queue: str, name: str) -> None:
    """§1.6.17; design: Message annotations"""
    ready.attach_sender(queue, 0)
    header = composite("header", ttl=(1 << 32) - 1)
    ready.transfer(0, header + FAR[name] + data_section(b"x"))
    expect_rejected(ready, "amqp:invalid-field")


def test_a_schedule_in_the_past_is_now(ready: AmqpPeer, queue: str) -> None:
    """§1.6.17: timestamps may be negative."""
    ready.attach_sender(queue, 0)
    early = annotations(x_opt_scheduled_enqueue_time=timestamp(-5))
    ready.transfer(0, early + data_section(b"x"))
    ready.hear_accepted(0, 0)
    ready.attach_receiver(queue, 1, credit=1)
    assert ready.receive()[1].body == b"x"


def test_an_abandon_until_beyond_all_time_is_obeyed(ready: AmqpPeer, queue: str) -> None:
    """§3.4.5; design: Settlement"""
    ready.attach_sender(queue, 0)
    ready.put(b"x")
    ready.attach_receiver(queue, 1, credit=5)
    heard = ready.receive()[0]
    later = {"x-opt-delivery-time": ulong((1 << 64) - 1)}
    ready.dispose(heard["delivery-id"], composite("modified", message_annotations=later))
    ready.expect("disposition", settled=True)
    ready.expect_silence()


class TestDeadLetters:
    """§3.2.5: their reason is told in application properties, whatever those are."""

    def dead_letter(self, peer: AmqpPeer, queue: str, bare: bytes) -> bytes:
        """The bare message of what was sent, rejected and received as a dead letter."""
        peer.attach_sender(queue, 0)
        send_in_parts(peer, 0, bare)
        peer.hear_accepted(0, 0)
        peer.attach_receiver(queue, 1, credit=1)
        heard = peer.expect("transfer")
        while heard["more"]:
            heard = peer.expect("transfer")
        peer.dispose(0, rejected("app:bad", "why"))
        peer.expect("disposition", settled=True)
        peer.attach_receiver(f"{queue}/$deadletterqueue", 2, credit=1)
        payload = b""
        while True:
            heard = peer.expect("transfer")
            payload += heard.payload
            if not heard["more"]:
                break
        peer.dispose(heard["delivery-id"] or 1, ACCEPTED)
        return payload

    @pytest.mark.parametrize(
        "properties",
        [
            described(0x74, b"\xc1\x03\x02\xff\xff"),
            described(0x74, list_([null()])),
        ],
        ids=["broken inside", "no map"],
    )
    def test_what_cannot_be_written_anew_stays_as_it_was(
        self, ready: AmqpPeer, queue: str, properties: bytes
    ) -> None:
        bare = properties + data_section(b"x")
        assert self.dead_letter(ready, queue, bare).endswith(bare)

    def test_sections_with_wide_descriptors_are_found(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§3.2: the reason joins the properties there, behind the properties section."""
        identity = wide(0x73, list_([string("id")]))
        bare = identity + wide(0x74, map_([(string("a"), ubyte(1))])) + data_section(b"x")
        got = self.dead_letter(ready, queue, bare)
        expected = map_(
            [
                (string("a"), ubyte(1)),
                (string("DeadLetterReason"), string("app:bad")),
                (string("DeadLetterErrorDescription"), string("why")),
            ]
        )
        assert got.endswith(identity + described(0x74, expected) + data_section(b"x"))
