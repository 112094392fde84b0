"""The nine performatives (§2.7), in the order of the specification.

All fields are always written, null where there is nothing to say: the official Service Bus
SDKs index them without asking how many there are. Read are as many as the peer has sent.

`Transfer`, `Disposition` and `Flow` stand on the path of a message and are read by hand; the
others happen once per connection, session or link.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, TypeAlias, final

from peeklock.errors import ProtocolViolation
from peeklock.limits import AMQP_DELIVERY_TAG_BYTES_MAX
from peeklock.protocols.amqp10.composites import (
    UBYTE_MAX,
    UINT_MAX,
    ULONG_MAX,
    USHORT_MAX,
    Fields,
    described_fields,
    described_list,
    symbol_array,
    with_symbol_keys,
)
from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    NULL_BYTES,
    RELEASED,
    AmqpError,
    DeliveryState,
    brief,
    encode_error,
    encode_state,
    read_error,
    read_state,
)
from peeklock.protocols.amqp10.primitives import encode_value, read_value
from peeklock.protocols.amqp10.terminus import (
    AmqpMap,
    AnyTarget,
    Source,
    UnknownTerminus,
    encode_source,
    encode_target,
    read_source,
    read_target,
)
from peeklock.protocols.amqp10.values import AmqpValue, UByte, UInt, ULong, UShort

OPEN: Final = 0x10
BEGIN: Final = 0x11
ATTACH: Final = 0x12
FLOW: Final = 0x13
TRANSFER: Final = 0x14
DISPOSITION: Final = 0x15
DETACH: Final = 0x16
END: Final = 0x17
CLOSE: Final = 0x18

NOT_GIVEN: Final = -1  # of a number that the peer left out
SENDER: Final = False  # §2.8.1 role
RECEIVER: Final = True

U32: Final = Struct(">I")


@dataclass(frozen=True)
class Open:
    """§2.7.1. Sizes in bytes, the time-out in milliseconds."""

    container_id: str
    hostname: str | None = None
    max_frame_size: int = 0xFFFFFFFF
    channel_max: int = 0xFFFF
    idle_time_out: int | None = None
    outgoing_locales: list[str] = field(default_factory=list)
    incoming_locales: list[str] = field(default_factory=list)
    offered_capabilities: list[str] = field(default_factory=list)
    desired_capabilities: list[str] = field(default_factory=list)
    properties: AmqpMap | None = None


@dataclass(frozen=True)
class Begin:
    """§2.7.2. Windows in frames."""

    remote_channel: int | None = None
    next_outgoing_id: int = 0
    incoming_window: int = 0
    outgoing_window: int = 0
    handle_max: int = 0xFFFFFFFF
    offered_capabilities: list[str] = field(default_factory=list)
    desired_capabilities: list[str] = field(default_factory=list)
    properties: AmqpMap | None = None


@dataclass(frozen=True)
class Attach:
    """§2.7.3."""

    name: str
    handle: int
    role: bool
    snd_settle_mode: int = 2  # mixed
    rcv_settle_mode: int = 0  # first
    source: Source | None = None
    target: AnyTarget | None = None
    unsettled: AmqpMap | None = None
    incomplete_unsettled: bool = False
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: list[str] = field(default_factory=list)
    desired_capabilities: list[str] = field(default_factory=list)
    properties: AmqpMap | None = None
    unknown: str | None = None  # read, not written: what of its termini we do not know


@final
class Flow:
    """§2.7.4. Windows in frames, credit in deliveries."""

    __slots__ = (
        "available",
        "delivery_count",
        "drain",
        "echo",
        "handle",
        "incoming_window",
        "link_credit",
        "next_incoming_id",
        "next_outgoing_id",
        "outgoing_window",
        "properties",
    )

    def __init__(
        self,
        next_incoming_id: int | None = None,
        incoming_window: int = 0,
        next_outgoing_id: int = 0,
        outgoing_window: int = 0,
        handle: int | None = None,
        delivery_count: int | None = None,
        link_credit: int | None = None,
        available: int | None = None,
        drain: bool = False,
        echo: bool = False,
        properties: AmqpMap | None = None,
    ) -> None:
        self.next_incoming_id: Final = next_incoming_id
        self.incoming_window: Final = incoming_window
        self.next_outgoing_id: Final = next_outgoing_id
        self.outgoing_window: Final = outgoing_window
        self.handle: Final = handle
        self.delivery_count: Final = delivery_count
        self.link_credit: Final = link_credit
        self.available: Final = available
        self.drain: Final = drain
        self.echo: Final = echo
        self.properties: Final = properties


@final
class Transfer:
    """§2.7.5. Numbers that the peer left out are NOT_GIVEN, a missing tag is None."""

    __slots__ = (
        "aborted",
        "batchable",
        "delivery_id",
        "delivery_tag",
        "handle",
        "message_format",
        "more",
        "rcv_settle_mode",
        "resume",
        "settled",
        "state",
    )

    def __init__(
        self,
        handle: int,
        delivery_id: int = NOT_GIVEN,
        delivery_tag: bytes | None = None,
        message_format: int = NOT_GIVEN,
        settled: bool = False,
        more: bool = False,
        rcv_settle_mode: int = NOT_GIVEN,
        state: DeliveryState | None = None,
        resume: bool = False,
        aborted: bool = False,
        batchable: bool = False,
    ) -> None:
        self.handle: Final = handle
        self.delivery_id: Final = delivery_id
        self.delivery_tag: Final = delivery_tag
        self.message_format: Final = message_format
        self.settled: Final = settled
        self.more: Final = more
        self.rcv_settle_mode: Final = rcv_settle_mode
        self.state: Final = state
        self.resume: Final = resume
        self.aborted: Final = aborted
        self.batchable: Final = batchable


@final
class Disposition:
    """§2.7.6. `last` equals `first` where the peer left it out."""

    __slots__ = ("batchable", "first", "last", "role", "settled", "state")

    def __init__(
        self,
        role: bool,
        first: int,
        last: int,
        settled: bool = False,
        state: DeliveryState | None = None,
        batchable: bool = False,
    ) -> None:
        self.role: Final = role
        self.first: Final = first
        self.last: Final = last
        self.settled: Final = settled
        self.state: Final = state
        self.batchable: Final = batchable


@dataclass(frozen=True)
class Detach:
    """§2.7.7."""

    handle: int
    closed: bool = False
    error: AmqpError | None = None


@dataclass(frozen=True)
class End:
    """§2.7.8."""

    error: AmqpError | None = None


@dataclass(frozen=True)
class Close:
    """§2.7.9."""

    error: AmqpError | None = None


Performative: TypeAlias = (
    Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close
)


# ---- reading


def decode_performative(data: bytes, at: int, end: int) -> tuple[Performative, int]:
    """The performative of the frame body `data[at:end]`, and where its payload begins."""
    try:
        if end - at > 3 and data[at] == 0 and data[at + 1] == 0x53:
            code = data[at + 2]
            if code == TRANSFER:
                return read_transfer(data, at + 3, end)
            if code == DISPOSITION:
                return read_disposition(data, at + 3, end)
        value, after = read_value(data[at:end], 0)
    except IndexError:
        raise ProtocolViolation("AMQP 1.0 §2.7", "a performative beyond its frame") from None
    return as_performative(value), at + after


SYMBOLIC_CODES: Final = {
    "amqp:open:list": OPEN,
    "amqp:begin:list": BEGIN,
    "amqp:attach:list": ATTACH,
    "amqp:flow:list": FLOW,
    "amqp:transfer:list": TRANSFER,
    "amqp:disposition:list": DISPOSITION,
    "amqp:detach:list": DETACH,
    "amqp:end:list": END,
    "amqp:close:list": CLOSE,
}


def as_performative(value: AmqpValue) -> Performative:
    """By the way of the general decoder."""
    code, values = performative_fields(value)
    if code == FLOW:
        return as_flow(Fields("flow", values, 11))
    if code == ATTACH:
        return as_attach(Fields("attach", values, 14))
    if code == TRANSFER:
        return as_transfer(Fields("transfer", values, 11))
    if code == DISPOSITION:
        return as_disposition(Fields("disposition", values, 6))
    if code == OPEN:
        return as_open(Fields("open", values, 10))
    if code == BEGIN:
        return as_begin(Fields("begin", values, 8))
    if code == DETACH:
        fields = Fields("detach", values, 3)
        handle = fields.number_required("handle")
        return Detach(handle, fields.flag("closed", False), read_error(fields.raw()))
    if code == END:
        return End(read_error(Fields("end", values, 1).raw()))
    if code == CLOSE:
        return Close(read_error(Fields("close", values, 1).raw()))
    raise ProtocolViolation("AMQP 1.0 §2.7", f"0x{code:x} is no performative")


def performative_fields(value: AmqpValue) -> tuple[int, list[AmqpValue]]:
    found = described_fields(value)
    if found is not None:
        return found
    descriptor = getattr(value, "descriptor", None)
    values = getattr(value, "value", None)
    if (
        isinstance(descriptor, str)
        and descriptor in SYMBOLIC_CODES
        and isinstance(values, list)
    ):
        return SYMBOLIC_CODES[descriptor], values
    raise ProtocolViolation("AMQP 1.0 §2.7", "a frame body that is no performative")


def as_open(fields: Fields) -> Open:
    container_id = fields.text("container-id")
    if container_id is None:
        raise ProtocolViolation("AMQP 1.0 §2.7.1", "open lacks its container-id")
    return Open(
        container_id=str(container_id),
        hostname=fields.text("hostname"),
        max_frame_size=fields.number("max-frame-size", UINT_MAX),
        channel_max=fields.number("channel-max", USHORT_MAX, USHORT_MAX),
        idle_time_out=fields.number_or_none("idle-time-out"),
        outgoing_locales=fields.words("outgoing-locales"),
        incoming_locales=fields.words("incoming-locales"),
        offered_capabilities=fields.words("offered-capabilities"),
        desired_capabilities=fields.words("desired-capabilities"),
        properties=fields.mapping("properties"),
    )


def as_begin(fields: Fields) -> Begin:
    return Begin(
        remote_channel=fields.number_or_none("remote-channel", USHORT_MAX),
        next_outgoing_id=fields.number_required("next-outgoing-id"),
        incoming_window=fields.number_required("incoming-window"),
        outgoing_window=fields.number_required("outgoing-window"),
        handle_max=fields.number("handle-max", UINT_MAX),
        offered_capabilities=fields.words("offered-capabilities"),
        desired_capabilities=fields.words("desired-capabilities"),
        properties=fields.mapping("properties"),
    )


def as_attach(fields: Fields) -> Attach:
    name = fields.text("name")
    if name is None:
        raise ProtocolViolation("AMQP 1.0 §2.7.3", "attach lacks its name")
    handle = fields.number_required("handle")
    role = fields.raw()
    if not isinstance(role, bool):
        raise ProtocolViolation("AMQP 1.0 §2.7.3", "attach lacks its role")
    snd_settle_mode = settle_mode(fields.number("snd-settle-mode", 2), 2)
    rcv_settle_mode = settle_mode(fields.number("rcv-settle-mode", 0), 1)
    source: Source | None = None
    target: AnyTarget | None = None
    unknown: str | None = None
    wanted_source, wanted_target = fields.raw(), fields.raw()
    try:
        source = read_source(wanted_source)
        target = read_target(wanted_target)
    except UnknownTerminus as what:
        unknown = str(what)
    return Attach(
        name=str(name),
        handle=handle,
        role=role,
        snd_settle_mode=snd_settle_mode,
        rcv_settle_mode=rcv_settle_mode,
        source=source,
        target=target,
        unsettled=fields.mapping("unsettled"),
        incomplete_unsettled=fields.flag("incomplete-unsettled", False),
        initial_delivery_count=fields.number_or_none("initial-delivery-count"),
        max_message_size=fields.number_or_none("max-message-size", ULONG_MAX),
        offered_capabilities=fields.words("offered-capabilities"),
        desired_capabilities=fields.words("desired-capabilities"),
        properties=fields.mapping("properties"),
        unknown=unknown,
    )


def settle_mode(value: int, most: int) -> int:
    if value > most:
        raise ProtocolViolation("AMQP 1.0 §2.8.2", f"{value} is no settle mode")
    return value


def as_flow(fields: Fields) -> Flow:
    return Flow(
        fields.number_or_none("next-incoming-id"),
        fields.number_required("incoming-window"),
        fields.number_required("next-outgoing-id"),
        fields.number_required("outgoing-window"),
        fields.number_or_none("handle"),
        fields.number_or_none("delivery-count"),
        fields.number_or_none("link-credit"),
        fields.number_or_none("available"),
        fields.flag("drain", False),
        fields.flag("echo", False),
        fields.mapping("properties"),
    )


def as_transfer(fields: Fields) -> Transfer:
    return Transfer(
        fields.number_required("handle"),
        fields.number("delivery-id", NOT_GIVEN),
        checked_tag(fields.binary("delivery-tag")),
        fields.number("message-format", NOT_GIVEN),
        fields.flag("settled", False),
        fields.flag("more", False),
        fields.number("rcv-settle-mode", NOT_GIVEN, UBYTE_MAX),
        read_state(fields.raw()),
        fields.flag("resume", False),
        fields.flag("aborted", False),
        fields.flag("batchable", False),
    )


def checked_tag(tag: bytes | None) -> bytes | None:
    if tag is not None and len(tag) > AMQP_DELIVERY_TAG_BYTES_MAX:
        raise ProtocolViolation("AMQP 1.0 §2.8.7", f"a delivery tag of {len(tag)} bytes")
    return tag


def as_disposition(fields: Fields) -> Disposition:
    role = fields.raw()
    if not isinstance(role, bool):
        raise ProtocolViolation("AMQP 1.0 §2.7.6", "disposition lacks its role")
    first = fields.number_required("first")
    return Disposition(
        role,
        first,
        fields.number("last", first),
        fields.flag("settled", False),
        read_state(fields.raw()),
        fields.flag("batchable", False),
    )


def list_bounds(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Where the fields of a list begin and end, and how many there are."""
    code = data[at]
    if code == 0xC0:
        stop = at + 2 + data[at + 1]
        count = data[at + 2]
        start = at + 3
    elif code == 0xD0:
        stop = at + 5 + u32_at(data, at + 1)
        count = u32_at(data, at + 5)
        start = at + 9
    elif code == 0x45:
        return at + 1, at + 1, 0
    else:
        raise ProtocolViolation("AMQP 1.0 §2.7", "a performative that is no list")
    if stop > end:
        raise ProtocolViolation("AMQP 1.0 §2.7", "a performative beyond its frame")
    return start, stop, count


