"""The values that rules compare with ⇄ AMQP's types.

Instants are timestamps (§1.6.17); durations, which AMQP has not, are what .NET's clients write.
"""

from collections.abc import Iterable, Mapping

from peeklock.entities.settings import Scalar
from peeklock.filters.values import in_utc
from peeklock.frontends.amqp_rewrite import amqp_value
from peeklock.frontends.amqp_view import scalar
from peeklock.protocols.amqp10.values import AmqpValue, Described, Timestamp

# Arguments of a rule that are maps of such values.
COMPARED = ("correlation", "properties", "parameters", "action_parameters")


def read_values(given: AmqpValue) -> AmqpValue:
    """A map's values as filters have them; what is no map, or no scalar, stays as it is, for
    whoever refuses it to show."""
    if not isinstance(given, dict):
        return given
    return {name: read_value(value) for name, value in given.items()}


def read_value(value: AmqpValue) -> AmqpValue:
    if isinstance(value, (Timestamp, Described)):
        found = scalar(value)
        return value if found is None else found
    return value


def read_arguments(arguments: Mapping[str, AmqpValue]) -> dict[str, AmqpValue]:
    """A rule's arguments, the values that it compares with as filters have them."""
    return {
        name: read_values(value) if name in COMPARED else value
        for name, value in arguments.items()
    }


def written(values: Iterable[tuple[str, Scalar]]) -> dict[str, AmqpValue]:
    return {name: amqp_value(in_utc(value)) for name, value in values}
