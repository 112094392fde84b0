"""SASL performatives (§5.3.3)."""

from dataclasses import dataclass
from typing import TypeAlias

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.composites import (
    UBYTE_MAX,
    Fields,
    described_fields,
    described_list,
)
from peeklock.protocols.amqp10.primitives import encode_value, read_value
from peeklock.protocols.amqp10.values import Symbol, UByte, symbols

OK = 0  # §5.3.3.6
AUTH = 1  # the credentials are wrong
SYS = 2  # something else is, and will stay so
SYS_PERM = 3
SYS_TEMP = 4


@dataclass(frozen=True)
class SaslMechanisms:
    """§5.3.3.1."""

    mechanisms: list[str]


@dataclass(frozen=True)
class SaslInit:
    """§5.3.3.2."""

    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


@dataclass(frozen=True)
class SaslChallenge:
    """§5.3.3.3."""

    challenge: bytes


@dataclass(frozen=True)
class SaslResponse:
    """§5.3.3.4."""

    response: bytes


@dataclass(frozen=True)
class SaslOutcome:
    """§5.3.3.5."""

    code: int
    additional_data: bytes | None = None


SaslPerformative: TypeAlias = (
    SaslMechanisms | SaslInit | SaslChallenge | SaslResponse | SaslOutcome
)


def decode_sasl(data: bytes, at: int, end: int) -> SaslPerformative:
    """The SASL frame body `data[at:end]`."""
    value, _after = read_value(data[at:end], 0)
    found = described_fields(value)
    if found is None:
        raise ProtocolViolation("AMQP 1.0 §5.3.2", "a SASL frame without a SASL performative")
    code, values = found
    if code == 0x40:
        return SaslMechanisms(Fields("sasl-mechanisms", values, 1).words("mechanisms"))
    if code == 0x41:
        fields = Fields("sasl-init", values, 3)
        mechanism = fields.symbol("mechanism")
        if mechanism is None:
            raise ProtocolViolation("AMQP 1.0 §5.3.3.2", "sasl-init lacks its mechanism")
        return SaslInit(
            str(mechanism), fields.binary("initial-response"), fields.text("hostname")
        )
    if code == 0x42:
        return SaslChallenge(Fields("sasl-challenge", values, 1).binary("challenge") or b"")
    if code == 0x43:
        return SaslResponse(Fields("sasl-response", values, 1).binary("response") or b"")
    if code == 0x44:
        fields = Fields("sasl-outcome", values, 2)
        outcome = fields.number_required("code", UBYTE_MAX)
        return SaslOutcome(outcome, fields.binary("additional-data"))
    raise ProtocolViolation("AMQP 1.0 §5.3.3", f"0x{code:x} is no SASL performative")


def encode_sasl(performative: SaslPerformative) -> bytes:
    if isinstance(performative, SaslMechanisms):
        return described_list(0x40, [encode_value(symbols(*performative.mechanisms))])
    if isinstance(performative, SaslInit):
        return described_list(
            0x41,
            [
                encode_value(Symbol(performative.mechanism)),
                encode_value(performative.initial_response),
                encode_value(performative.hostname),
            ],
        )
    if isinstance(performative, SaslChallenge):
        return described_list(0x42, [encode_value(performative.challenge)])
    if isinstance(performative, SaslResponse):
        return described_list(0x43, [encode_value(performative.response)])
    code = encode_value(UByte(performative.code))
    return described_list(0x44, [code, encode_value(performative.additional_data)])
