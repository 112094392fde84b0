"""User properties of MQTT 5 ⇄ application properties of AMQP: texts by name, in their order."""

from collections.abc import Mapping
from typing import Final

from peeklock.filters.values import text_of
from peeklock.limits import MQTT_STRING_BYTES_MAX
from peeklock.protocols.amqp10.values import AmqpValue, Symbol
from peeklock.protocols.mqtt.properties import UserProperty

# A message annotation of ours, where application properties cannot say all: name, value, name …
USER_PROPERTIES: Final = Symbol("x-opt-mqtt-user-properties")


def first_values(user: tuple[UserProperty, ...]) -> dict[str, str]:
    """In their order. AMQP's maps have a key once (§1.6.23): the first value is shown there."""
    found: dict[str, str] = {}
    for name, value in user:
        found.setdefault(name, value)
    return found


def user_properties_of(
    application: Mapping[AmqpValue, AmqpValue],
) -> tuple[UserProperty, ...]:
    """Application properties as texts, in their order, but for what no string can be."""
    found: list[UserProperty] = []
    for name, value in application.items():
        text = text_of_property(value)
        if isinstance(name, str) and text is not None and fits(name) and fits(text):
            found.append((str(name), text))
    return tuple(found)


def text_of_property(value: AmqpValue) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, int, float, bytes)):
        return text_of(value)
    return str(value)


def flat(user: tuple[UserProperty, ...]) -> list[AmqpValue]:
    """As the annotation has them."""
    return [text for pair in user for text in pair]


def kept_in(annotation: object) -> tuple[UserProperty, ...]:
    """And back; nothing of what somebody else has put there."""
    if not isinstance(annotation, list) or len(annotation) % 2:
        return ()
    pairs: list[UserProperty] = []
    for at in range(0, len(annotation), 2):
        name = annotation[at]
        value = annotation[at + 1]
        if not isinstance(name, str) or not isinstance(value, str):
            return ()
        if not fits(name) or not fits(value):
            return ()
        pairs.append((str(name), str(value)))
    return tuple(pairs)


def fits(text: str) -> bool:
    """Is it a UTF-8 Encoded String [MQTT-1.5.4-1] [MQTT-1.5.4-2] (§1.5.4)?"""
    if "\0" in text:
        return False
    try:
        return len(text.encode()) <= MQTT_STRING_BYTES_MAX
    except UnicodeEncodeError:
        return False