def u32_at(data: bytes, at: int) -> int:
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def uint_at(data: bytes, at: int) -> tuple[int, int]:
    """A uint field, NOT_GIVEN for null; mind that the caller catches IndexError."""
    code = data[at]
    if code == 0x52:
        return data[at + 1], at + 2
    if code == 0x43:
        return 0, at + 1
    if code == 0x70:
        return u32_at(data, at + 1), at + 5
    if code == 0x40:
        return NOT_GIVEN, at + 1
    if code == 0x50:  # rcv-settle-mode is a ubyte
        return data[at + 1], at + 2
    raise ProtocolViolation("AMQP 1.0 §1.4", f"format code 0x{code:02x} where a uint belongs")


def flag_at(data: bytes, at: int) -> tuple[bool, int]:
    """A boolean field, False for null."""
    code = data[at]
    if code == 0x41:
        return True, at + 1
    if code == 0x42 or code == 0x40:
        return False, at + 1
    if code == 0x56 and data[at + 1] <= 1:
        return data[at + 1] == 1, at + 2
    raise ProtocolViolation(
        "AMQP 1.0 §1.4", f"format code 0x{code:02x} where a boolean belongs"
    )


def tag_at(data: bytes, at: int) -> tuple[bytes | None, int]:
    """A delivery tag, at most 32 bytes (§2.8.7)."""
    code = data[at]
    if code == 0xA0:
        start = at + 2
        size = data[at + 1]
    elif code == 0xB0:
        start = at + 5
        size = u32_at(data, at + 1)
    elif code == 0x40:
        return None, at + 1
    else:
        raise ProtocolViolation(
            "AMQP 1.0 §1.4", f"format code 0x{code:02x} where a tag belongs"
        )
    if size > AMQP_DELIVERY_TAG_BYTES_MAX:
        raise ProtocolViolation("AMQP 1.0 §2.8.7", f"a delivery tag of {size} bytes")
    return data[start : start + size], start + size


