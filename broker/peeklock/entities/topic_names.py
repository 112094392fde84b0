"""What MQTT calls a signal: a topic's name and the signal's subject, as one topic name.

A topic `N` is the tree under `N/`; in the built-in topic the subject is the whole name.
"""

from typing import Final

from peeklock.limits import MQTT_SIGNAL_NAME_BYTES_MAX

SIGNALS: Final = "signals"  # the built-in topic


def topic_name_of(path: str, subject: str | None) -> str | None:
    """Of a signal in the topic at `path`; None for what MQTT has no topic name for."""
    if path == SIGNALS:
        name = subject or ""
    else:
        name = path if subject is None else f"{path}/{subject}"
    return name if is_topic_name(name) else None


def is_topic_name(name: str) -> bool:
    """Can one publish to it (MQTT 5.0 §4.7.1, §4.7.3), and is it as short as ours are?"""
    if name == "" or "+" in name or "#" in name or "\0" in name:
        return False
    size = len(name) if name.isascii() else len(name.encode("utf-8", "replace"))
    return size <= MQTT_SIGNAL_NAME_BYTES_MAX
