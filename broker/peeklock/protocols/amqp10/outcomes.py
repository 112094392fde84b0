"""Delivery states (§3.4, §4.5) and the error that some carry (§2.8.14)."""

from typing import Final, TypeAlias, final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.composites import (
    ULONG_MAX,
    Fields,
    described_fields,
    described_list,
    encode_composite,
    with_symbol_keys,
)
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, UInt, ULong

NULL_BYTES: Final = b"\x40"
# Of an error's description, at four bytes each, with all else of its frame below 512.
BRIEF_CHARACTERS_MAX: Final = 80


@final
class AmqpError:
    """§2.8.14: what went wrong. Written with all three fields: some clients index them."""

    __slots__ = ("condition", "description", "info")
    __match_args__ = ("condition", "description", "info")

    def __init__(
        self,
        condition: str,
        description: str | None = None,
        info: dict[AmqpValue, AmqpValue] | None = None,
    ) -> None:
        self.condition: Final = condition
        self.description: Final = description
        self.info: Final = info

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AmqpError) and (
            (self.condition, self.description, self.info)
            == (other.condition, other.description, other.info)
        )

    def __hash__(self) -> int:
        return hash((self.condition, self.description))

    def __repr__(self) -> str:
        return f"AmqpError({self.condition!r}, {self.description!r})"


@final
class Received:
    """§3.4.1: a state, not an outcome: how far a partial delivery has come."""

    __slots__ = ("section_number", "section_offset")
    __match_args__ = ("section_number", "section_offset")

    def __init__(self, section_number: int, section_offset: int) -> None:
        self.section_number: Final = section_number
        self.section_offset: Final = section_offset


@final
class Accepted:
    """§3.4.2: processed."""

    __slots__ = ()


@final
class Rejected:
    """§3.4.3: cannot be processed."""

    __slots__ = ("error",)
    __match_args__ = ("error",)

    def __init__(self, error: AmqpError | None = None) -> None:
        self.error: Final = error


@final
class Released:
    """§3.4.4: not processed, and may be delivered again."""

    __slots__ = ()


@final
class Modified:
    """§3.4.5: not processed; what a later delivery should know of it."""

    __slots__ = ("delivery_failed", "message_annotations", "undeliverable_here")
    __match_args__ = ("delivery_failed", "undeliverable_here", "message_annotations")

    def __init__(
        self,
        delivery_failed: bool = False,
        undeliverable_here: bool = False,
        message_annotations: dict[AmqpValue, AmqpValue] | None = None,
    ) -> None:
        self.delivery_failed: Final = delivery_failed
        self.undeliverable_here: Final = undeliverable_here
        self.message_annotations: Final = message_annotations


@final
class Declared:
    """§4.5.6: a transaction has begun."""

    __slots__ = ("txn_id",)

    def __init__(self, txn_id: bytes) -> None:
        self.txn_id: Final = txn_id


@final
class TransactionalState:
    """§4.5.8: an outcome that holds when its transaction does."""

    __slots__ = ("outcome", "txn_id")

    def __init__(self, txn_id: bytes, outcome: "DeliveryState | None" = None) -> None:
        self.txn_id: Final = txn_id
        self.outcome: Final = outcome


DeliveryState: TypeAlias = (
    Received | Accepted | Rejected | Released | Modified | Declared | TransactionalState
)

ACCEPTED: Final = Accepted()
RELEASED: Final = Released()
ACCEPTED_BYTES: Final = b"\x00\x53\x24\x45"
RELEASED_BYTES: Final = b"\x00\x53\x26\x45"

ACCEPTED_SYMBOL: Final = "amqp:accepted:list"
REJECTED_SYMBOL: Final = "amqp:rejected:list"
RELEASED_SYMBOL: Final = "amqp:released:list"
MODIFIED_SYMBOL: Final = "amqp:modified:list"
OUTCOME_SYMBOLS: Final = [ACCEPTED_SYMBOL, REJECTED_SYMBOL, RELEASED_SYMBOL, MODIFIED_SYMBOL]


