"""Topic aliases (5.0 §3.3.2.3.4), each way by itself."""

import pytest

from peeklock.protocols.mqtt.aliases import NO_ALIAS, IncomingAliases, OutgoingAliases
from peeklock.protocols.mqtt.reason_codes import MqttViolation


def test_a_name_is_remembered_until_another_takes_its_place() -> None:
    """[MQTT-3.3.2-10]"""
    aliases = IncomingAliases(2)
    assert aliases.resolve(1, "a/b") == "a/b"
    assert aliases.resolve(1, "") == "a/b"
    assert aliases.resolve(2, "c") == "c"
    assert aliases.resolve(1, "longer/name") == "longer/name"
    assert aliases.resolve(1, "") == "longer/name"
    assert aliases.name_characters == len("longer/name") + len("c")
    with pytest.raises(MqttViolation, match="the maximum is 2"):
        aliases.resolve(3, "x")


def test_the_first_names_get_ours() -> None:
    """[MQTT-3.3.2-11] [MQTT-3.2.2-17] [MQTT-3.2.2-18]: and no others do."""
    assert OutgoingAliases(0).free() == NO_ALIAS
    aliases = OutgoingAliases(1)
    assert aliases.known("a") == NO_ALIAS
    assert aliases.free() == 1
    assert aliases.known("a") == NO_ALIAS  # until the peer has been told
    aliases.tell(1, "a")
    assert aliases.known("a") == 1
    assert aliases.free() == NO_ALIAS
