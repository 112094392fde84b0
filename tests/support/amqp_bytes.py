"""AMQP 1.0 bytes for the scripted peer: a small encoder and decoder of its own.

Nothing of `peeklock` is imported here, so a mistake of the broker's codec cannot hide behind
the same mistake in the tests. Written from the specification's tables (part 1 §1.6, part 2
§2.7 and §2.8, part 3 §3.2, §3.4 and §3.5, part 5 §5.3.3).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"  # §2.2
SASL_HEADER = b"AMQP\x03\x01\x00\x00"  # §5.3.1


class Raw(bytes):
    """Encoded already: goes out as it is, wherever a value is wanted."""


class Symbol(str):
    """A decoded symbol (§1.6.21)."""

    __slots__ = ()


class Number(int):
    """A decoded integer that knows its type: `ubyte` … `long`, `timestamp`, `char`."""

    kind: str

    def __new__(cls, kind: str, value: int) -> Number:
        made = super().__new__(cls, value)
        made.kind = kind
        return made


@dataclass(frozen=True)
class Described:
    """A described value with a descriptor that the tables below do not have."""

    descriptor: object
    value: object


@dataclass(frozen=True)
class Composite:
    """A described list: `name` from the tables, fields by the specification's names."""

    name: str
    count: int  # of fields that were written
    fields: Mapping[str, object]

    def __getitem__(self, field: str) -> object:
        return self.fields[field]


# ---- encoding (§1.6)

Encoder = Callable[[object], Raw]


def null() -> Raw:
    return Raw(b"\x40")


def boolean(value: object) -> Raw:
    return Raw(b"\x41" if value else b"\x42")


def ubyte(value: object) -> Raw:
    return Raw(struct.pack(">BB", 0x50, value))


def ushort(value: object) -> Raw:
    return Raw(struct.pack(">BH", 0x60, value))


def uint(value: object) -> Raw:
    assert isinstance(value, int)
    if value == 0:
        return Raw(b"\x43")
    return Raw(
        struct.pack(">BB", 0x52, value) if value < 256 else struct.pack(">BI", 0x70, value)
    )


def ulong(value: object) -> Raw:
    assert isinstance(value, int)
    if value == 0:
        return Raw(b"\x44")
    return Raw(
        struct.pack(">BB", 0x53, value) if value < 256 else struct.pack(">BQ", 0x80, value)
    )


def int_(value: int) -> Raw:
    return Raw(struct.pack(">Bi", 0x71, value))


def long(value: object) -> Raw:
    return Raw(struct.pack(">Bq", 0x81, value))


def timestamp(value: object) -> Raw:
    return Raw(struct.pack(">Bq", 0x83, value))


def double(value: float) -> Raw:
    return Raw(b"\x82" + struct.pack(">d", value))


def uuid(value: UUID) -> Raw:
    return Raw(b"\x98" + value.bytes)


def sized(small: int, large: int, content: bytes) -> Raw:
    if len(content) < 256:
        return Raw(bytes([small, len(content)]) + content)
    return Raw(struct.pack(">BI", large, len(content)) + content)


def binary(value: object) -> Raw:
    assert isinstance(value, bytes)
    return sized(0xA0, 0xB0, value)


def string(value: object) -> Raw:
    assert isinstance(value, str)
    return sized(0xA1, 0xB1, value.encode())


def symbol(value: object) -> Raw:
    assert isinstance(value, str)
    return sized(0xA3, 0xB3, value.encode("ascii"))


def list_(items: Sequence[bytes]) -> Raw:
    body = b"".join(items)
    if not items:
        return Raw(b"\x45")
    if len(body) < 255 and len(items) < 256:
        return Raw(struct.pack(">BBB", 0xC0, len(body) + 1, len(items)) + body)
    return Raw(struct.pack(">BII", 0xD0, len(body) + 4, len(items)) + body)


def map_(pairs: Iterable[tuple[bytes, bytes]]) -> Raw:
    items = [item for pair in pairs for item in pair]
    body = b"".join(items)
    if len(body) < 255 and len(items) < 256:
        return Raw(struct.pack(">BBB", 0xC1, len(body) + 1, len(items)) + body)
    return Raw(struct.pack(">BII", 0xD1, len(body) + 4, len(items)) + body)


def array(code: int, items: Sequence[bytes]) -> Raw:
    """Items are encoded without their constructor, which is `code` for all."""
    body = bytes([code]) + b"".join(items)
    return Raw(struct.pack(">BII", 0xF0, len(body) + 4, len(items)) + body)