def encode_error(error: AmqpError | None) -> bytes:
    if error is None:
        return NULL_BYTES
    info = with_symbol_keys(error.info or {})
    return encode_composite(0x1D, [Symbol(error.condition), error.description, info])


def brief(error: AmqpError | None) -> AmqpError | None:
    """The same error in few words, for a peer whose frames are small."""
    if error is None:
        return None
    return AmqpError(error.condition, (error.description or "")[:BRIEF_CHARACTERS_MAX])


def brief_state(state: DeliveryState | None) -> DeliveryState | None:
    """The same outcome, without what may not fit into a small frame."""
    if isinstance(state, Rejected):
        return Rejected(brief(state.error))
    if isinstance(state, Modified):
        return Modified(state.delivery_failed, state.undeliverable_here)
    if isinstance(state, TransactionalState):
        return TransactionalState(state.txn_id, brief_state(state.outcome))
    return state


def read_error(value: AmqpValue) -> AmqpError | None:
    if value is None:
        return None
    found = described_fields(value)
    if found is None or found[0] != 0x1D:
        raise ProtocolViolation("AMQP 1.0 §2.8.14", "an error that is no error composite")
    fields = Fields("error", found[1], 3)
    condition = fields.symbol("condition")
    if condition is None:
        raise ProtocolViolation("AMQP 1.0 §2.8.14", "an error without its condition")
    return AmqpError(str(condition), fields.text("description"), fields.mapping("info"))


def encode_state(state: DeliveryState | None) -> bytes:
    if isinstance(state, Accepted):
        return ACCEPTED_BYTES
    if isinstance(state, Released):
        return RELEASED_BYTES
    if isinstance(state, Modified):
        fields: list[AmqpValue] = [
            state.delivery_failed,
            state.undeliverable_here,
            state.message_annotations,
        ]
        return encode_composite(0x27, fields)
    if isinstance(state, Rejected):
        return described_list(0x25, [encode_error(state.error)])
    if isinstance(state, Received):
        return encode_composite(0x23, [UInt(state.section_number), ULong(state.section_offset)])
    if isinstance(state, Declared):
        return encode_composite(0x33, [state.txn_id])
    if isinstance(state, TransactionalState):
        return described_list(0x34, [encode_value(state.txn_id), encode_state(state.outcome)])
    return NULL_BYTES


def read_state(value: AmqpValue) -> DeliveryState | None:
    """A delivery state; raises `ProtocolViolation` for one that nobody has defined."""
    if value is None:
        return None
    found = described_fields(value)
    if found is None:
        raise ProtocolViolation("AMQP 1.0 §3.4", "a delivery state of no known type")
    code, values = found
    if code == 0x24:
        Fields("accepted", values, 0)
        return ACCEPTED
    if code == 0x26:
        Fields("released", values, 0)
        return RELEASED
    if code == 0x25:
        return Rejected(read_error(Fields("rejected", values, 1).raw()))
    if code == 0x27:
        fields = Fields("modified", values, 3)
        return Modified(
            fields.flag("delivery-failed", False),
            fields.flag("undeliverable-here", False),
            fields.mapping("message-annotations"),
        )
    return read_rare_state(code, values)


def read_rare_state(code: int, values: list[AmqpValue]) -> DeliveryState:
    if code == 0x23:
        fields = Fields("received", values, 2)
        number = fields.number_required("section-number")
        return Received(number, fields.number_required("section-offset", ULONG_MAX))
    if code == 0x33:
        fields = Fields("declared", values, 1)
        return Declared(fields.binary("txn-id") or b"")
    if code == 0x34:
        fields = Fields("transactional-state", values, 2)
        txn_id = fields.binary("txn-id")
        if txn_id is None:
            raise ProtocolViolation("AMQP 1.0 §4.5.8", "a transactional state lacks its txn-id")
        return TransactionalState(txn_id, read_state(fields.raw()))
    raise ProtocolViolation("AMQP 1.0 §3.4", f"0x{code:x} is no delivery state")