def state_at(data: bytes, at: int, end: int) -> tuple[DeliveryState | None, int]:
    """A delivery state; the two that nearly all are cost next to nothing."""
    if data[at] == 0x40:
        return None, at + 1
    if data[at] == 0 and data[at + 1] == 0x53:
        code = data[at + 2]
        if data[at + 3] == 0x45:
            if code == 0x24:
                return ACCEPTED, at + 4
            if code == 0x26:
                return RELEASED, at + 4
        elif code == 0x24 and data[at + 3] == 0xC0 and data[at + 4] == 1:
            return ACCEPTED, at + 6
    value, after = read_value(data[at:end], 0)
    return read_state(value), at + after


def read_transfer(data: bytes, at: int, end: int) -> tuple[Transfer, int]:
    at, stop, count = list_bounds(data, at, end)
    if count > 11:
        raise ProtocolViolation("AMQP 1.0 §1.4", f"transfer has 11 fields, not {count}")
    handle = delivery_id = message_format = rcv_settle_mode = NOT_GIVEN
    tag: bytes | None = None
    state: DeliveryState | None = None
    settled = more = resume = aborted = batchable = False
    if count > 0:
        handle, at = uint_at(data, at)
    if count > 1:
        delivery_id, at = uint_at(data, at)
    if count > 2:
        tag, at = tag_at(data, at)
    if count > 3:
        message_format, at = uint_at(data, at)
    if count > 4:
        settled, at = flag_at(data, at)
    if count > 5:
        more, at = flag_at(data, at)
    if count > 6:
        rcv_settle_mode, at = uint_at(data, at)
    if count > 7:
        state, at = state_at(data, at, end)
    if count > 8:
        resume, at = flag_at(data, at)
    if count > 9:
        aborted, at = flag_at(data, at)
    if count > 10:
        batchable, at = flag_at(data, at)
    if at != stop:
        raise ProtocolViolation("AMQP 1.0 §1.6.22", "fields do not fill their transfer")
    if handle == NOT_GIVEN:
        raise ProtocolViolation("AMQP 1.0 §2.7.5", "transfer lacks its handle")
    transfer = Transfer(
        handle, delivery_id, tag, message_format, settled, more,
        rcv_settle_mode, state, resume, aborted, batchable,
    )  # fmt: skip
    return transfer, at


