"""Where 3.1.1 says what 5.0 says under another number.

The code names 5.0's statements; a connection of 3.1.1 is told its own.
"""

from typing import Final

V3_CLAUSES: Final[dict[str, str]] = {
    "MQTT-1.5.4-1": "MQTT-1.5.3-1",
    "MQTT-1.5.4-2": "MQTT-1.5.3-2",
    "MQTT-1.5.5-1": "MQTT 3.1.1 §2.2.3",
    "MQTT-2.1.3-1": "MQTT-2.2.2-2",
    "MQTT-2.2.1-3": "MQTT-2.3.1-1, MQTT-2.3.1-2",  # not 0, and not in use
    "MQTT-2.2.1-5": "MQTT-2.3.1-6",
    "MQTT-2.2.1-6": "MQTT-2.3.1-7",
    "MQTT-3.1.2-11": "MQTT-3.1.2-13",
    "MQTT-3.1.2-12": "MQTT-3.1.2-14",
    "MQTT-3.1.2-13": "MQTT-3.1.2-15",
    "MQTT-3.1.2-22": "MQTT-3.1.2-24",
    "MQTT-3.2.0-2": "MQTT-3.2.0-1",
    "MQTT-3.2.2-1": "MQTT 3.1.1 §3.2.2.1",
    "MQTT-3.2.2-4": "MQTT 3.1.1 §3.2.2.2",
    "MQTT-3.2.2-6": "MQTT-3.2.2-4",
    "MQTT-3.2.2-8": "MQTT 3.1.1 §3.2.2.3",
    # A server of 3.1.1 cannot tell what it does not offer, or what is too large: it closes.
    "MQTT-3.2.2-11": "MQTT-4.8.0-2",
    "MQTT-3.2.2-12": "MQTT-4.8.0-2",
    "MQTT-3.2.2-13": "MQTT-4.8.0-2",
    "MQTT-3.2.2-14": "MQTT-4.8.0-2",
    "MQTT-3.2.2-15": "MQTT-4.8.0-2",
    "MQTT-3.3.4-1": "MQTT 3.1.1 §3.3.4",
    "MQTT-3.3.4-7": "MQTT-4.8.0-2",
    "MQTT-3.8.3-2": "MQTT-3.8.3-3",
    "MQTT-3.8.3-5": "MQTT-3.8.3-4",
    "MQTT-3.8.4-6": "MQTT-3.8.4-5",
    "MQTT-3.9.3-1": "MQTT-3.8.4-5",
    "MQTT-4.3.3-4": "MQTT-4.3.3-1",
    "MQTT-4.7.0-1": "MQTT-4.7.1-1",
    "MQTT-4.7.1-1": "MQTT-4.7.1-2",
    "MQTT-4.7.1-2": "MQTT-4.7.1-3",
    "MQTT-4.13.1-1": "MQTT-4.8.0-1",
}


def clause_for(section: str, *, is_v5: bool) -> str:
    """The statement's number in the version that is spoken."""
    return section if is_v5 else V3_CLAUSES.get(section, section)
