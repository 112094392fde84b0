"""What a transaction controller asks of a coordinator (part 4: §4.5.2, §4.5.3)."""

from typing import Final, TypeAlias, final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.composites import Fields, described_fields
from peeklock.protocols.amqp10.sections import ValueBody, read_body, split_message
from peeklock.protocols.amqp10.values import AmqpValue

DECLARE: Final = 0x31
DISCHARGE: Final = 0x32


@final
class Declare:
    """§4.5.2: begin a transaction. A global id, of a distributed one, is `has_global_id`."""

    __slots__ = ("has_global_id",)

    def __init__(self, has_global_id: bool = False) -> None:
        self.has_global_id: Final = has_global_id


@final
class Discharge:
    """§4.5.3: end a transaction: all of it, or, with `fail`, nothing of it."""

    __slots__ = ("fail", "txn_id")

    def __init__(self, txn_id: bytes, fail: bool = False) -> None:
        self.txn_id: Final = txn_id
        self.fail: Final = fail


ControllerRequest: TypeAlias = Declare | Discharge


def read_request(payload: bytes) -> ControllerRequest:
    """A message to a coordinator; raises `ProtocolViolation` for any other."""
    body = read_body(split_message(payload).bare)
    value: AmqpValue = body.value if isinstance(body, ValueBody) else None
    found = described_fields(value)
    if found is not None and found[0] == DECLARE:
        fields = Fields("declare", found[1], 1)
        return Declare(fields.raw() is not None)
    if found is not None and found[0] == DISCHARGE:
        fields = Fields("discharge", found[1], 2)
        txn_id = fields.binary("txn-id")
        if txn_id is None:
            raise ProtocolViolation("AMQP 1.0 §4.5.3", "a discharge lacks its txn-id")
        return Discharge(txn_id, fields.flag("fail", False))
    raise ProtocolViolation(
        "AMQP 1.0 §4.2", "a coordinator is sent declare and discharge, and nothing else"
    )