def described(code: int, value: bytes) -> Raw:
    return Raw(b"\x00" + ulong(code) + value)


def anything(value: object) -> Raw:
    """The natural encoding of a Python value."""
    if isinstance(value, Raw):
        return value
    if value is None:
        return null()
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, int):
        return long(value)
    if isinstance(value, float):
        return double(value)
    if isinstance(value, bytes):
        return binary(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, UUID):
        return uuid(value)
    if isinstance(value, Mapping):
        return map_((anything(key), anything(one)) for key, one in value.items())
    if isinstance(value, Sequence):
        return list_([anything(one) for one in value])
    raise AssertionError(f"no encoding for {value!r}")


def fields_(value: object) -> Raw:
    """§2.8.13: a map with symbols as keys."""
    assert isinstance(value, Mapping)
    return map_((symbol(key), anything(one)) for key, one in value.items())


def symbols(value: object) -> Raw:
    """§1.4 multiple: one symbol or an array of them."""
    if isinstance(value, str):
        return symbol(value)
    assert isinstance(value, Sequence)
    return array(0xB3, [struct.pack(">I", len(one)) + one.encode() for one in value])


# ---- composites: descriptor code, symbolic descriptor's middle, fields with their encoders

Fields = tuple[tuple[str, Encoder], ...]

ROLE: Encoder = boolean
TERMINUS: Fields = (
    ("address", anything),
    ("durable", uint),
    ("expiry-policy", symbol),
    ("timeout", uint),
    ("dynamic", boolean),
    ("dynamic-node-properties", fields_),
)
COMPOSITES: dict[str, tuple[int, Fields]] = {
    "open": (
        0x10,
        (
            ("container-id", string),
            ("hostname", string),
            ("max-frame-size", uint),
            ("channel-max", ushort),
            ("idle-time-out", uint),
            ("outgoing-locales", symbols),
            ("incoming-locales", symbols),
            ("offered-capabilities", symbols),
            ("desired-capabilities", symbols),
            ("properties", fields_),
        ),
    ),
    "begin": (
        0x11,
        (
            ("remote-channel", ushort),
            ("next-outgoing-id", uint),
            ("incoming-window", uint),
            ("outgoing-window", uint),
            ("handle-max", uint),
            ("offered-capabilities", symbols),
            ("desired-capabilities", symbols),
            ("properties", fields_),
        ),
    ),
    "attach": (
        0x12,
        (
            ("name", string),
            ("handle", uint),
            ("role", ROLE),
            ("snd-settle-mode", ubyte),
            ("rcv-settle-mode", ubyte),
            ("source", anything),
            ("target", anything),
            ("unsettled", anything),
            ("incomplete-unsettled", boolean),
            ("initial-delivery-count", uint),
            ("max-message-size", ulong),
            ("offered-capabilities", symbols),
            ("desired-capabilities", symbols),
            ("properties", fields_),
        ),
    ),
    "flow": (
        0x13,
        (
            ("next-incoming-id", uint),
            ("incoming-window", uint),
            ("next-outgoing-id", uint),
            ("outgoing-window", uint),
            ("handle", uint),
            ("delivery-count", uint),
            ("link-credit", uint),
            ("available", uint),
            ("drain", boolean),
            ("echo", boolean),
            ("properties", fields_),
        ),
    ),
    "transfer": (
        0x14,
        (
            ("handle", uint),
            ("delivery-id", uint),
            ("delivery-tag", binary),
            ("message-format", uint),
            ("settled", boolean),
            ("more", boolean),
            ("rcv-settle-mode", ubyte),
            ("state", anything),
            ("resume", boolean),
            ("aborted", boolean),
            ("batchable", boolean),
        ),
    ),
    "disposition": (
        0x15,
        (
            ("role", ROLE),
            ("first", uint),
            ("last", uint),
            ("settled", boolean),
            ("state", anything),
            ("batchable", boolean),
        ),
    ),
    "detach": (0x16, (("handle", uint), ("closed", boolean), ("error", anything))),
    "end": (0x17, (("error", anything),)),
    "close": (0x18, (("error", anything),)),
    "error": (0x1D, (("condition", symbol), ("description", string), ("info", fields_))),
    "received": (0x23, (("section-number", uint), ("section-offset", ulong))),
    "accepted": (0x24, ()),
    "rejected": (0x25, (("error", anything),)),
    "released": (0x26, ()),
    "modified": (
        0x27,
        (
            ("delivery-failed", boolean),
            ("undeliverable-here", boolean),
            ("message-annotations", fields_),
        ),
    ),
    "source": (
        0x28,
        (
            *TERMINUS,
            ("distribution-mode", symbol),
            ("filter", fields_),
            ("default-outcome", anything),
            ("outcomes", symbols),
            ("capabilities", symbols),
        ),
    ),
    "target": (0x29, (*TERMINUS, ("capabilities", symbols))),
    "coordinator": (0x30, (("capabilities", symbols),)),
    "declare": (0x31, (("global-id", anything),)),
    "discharge": (0x32, (("txn-id", binary), ("fail", boolean))),
    "declared": (0x33, (("txn-id", binary),)),
    "transactional-state": (0x34, (("txn-id", binary), ("outcome", anything))),
    "sasl-mechanisms": (0x40, (("sasl-server-mechanisms", symbols),)),
    "sasl-init": (
        0x41,
        (("mechanism", symbol), ("initial-response", binary), ("hostname", string)),
    ),
    "sasl-challenge": (0x42, (("challenge", binary),)),
    "sasl-response": (0x43, (("response", binary),)),
    "sasl-outcome": (0x44, (("code", ubyte), ("additional-data", binary))),
    "header": (
        0x70,
        (
            ("durable", boolean),
            ("priority", ubyte),
            ("ttl", uint),
            ("first-acquirer", boolean),
            ("delivery-count", uint),
        ),
    ),
    "properties": (
        0x73,
        (
            ("message-id", anything),
            ("user-id", binary),
            ("to", string),
            ("subject", string),
            ("reply-to", string),
            ("correlation-id", anything),
            ("content-type", symbol),
            ("content-encoding", symbol),
            ("absolute-expiry-time", timestamp),
            ("creation-time", timestamp),
            ("group-id", string),
            ("group-sequence", uint),
            ("reply-to-group-id", string),
        ),
    ),
}
BY_CODE = {code: (name, fields) for name, (code, fields) in COMPOSITES.items()}


