"""What a receiver's outcomes ask for, and which properties they set."""

from uuid import UUID

import pytest

from peeklock.entities.dispositions import Disposition, Verdict
from peeklock.frontends.amqp_outcomes import answer_to, disposition_of
from peeklock.protocols.amqp10.outcomes import (
    AmqpError,
    DeliveryState,
    Modified,
    Rejected,
)
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.values import (
    AmqpArray,
    AmqpValue,
    Described,
    Int,
    Symbol,
    Timestamp,
    ULong,
)
from peeklock.types import NEVER

DUE: dict[AmqpValue, AmqpValue] = {Symbol("x-opt-delivery-time"): Timestamp(5000)}
SIMPLE: dict[AmqpValue, AmqpValue] = {
    Symbol("seen"): True,
    "count": Int(3),
    Symbol("id"): UUID(int=1),
    Symbol("none"): None,
    Symbol("span"): Described(Symbol("com.microsoft:timespan"), 10),
}
PASSED_OVER: dict[AmqpValue, AmqpValue] = {
    Symbol("x-opt-partition-key"): "k",
    Symbol("map"): {"a": 1},
    Symbol("list"): [1],
    Symbol("array"): AmqpArray(0x81, [1]),
    Symbol("twice"): Described(Symbol("a"), Described(Symbol("b"), 1)),
    ULong(7): "reserved",
}


def asked(state: DeliveryState) -> Disposition:
    found = disposition_of(state)
    assert found is not None
    return found


def properties(disposition: Disposition) -> dict[str, bytes] | None:
    given = disposition.properties
    return None if given is None else dict(given)


def encoded(values: dict[AmqpValue, AmqpValue]) -> dict[str, bytes]:
    return {str(name): encode_value(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (Modified(True, False, {**SIMPLE, **PASSED_OVER}), Verdict.ABANDON),
        (Modified(False, True, {**SIMPLE, **PASSED_OVER}), Verdict.DEFER),
        (Rejected(AmqpError("x", None, {**SIMPLE, **PASSED_OVER})), Verdict.DEAD_LETTER),
    ],
)
def test_simple_values_become_properties(state: DeliveryState, verdict: Verdict) -> None:
    found = asked(state)
    assert found.verdict is verdict
    assert properties(found) == encoded(SIMPLE)


@pytest.mark.parametrize(
    "state",
    [
        Modified(True),
        Modified(True, True),
        Modified(True, False, DUE),
        Modified(True, False, {}),
        Rejected(None),
        Rejected(AmqpError("x")),
        Rejected(AmqpError("x", None, dict(PASSED_OVER))),
    ],
)
def test_without_any_the_message_stays_as_it_is(state: DeliveryState) -> None:
    assert asked(state).properties is None


def test_a_time_keeps_its_meaning() -> None:
    found = asked(Modified(True, False, {**DUE, Symbol("seen"): True}))
    assert found.not_before == 5000
    assert properties(found) == encoded({"seen": True})
    assert asked(Modified(True, True, dict(DUE))).not_before == NEVER


def test_a_reason_and_a_description_are_the_dead_letters() -> None:
    info: dict[AmqpValue, AmqpValue] = {
        Symbol("DeadLetterReason"): "bad",
        Symbol("DeadLetterErrorDescription"): "why",
        Symbol("seen"): True,
    }
    found = asked(Rejected(AmqpError("com.microsoft:dead-letter", None, info)))
    assert (found.reason, found.description) == ("bad", "why")
    assert properties(found) == encoded({"seen": True})


def test_the_answer_does_not_say_them_again() -> None:
    answer = answer_to(Modified(True, True, dict(SIMPLE)))
    assert isinstance(answer, Modified)
    assert (answer.delivery_failed, answer.undeliverable_here) == (True, True)
    assert answer.message_annotations is None