def read_disposition(data: bytes, at: int, end: int) -> tuple[Disposition, int]:
    at, stop, count = list_bounds(data, at, end)
    if count > 6 or count < 2:
        raise ProtocolViolation("AMQP 1.0 §1.4", f"disposition of {count} fields")
    if data[at] == 0x40:
        raise ProtocolViolation("AMQP 1.0 §2.7.6", "disposition lacks its role")
    role, at = flag_at(data, at)
    first, at = uint_at(data, at)
    if first == NOT_GIVEN:
        raise ProtocolViolation("AMQP 1.0 §2.7.6", "disposition lacks its first")
    last = NOT_GIVEN
    state: DeliveryState | None = None
    settled = batchable = False
    if count > 2:
        last, at = uint_at(data, at)
    if count > 3:
        settled, at = flag_at(data, at)
    if count > 4:
        state, at = state_at(data, at, end)
    if count > 5:
        batchable, at = flag_at(data, at)
    if at != stop:
        raise ProtocolViolation("AMQP 1.0 §1.6.22", "fields do not fill their disposition")
    if last == NOT_GIVEN:
        last = first
    return Disposition(role, first, last, settled, state, batchable), at


# ---- writing

TRUE_BYTES: Final = b"\x41"
FALSE_BYTES: Final = b"\x42"