def composite(name: str, /, **given: object) -> Raw:
    """A described list; fields by the specification's names with `_` for `-`.

    Trailing fields that were not given are left out (§1.4), others are null.
    """
    code, fields = COMPOSITES[name]
    values = {key.replace("_", "-").rstrip("-"): value for key, value in given.items()}
    items: list[bytes] = []
    for field, encode in fields:
        value = values.pop(field, None)
        if value is None:
            items.append(null())
        else:
            items.append(value if isinstance(value, Raw) else encode(value))
    assert not values, f"{name} has no {sorted(values)}"
    while items and items[-1] == null():
        items.pop()
    return described(code, list_(items))


ACCEPTED = composite("accepted")
RELEASED = composite("released")
ABANDONED = composite("modified", delivery_failed=True)
DEFERRED = composite("modified", delivery_failed=True, undeliverable_here=True)


def rejected(condition: str, description: str = "", **info: object) -> Raw:
    """§3.4.3 with an error of three fields."""
    error = composite("error", condition=condition, description=description, info=info)
    return composite("rejected", error=error)


def frame(body: bytes, channel: int = 0, kind: int = 0, extended: bytes = b"") -> bytes:
    """§2.3.1."""
    doff = 2 + len(extended) // 4
    size = 8 + len(extended) + len(body)
    return struct.pack(">IBBH", size, doff, kind, channel) + extended + body


# ---- decoding

FIXED: dict[int, tuple[str, str]] = {
    0x50: ("ubyte", ">B"),
    0x60: ("ushort", ">H"),
    0x70: ("uint", ">I"),
    0x80: ("ulong", ">Q"),
    0x51: ("byte", ">b"),
    0x61: ("short", ">h"),
    0x71: ("int", ">i"),
    0x81: ("long", ">q"),
    0x52: ("uint", ">B"),
    0x53: ("ulong", ">B"),
    0x54: ("int", ">b"),
    0x55: ("long", ">b"),
    0x73: ("char", ">I"),
    0x83: ("timestamp", ">q"),
}
CONSTANT: dict[int, object] = {
    0x40: None,
    0x41: True,
    0x42: False,
    0x43: Number("uint", 0),
    0x44: Number("ulong", 0),
    0x45: [],
}
OPAQUE = {0x74: 4, 0x84: 8, 0x94: 16}


def decode(data: bytes, at: int = 0) -> tuple[object, int]:
    """The value at `at` and where the next begins."""
    code = data[at]
    if code == 0:
        descriptor, at = decode(data, at + 1)
        value, at = decode(data, at)
        return name_it(descriptor, value), at
    return decode_as(code, data, at + 1)


