"""Topic aliases (5.0 §3.3.2.3.4): a number for a topic name, on one connection and one way.

Neither end carries them to another connection [MQTT-3.3.2-7].
"""

from typing import Final, final

from peeklock.protocols.mqtt.reason_codes import (
    TOPIC_ALIAS_INVALID,
    MqttViolation,
    protocol_error,
)

NO_ALIAS: Final = 0


@final
class IncomingAliases:
    """The peer's: at most as many as we told it."""

    def __init__(self, maximum: int) -> None:
        self.maximum: Final = maximum
        self.name_characters = 0  # of all names together: what they may cost us
        self._names: Final[dict[int, str]] = {}

    def resolve(self, alias: int, topic_name: str) -> str:
        """The name that a PUBLISH means which came with this alias, and perhaps a name."""
        if alias > self.maximum:  # all up to it are taken [MQTT-3.3.2-10] [MQTT-3.3.2-12]
            what = f"a topic alias of {alias}; the maximum is {self.maximum}"
            raise MqttViolation("MQTT-3.3.2-9", what, TOPIC_ALIAS_INVALID)
        known = self._names.get(alias)
        if not topic_name:
            if known is None:
                what = f"topic alias {alias} stands for nothing yet"
                raise protocol_error("MQTT 5.0 §3.3.2.3.4", what)
            return known
        if known is not None:
            self.name_characters -= len(known)
        self._names[alias] = topic_name
        self.name_characters += len(topic_name)
        return topic_name


@final
class OutgoingAliases:
    """Ours: the first names that we send get them, and keep them."""

    def __init__(self, maximum: int) -> None:
        self.maximum: Final = maximum
        self._aliases: Final[dict[str, int]] = {}

    def known(self, topic_name: str) -> int:
        """Its alias, when the peer has been told of it."""
        return self._aliases.get(topic_name, NO_ALIAS)

    def free(self) -> int:
        """An alias that stands for nothing yet, if there is one [MQTT-3.3.2-11]."""
        return len(self._aliases) + 1 if len(self._aliases) < self.maximum else NO_ALIAS

    def tell(self, alias: int, topic_name: str) -> None:
        """The peer has been sent both."""
        self._aliases[topic_name] = alias