def encode_performative(performative: Performative) -> bytes:
    """All fields, nulls included, behind a small numeric descriptor."""
    if isinstance(performative, Flow):
        return encode_flow(performative)
    if isinstance(performative, Attach):
        return encode_attach(performative)
    if isinstance(performative, Open):
        return encode_open(performative)
    if isinstance(performative, Begin):
        return encode_begin(performative)
    if isinstance(performative, Detach):
        error = encode_error(performative.error)
        handle = encode_value(UInt(performative.handle))
        return described_list(DETACH, [handle, encode_value(performative.closed), error])
    if isinstance(performative, End):
        return described_list(END, [encode_error(performative.error)])
    if isinstance(performative, Close):
        return described_list(CLOSE, [encode_error(performative.error)])
    if isinstance(performative, Transfer):
        return encode_whole_transfer(performative)
    state = encode_state(performative.state)
    return encode_disposition(
        performative.role, performative.first, performative.last, performative.settled, state
    )


def shortened(performative: Performative) -> Performative:
    """The same with as little text in its error as fits into the smallest frame (§2.3.1)."""
    if isinstance(performative, Detach):
        return Detach(performative.handle, performative.closed, brief(performative.error))
    if isinstance(performative, End):
        return End(brief(performative.error))
    if isinstance(performative, Close):
        return Close(brief(performative.error))
    return performative