def decode_as(code: int, data: bytes, at: int) -> tuple[object, int]:
    if code in CONSTANT:
        return CONSTANT[code], at
    if code in FIXED:
        kind, form = FIXED[code]
        (number,) = struct.unpack_from(form, data, at)
        return Number(kind, number), at + struct.calcsize(form)
    if code == 0x56:
        return data[at] != 0, at + 1
    if code in (0x72, 0x82):
        form = ">f" if code == 0x72 else ">d"
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if code in OPAQUE:
        return data[at : at + OPAQUE[code]], at + OPAQUE[code]
    if code == 0x98:
        return UUID(bytes=data[at : at + 16]), at + 16
    return decode_sized(code, data, at)


def decode_sized(code: int, data: bytes, at: int) -> tuple[object, int]:
    width, form = (1, ">B") if code in (0xA0, 0xA1, 0xA3, 0xC0, 0xC1, 0xE0) else (4, ">I")
    (size,) = struct.unpack_from(form, data, at)
    at += width
    end = at + size
    content = data[at:end]
    assert len(content) == size, f"a value of {size} bytes, of which {len(content)} are there"
    if code in (0xA0, 0xB0):
        return bytes(content), end
    if code in (0xA1, 0xB1):
        return content.decode(), end
    if code in (0xA3, 0xB3):
        return Symbol(content.decode("ascii")), end
    (count,) = struct.unpack_from(form, data, at)
    at += width
    if code in (0xE0, 0xF0):
        return decode_array(count, data, at), end
    items: list[object] = []
    for _ in range(count):
        item, at = decode(data, at)
        items.append(item)
    assert at == end, "a compound value whose size and count disagree"
    if code in (0xC0, 0xD0):
        return items, end
    assert code in (0xC1, 0xD1), f"no type has the code 0x{code:02x}"
    return dict(zip(items[::2], items[1::2], strict=True)), end


def decode_array(count: int, data: bytes, at: int) -> list[object]:
    code = data[at]
    assert code != 0, "arrays of described values are not for this peer"
    at += 1
    items: list[object] = []
    for _ in range(count):
        item, at = decode_as(code, data, at)
        items.append(item)
    return items


def name_it(descriptor: object, value: object) -> object:
    """A described list that the tables have becomes a `Composite`."""
    if isinstance(descriptor, Number) and descriptor in BY_CODE and isinstance(value, list):
        name, fields = BY_CODE[int(descriptor)]
        assert len(value) <= len(fields), f"{name} with {len(value)} fields"
        padded = value + [None] * (len(fields) - len(value))
        return Composite(
            name, len(value), dict(zip([f for f, _ in fields], padded, strict=True))
        )
    return Described(descriptor, value)


# ---- messages (§3.2)


def data_section(body: bytes) -> Raw:
    return described(0x75, binary(body))


def value_section(value: object) -> Raw:
    return described(0x77, anything(value))


def annotations(**given: object) -> Raw:
    """Message annotations; `_` for `-` in keys."""
    return described(0x72, fields_({key.replace("_", "-"): one for key, one in given.items()}))


def application_properties(given: Mapping[str, object]) -> Raw:
    return described(0x74, anything(given))


@dataclass(frozen=True)
class Message:
    """A payload, read: what stands before the bare message decoded, that itself as bytes."""

    header: Composite | None
    annotations: dict[object, object]
    bare: bytes

    @property
    def sections(self) -> list[tuple[int, object]]:
        """The bare message's sections: descriptor code and value."""
        found: list[tuple[int, object]] = []
        at = 0
        while at < len(self.bare):
            code, after = decode(self.bare, at + 1)
            value, at = decode(self.bare, after)
            assert isinstance(code, int)
            found.append((int(code), value))
        return found

    @property
    def application_properties(self) -> Mapping[str, object]:
        found = dict(self.sections).get(0x74, {})
        assert isinstance(found, dict)
        return found

    @property
    def body(self) -> bytes:
        found = dict(self.sections)[0x75]
        assert isinstance(found, bytes)
        return found


def read_message(payload: bytes) -> Message:
    header: Composite | None = None
    found: dict[object, object] = {}
    at = 0
    while at < len(payload):
        code, _ = decode(payload, at + 1)
        if not isinstance(code, int) or code >= 0x73:
            break
        value, at = decode(payload, at)
        if isinstance(value, Composite):
            header = value
        elif code == 0x72:
            assert isinstance(value, Described)
            assert isinstance(value.value, dict)
            found = value.value
    return Message(header, found, payload[at:])
