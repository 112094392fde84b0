"""Type encodings (§1.1–1.6): one reader and one writer for every type.

A reader takes `(data, at)` and returns the value and the offset after it. It trusts nothing:
every length is checked against the bytes that are there before anything is built, nesting
and element counts are bounded, and what breaks a rule is a `ProtocolViolation`. The frame
around it is complete, so there is no "not yet": too few bytes are the peer's mistake.
"""

from struct import Struct
from typing import Final, cast
from uuid import UUID

from peeklock.errors import ProtocolViolation
from peeklock.limits import (
    AMQP_ELEMENTS_MAX,
    AMQP_EMPTY_ELEMENTS_MAX,
    AMQP_NESTING_MAX,
    AMQP_ODD_KEYS_MAX,
)
from peeklock.protocols.amqp10.values import (
    AmqpArray,
    AmqpValue,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

U16: Final = Struct(">H")
U32: Final = Struct(">I")
U64: Final = Struct(">Q")
I16: Final = Struct(">h")
I32: Final = Struct(">i")
I64: Final = Struct(">q")
F32: Final = Struct(">f")
F64: Final = Struct(">d")

DESCRIBED: Final = 0x00
NULL: Final = 0x40

# Bytes after the format code for the fixed widths of §1.2, by the code's upper four bits;
# variable, compound and array codes are told apart by the same bits.
FIXED_WIDTHS: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
NARROW: Final = (0xA, 0xC, 0xE)  # one byte of size (and of count)
WIDE: Final = (0xB, 0xD, 0xF)  # four


def truncated(what: str) -> ProtocolViolation:
    return ProtocolViolation("AMQP 1.0 §1.6", f"{what} reaches beyond its frame")


def read_value(data: bytes, at: int, depth: int = 0) -> tuple[AmqpValue, int]:
    """Read one value of any type; raises `ProtocolViolation`."""
    if at >= len(data):
        raise truncated("a value")
    code = data[at]
    if code != DESCRIBED:
        return read_coded(data, at + 1, code, depth)
    if depth >= AMQP_NESTING_MAX:
        raise too_deep()
    descriptor, at = read_value(data, at + 1, depth + 1)
    value, at = read_value(data, at, depth + 1)
    return Described(descriptor, value), at


def too_deep() -> ProtocolViolation:
    return ProtocolViolation("AMQP 1.0 §1.6.22", f"nested more than {AMQP_NESTING_MAX} deep")


def read_coded(data: bytes, at: int, code: int, depth: int) -> tuple[AmqpValue, int]:
    """The value of format code `code` whose bytes start at `at`."""
    kind = code >> 4
    if kind <= 0x9:
        return read_fixed(data, at, code)
    if kind <= 0xB:
        return read_variable(data, at, code)
    if kind == 0xC or kind == 0xD:
        return read_compound(data, at, code, depth)
    return read_array(data, at, code, depth)


def read_fixed(data: bytes, at: int, code: int) -> tuple[AmqpValue, int]:
    """§1.6.1–1.6.18."""
    width = FIXED_WIDTHS.get(code >> 4)
    if width is None:
        raise unknown(code)
    end = at + width
    if end > len(data):
        raise truncated("a fixed-width value")
    if width == 0:
        return read_empty(code), end
    if width == 1:
        return read_one_byte(code, data[at]), end
    raw = data[at:end]
    if width == 2:
        if code == 0x60:
            return UShort(U16.unpack(raw)[0]), end
        if code == 0x61:
            return Short(I16.unpack(raw)[0]), end
        raise unknown(code)
    if width == 4:
        return read_four_bytes(code, raw), end
    if width == 8:
        return read_eight_bytes(code, raw), end
    if code == 0x98:
        return UUID(bytes=raw), end
    if code == 0x94:
        return Decimal128(raw), end
    raise unknown(code)


def unknown(code: int) -> ProtocolViolation:
    return ProtocolViolation("AMQP 1.0 §1.6", f"0x{code:02x} is no format code")


def read_empty(code: int) -> AmqpValue:
    if code == NULL:
        return None
    if code == 0x41:
        return True
    if code == 0x42:
        return False
    if code == 0x43:
        return UInt(0)
    if code == 0x44:
        return ULong(0)
    if code == 0x45:
        return []
    raise unknown(code)


def read_one_byte(code: int, byte: int) -> AmqpValue:
    if code == 0x53:
        return ULong(byte)
    if code == 0x52:
        return UInt(byte)
    if code == 0x50:
        return UByte(byte)
    if code == 0x56:
        if byte > 1:
            raise ProtocolViolation("AMQP 1.0 §1.6.2", f"a boolean is 0 or 1, not {byte}")
        return byte == 1
    signed = byte - 256 if byte > 127 else byte
    if code == 0x51:
        return Byte(signed)
    if code == 0x54:
        return Int(signed)
    if code == 0x55:
        return signed
    raise unknown(code)


def read_four_bytes(code: int, raw: bytes) -> AmqpValue:
    if code == 0x70:
        return UInt(U32.unpack(raw)[0])
    if code == 0x71:
        return Int(I32.unpack(raw)[0])
    if code == 0x72:
        return Float(F32.unpack(raw)[0])
    if code == 0x73:
        point = U32.unpack(raw)[0]
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:  # half a surrogate pair
            raise ProtocolViolation("AMQP 1.0 §1.6.16", f"U+{point:X} is no character")
        return Char(chr(point))
    if code == 0x74:
        return Decimal32(raw)
    raise unknown(code)


def read_eight_bytes(code: int, raw: bytes) -> AmqpValue:
    if code == 0x81:
        number: int = I64.unpack(raw)[0]
        return number
    if code == 0x80:
        return ULong(U64.unpack(raw)[0])
    if code == 0x83:
        return Timestamp(I64.unpack(raw)[0])
    if code == 0x82:
        real: float = F64.unpack(raw)[0]
        return real
    if code == 0x84:
        return Decimal64(raw)
    raise unknown(code)


def read_variable(data: bytes, at: int, code: int) -> tuple[AmqpValue, int]:
    """§1.6.19–1.6.21: binary, string, symbol."""
    start, end = variable_bounds(data, at, code >> 4 == 0xB)
    raw = data[start:end]
    kind = code & 0xF
    try:
        if kind == 0:
            return raw, end
        if kind == 1:
            return raw.decode("utf-8"), end
        if kind == 3:
            return Symbol(raw.decode("ascii")), end
    except UnicodeDecodeError as error:
        raise ProtocolViolation(
            "AMQP 1.0 §1.6.20", f"text that is not {error.encoding}"
        ) from None
    raise unknown(code)


def variable_bounds(data: bytes, at: int, wide: bool) -> tuple[int, int]:
    """Where the bytes behind a one- or four-byte size begin and end."""
    start = at + 4 if wide else at + 1
    if start > len(data):
        raise truncated("a size")
    size = U32.unpack_from(data, at)[0] if wide else data[at]
    end: int = start + size
    if end > len(data):
        raise truncated(f"a size of {size} bytes")
    return start, end


def compound_bounds(data: bytes, at: int, wide: bool) -> tuple[int, int, int]:
    """Where the elements begin, where they end, and how many there are said to be."""
    start, end = variable_bounds(data, at, wide)
    body = start + (4 if wide else 1)
    if body > end:
        raise truncated("a count")
    count: int = U32.unpack_from(data, start)[0] if wide else data[start]
    if count > AMQP_ELEMENTS_MAX:
        raise ProtocolViolation(
            "AMQP 1.0 §1.6.22", f"{count} elements; at most {AMQP_ELEMENTS_MAX} are read"
        )
    return body, end, count


def read_compound(data: bytes, at: int, code: int, depth: int) -> tuple[AmqpValue, int]:
    """§1.6.22 list, §1.6.23 map."""
    at, end, count = compound_bounds(data, at, code >> 4 == 0xD)
    if depth >= AMQP_NESTING_MAX:
        raise too_deep()
    if count > end - at:
        raise truncated(f"a list or map of {count} elements")
    values: list[AmqpValue] = []
    for _ in range(count):
        value, at = read_value(data, at, depth + 1)
        if at > end:
            raise truncated("an element")
        values.append(value)
    if at != end:
        raise ProtocolViolation("AMQP 1.0 §1.6.22", "elements do not fill their list or map")
    kind = code & 0xF
    if kind == 0:
        return values, end
    if kind == 1:
        return as_map(values), end
    raise unknown(code)


def as_map(values: list[AmqpValue]) -> dict[AmqpValue, AmqpValue]:
    if len(values) % 2:
        raise ProtocolViolation("AMQP 1.0 §1.6.23", "a map with a key that has no value")
    if len(values) > 2 * AMQP_ODD_KEYS_MAX and has_odd_keys(values):
        raise ProtocolViolation(
            "AMQP 1.0 §1.6.23",
            f"a map of {len(values) // 2} keys that are not all text, binary or whole numbers;"
            f" at most {AMQP_ODD_KEYS_MAX} are read",
        )
    try:
        result = dict(zip(values[::2], values[1::2], strict=True))
    except TypeError:
        raise ProtocolViolation(
            "AMQP 1.0 §1.6.23", "a map's key is a list, map or array"
        ) from None
    if 2 * len(result) != len(values):
        # Keys of different types may be equal in Python (1 and true), not in AMQP.
        distinct = {(type(key), key) for key in values[::2]}
        if 2 * len(distinct) != len(values):
            raise ProtocolViolation("AMQP 1.0 §1.6.23", "a map with the same key twice")
    return result


def has_odd_keys(values: list[AmqpValue]) -> bool:
    """Keys whose hashes a peer can choose, so that each is compared with all before it."""
    return not all(isinstance(key, (str, bytes, int)) for key in values[::2])


def read_array(data: bytes, at: int, code: int, depth: int) -> tuple[AmqpValue, int]:
    """§1.6.24: one constructor for all elements."""
    if code != 0xE0 and code != 0xF0:
        raise unknown(code)
    at, end, count = compound_bounds(data, at, code == 0xF0)
    if depth >= AMQP_NESTING_MAX:
        raise too_deep()
    if count == 0 and at == end:  # the Service Bus SDK for Python leaves out the constructor
        return AmqpArray(NULL, []), end
    descriptor: AmqpValue = None
    if at < end and data[at] == DESCRIBED:
        descriptor, at = read_value(data, at + 1, depth + 1)
    if at >= end:
        raise truncated("an array's constructor")
    element = data[at]
    at += 1
    width = FIXED_WIDTHS.get(element >> 4, 1)
    if width and count > (end - at) // width:
        raise truncated(f"an array of {count} elements")
    if not width and count > AMQP_EMPTY_ELEMENTS_MAX:
        raise ProtocolViolation(
            "AMQP 1.0 §1.6.24",
            f"{count} elements without a byte; at most {AMQP_EMPTY_ELEMENTS_MAX} are read",
        )
    values: list[AmqpValue] = []
    for _ in range(count):
        value, at = read_coded(data, at, element, depth + 1)
        values.append(value)
    if at != end:
        raise ProtocolViolation("AMQP 1.0 §1.6.24", "elements do not fill their array")
    return AmqpArray(element, values, descriptor), end


def skip_value(data: bytes, at: int) -> int:
    """The offset after the value at `at`, without building or validating its inside."""
    size = len(data)
    wanted = 1  # values that are still to come
    described = 0
    while wanted:
        if at >= size:
            raise truncated("a value")
        code = data[at]
        at += 1
        if code == DESCRIBED:  # a descriptor and a value follow instead of one value
            wanted += 1
            described += 1
            if described > AMQP_NESTING_MAX:
                raise too_deep()
            continue
        kind = code >> 4
        width = FIXED_WIDTHS.get(kind)
        if width is not None:
            at += width
        elif kind in NARROW:
            if at >= size:
                raise truncated("a size")
            at += 1 + data[at]
        elif kind in WIDE:
            if at + 4 > size:
                raise truncated("a size")
            at += 4 + int(U32.unpack_from(data, at)[0])
        else:
            raise unknown(code)
        wanted -= 1
    if at > size:
        raise truncated("a value")
    return at


# ---- writing


def encode_value(value: AmqpValue) -> bytes:
    """`value` in its smallest encoding."""
    out = bytearray()
    write_value(out, value)
    return bytes(out)


def write_value(out: bytearray, value: AmqpValue) -> None:
    """Append `value` in its smallest encoding; `TypeError` for what AMQP has no type for."""
    # Asked beside the chain: in it, mypyc would hand on a narrowed `int`, an unboxed number
    # that has forgotten whether it was a `UInt`.
    is_integer = isinstance(value, int)
    if value is None:
        out.append(NULL)
    elif isinstance(value, bool):
        out.append(0x41 if value else 0x42)
    elif isinstance(value, str):
        write_text(out, value)
    elif is_integer:
        write_integer(out, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        write_binary(out, value)
    elif isinstance(value, Float):
        out.append(0x72)
        out += F32.pack(value)
    elif isinstance(value, float):
        out.append(0x82)
        out += F64.pack(value)
    elif isinstance(value, AmqpArray):
        write_array(out, value)
    elif isinstance(value, (list, tuple)):
        write_list(out, [encode_value(element) for element in value])
    elif isinstance(value, dict):
        write_map(out, value)
    elif isinstance(value, UUID):
        out.append(0x98)
        out += value.bytes
    elif isinstance(value, Described):
        out.append(DESCRIBED)
        write_value(out, value.descriptor)
        write_value(out, value.value)
    else:
        raise TypeError(f"AMQP 1.0 has no type for {type(value).__name__}")


def write_text(out: bytearray, value: str) -> None:
    if isinstance(value, Symbol):
        write_variable(out, 0xA3, value.encode("ascii"))
    elif isinstance(value, Char):
        out.append(0x73)
        out += U32.pack(ord(value))
    else:
        write_variable(out, 0xA1, value.encode("utf-8"))


def write_binary(out: bytearray, value: bytes | bytearray | memoryview) -> None:
    if isinstance(value, Decimal128):
        out.append(0x94)
        out += value
    elif isinstance(value, Decimal64):
        out.append(0x84)
        out += value
    elif isinstance(value, Decimal32):
        out.append(0x74)
        out += value
    else:
        write_variable(out, 0xA0, bytes(value))


def write_variable(out: bytearray, narrow_code: int, raw: bytes) -> None:
    if len(raw) < 256:
        out.append(narrow_code)
        out.append(len(raw))
    else:
        out.append(narrow_code + 0x10)
        out += U32.pack(len(raw))
    out += raw


def write_integer(out: bytearray, value: AmqpValue) -> None:
    """Any `int`; the parameter's type is wider so that, compiled, it keeps its class."""
    number = cast(int, value)
    if isinstance(value, UInt):
        if number == 0:
            out.append(0x43)
        elif number < 256:
            out.append(0x52)
            out.append(number)
        else:
            out.append(0x70)
            out += U32.pack(number)
    elif isinstance(value, ULong):
        if number == 0:
            out.append(0x44)
        elif number < 256:
            out.append(0x53)
            out.append(number)
        else:
            out.append(0x80)
            out += U64.pack(number)
    elif isinstance(value, Timestamp):
        out.append(0x83)
        out += I64.pack(number)
    elif isinstance(value, Int):
        if -128 <= number <= 127:
            out.append(0x54)
            out.append(number & 0xFF)
        else:
            out.append(0x71)
            out += I32.pack(number)
    else:
        write_other_integer(out, value, number)


def write_other_integer(out: bytearray, value: AmqpValue, number: int) -> None:
    if isinstance(value, UByte):
        out.append(0x50)
        out.append(number)
    elif isinstance(value, UShort):
        out.append(0x60)
        out += U16.pack(number)
    elif isinstance(value, Byte):
        out.append(0x51)
        out.append(number & 0xFF)
    elif isinstance(value, Short):
        out.append(0x61)
        out += I16.pack(number)
    elif -128 <= number <= 127:
        out.append(0x55)
        out.append(number & 0xFF)
    else:
        out.append(0x81)
        out += I64.pack(number)


def write_list(out: bytearray, encoded: list[bytes]) -> None:
    """A list of values that are encoded already."""
    body = b"".join(encoded)
    if not encoded:
        out.append(0x45)
    elif len(body) < 255 and len(encoded) < 256:
        out.append(0xC0)
        out.append(len(body) + 1)
        out.append(len(encoded))
        out += body
    else:
        out.append(0xD0)
        out += U32.pack(len(body) + 4)
        out += U32.pack(len(encoded))
        out += body


def write_map(out: bytearray, value: dict[AmqpValue, AmqpValue]) -> None:
    body = bytearray()
    for key, element in value.items():
        write_value(body, key)
        write_value(body, element)
    write_encoded_map(out, body, 2 * len(value))


def write_encoded_map(out: bytearray, body: bytes | bytearray, count: int) -> None:
    """A map of `count` keys and values, which are encoded already."""
    if len(body) < 255 and count < 256:
        out.append(0xC1)
        out.append(len(body) + 1)
        out.append(count)
    else:
        out.append(0xD1)
        out += U32.pack(len(body) + 4)
        out += U32.pack(count)
    out += body


# The format code with which an array's elements are all written: the full width of the code
# that was read, since elements of one array share it.
FULL_WIDTH: Final = {
    0x41: 0x56, 0x42: 0x56, 0x43: 0x70, 0x44: 0x80, 0x45: 0xD0, 0x52: 0x70, 0x53: 0x80,
    0x54: 0x71, 0x55: 0x81, 0xA0: 0xB0, 0xA1: 0xB1, 0xA3: 0xB3, 0xC0: 0xD0, 0xC1: 0xD1,
    0xE0: 0xF0,
}  # fmt: skip


def write_array(out: bytearray, value: AmqpArray) -> None:
    code = FULL_WIDTH.get(value.code, value.code)
    body = bytearray()
    if value.descriptor is not None:
        body.append(DESCRIBED)
        write_value(body, value.descriptor)
    body.append(code)
    for element in value:
        write_full_width(body, code, element)
    if len(body) < 255 and len(value) < 256:
        out.append(0xE0)
        out.append(len(body) + 1)
        out.append(len(value))
    else:
        out.append(0xF0)
        out += U32.pack(len(body) + 4)
        out += U32.pack(len(value))
    out += body


def write_full_width(out: bytearray, code: int, element: AmqpValue) -> None:
    """An element's bytes alone, in the encoding that `code` names."""
    kind = code >> 4
    if code == 0x56:
        out.append(1 if element else 0)
    elif code == 0x70 or code == 0x80 or code == 0x71 or code == 0x81:
        assert isinstance(element, int)
        packers = {0x70: U32, 0x80: U64, 0x71: I32, 0x81: I64}
        out += packers[code].pack(element)
    elif kind == 0xB:
        raw = element.encode("utf-8") if isinstance(element, str) else element
        assert isinstance(raw, bytes)
        out += U32.pack(len(raw))
        out += raw
    elif kind >= 0xC:
        out += widened(encode_value(element))
    else:
        out += encode_value(element)[1:]


def widened(encoded: bytes) -> bytes:
    """A compound or array encoding without its code, with four-byte size and count."""
    code = encoded[0]
    if code == 0x45:
        return U32.pack(4) + U32.pack(0)
    if code >> 4 in WIDE:
        return encoded[1:]
    return U32.pack(encoded[1] + 3) + U32.pack(encoded[2]) + encoded[3:]