def uint(value: int | None) -> bytes:
    return NULL_BYTES if value is None or value == NOT_GIVEN else encode_value(UInt(value))


def encode_open(performative: Open) -> bytes:
    return described_list(
        OPEN,
        [
            encode_value(performative.container_id),
            encode_value(performative.hostname),
            uint(performative.max_frame_size),
            encode_value(UShort(performative.channel_max)),
            uint(performative.idle_time_out),
            encode_value(symbol_array(performative.outgoing_locales)),
            encode_value(symbol_array(performative.incoming_locales)),
            encode_value(symbol_array(performative.offered_capabilities)),
            encode_value(symbol_array(performative.desired_capabilities)),
            encode_value(with_symbol_keys(performative.properties)),
        ],
    )


def encode_begin(performative: Begin) -> bytes:
    channel = performative.remote_channel
    return described_list(
        BEGIN,
        [
            encode_value(None if channel is None else UShort(channel)),
            uint(performative.next_outgoing_id),
            uint(performative.incoming_window),
            uint(performative.outgoing_window),
            uint(performative.handle_max),
            encode_value(symbol_array(performative.offered_capabilities)),
            encode_value(symbol_array(performative.desired_capabilities)),
            encode_value(with_symbol_keys(performative.properties)),
        ],
    )


def encode_attach(performative: Attach) -> bytes:
    size = performative.max_message_size
    return described_list(
        ATTACH,
        [
            encode_value(performative.name),
            uint(performative.handle),
            encode_value(performative.role),
            encode_value(UByte(performative.snd_settle_mode)),
            encode_value(UByte(performative.rcv_settle_mode)),
            encode_source(performative.source),
            encode_target(performative.target),
            encode_value(performative.unsettled),
            encode_value(performative.incomplete_unsettled),
            uint(performative.initial_delivery_count),
            encode_value(None if size is None else ULong(size)),
            encode_value(symbol_array(performative.offered_capabilities)),
            encode_value(symbol_array(performative.desired_capabilities)),
            encode_value(with_symbol_keys(performative.properties)),
        ],
    )


def encode_flow(performative: Flow) -> bytes:
    return described_list(
        FLOW,
        [
            uint(performative.next_incoming_id),
            uint(performative.incoming_window),
            uint(performative.next_outgoing_id),
            uint(performative.outgoing_window),
            uint(performative.handle),
            uint(performative.delivery_count),
            uint(performative.link_credit),
            uint(performative.available),
            TRUE_BYTES if performative.drain else FALSE_BYTES,
            TRUE_BYTES if performative.echo else FALSE_BYTES,
            encode_value(with_symbol_keys(performative.properties)),
        ],
    )


def encode_whole_transfer(performative: Transfer) -> bytes:
    mode = performative.rcv_settle_mode
    return described_list(
        TRANSFER,
        [
            uint(performative.handle),
            uint(performative.delivery_id),
            encode_value(performative.delivery_tag),
            uint(performative.message_format),
            encode_value(performative.settled),
            encode_value(performative.more),
            encode_value(None if mode == NOT_GIVEN else UByte(mode)),
            encode_state(performative.state),
            encode_value(performative.resume),
            encode_value(performative.aborted),
            encode_value(performative.batchable),
        ],
    )


# rcv-settle-mode and state null; resume, aborted, batchable false
TRANSFER_TAIL: Final = b"\x40\x40\x42\x42\x42"
SETTLED_MORE: Final = b"\x41\x41" + TRANSFER_TAIL
SETTLED_LAST: Final = b"\x41\x42" + TRANSFER_TAIL
UNSETTLED_MORE: Final = b"\x42\x41" + TRANSFER_TAIL
UNSETTLED_LAST: Final = b"\x42\x42" + TRANSFER_TAIL
# descriptor, list8 with its size and count; handle, delivery-id, the tag's code and size
TRANSFER_HEAD: Final = Struct(">4sBBBIBIBB")


def encode_transfer(
    handle: int, delivery_id: int, tag: bytes, message_format: int, settled: bool, more: bool
) -> bytes:
    """A transfer on the path of a message: all fields, numbers in full width."""
    size = len(tag)
    flags = (
        (SETTLED_MORE if more else SETTLED_LAST)
        if settled
        else (UNSETTLED_MORE if more else UNSETTLED_LAST)
    )
    head = TRANSFER_HEAD.pack(
        b"\x00\x53\x14\xc0", 25 + size, 11, 0x70, handle, 0x70, delivery_id, 0xA0, size
    )
    return head + tag + U32_CODED.pack(0x70, message_format) + flags


U32_CODED: Final = Struct(">BI")


def encode_disposition(
    role: bool, first: int, last: int, settled: bool, state_bytes: bytes
) -> bytes:
    """§2.7.6, all six fields; `state_bytes` is an encoded delivery state, or null."""
    fields = (
        (TRUE_BYTES if role else FALSE_BYTES)
        + U32_CODED.pack(0x70, first)
        + U32_CODED.pack(0x70, last)
        + (TRUE_BYTES if settled else FALSE_BYTES)
        + state_bytes
        + FALSE_BYTES
    )
    size = len(fields) + 1
    if size < 256:
        return b"\x00\x53\x15\xc0" + bytes((size, 6)) + fields
    return b"\x00\x53\x15\xd0" + U32.pack(size + 3) + U32.pack(6) + fields
