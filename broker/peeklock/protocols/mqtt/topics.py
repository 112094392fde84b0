"""Topic names and topic filters (§4.7), shared subscriptions' filters among them (§4.8).

Whether a filter matches a name is asked elsewhere, of many filters at once; here is only what
makes one valid. The separator may stand anywhere and twice: empty levels are levels (§4.7.1.1).
"""

from typing import Final, final

from peeklock.protocols.mqtt.reason_codes import malformed, protocol_error

SHARE_PREFIX: Final = "$share/"


@final
class SharedFilter:
    """`$share/{share name}/{topic filter}`, taken apart (§4.8.2)."""

    __slots__ = ("share_name", "topic_filter")
    __match_args__ = ("share_name", "topic_filter")

    def __init__(self, share_name: str, topic_filter: str) -> None:
        self.share_name: Final = share_name
        self.topic_filter: Final = topic_filter


def check_topic_name(name: str, what: str = "the topic name") -> None:
    """Raises unless one can publish to it. UTF-8 and U+0000 were looked at when it was read."""
    if not name:
        raise protocol_error("MQTT-4.7.3-1", f"{what} is empty")
    if "+" in name or "#" in name:  # [MQTT-4.7.0-1]
        raise malformed("MQTT-3.3.2-2", f"{what} {name!r:.80} has a wildcard")


def check_topic_filter(topic_filter: str) -> None:
    """Raises unless one can subscribe to it."""
    if not topic_filter:
        raise protocol_error("MQTT-4.7.3-1", "a topic filter is empty")
    if "#" in topic_filter:
        place = topic_filter.index("#")
        if place != len(topic_filter) - 1 or (place > 0 and topic_filter[place - 1] != "/"):
            why = f"in {topic_filter!r:.80} '#' is not the whole last level"
            raise malformed("MQTT-4.7.1-1", why)
    if "+" in topic_filter:
        for level in topic_filter.split("/"):
            if "+" in level and level != "+":
                why = f"in {topic_filter!r:.80} '+' is not a whole level"
                raise malformed("MQTT-4.7.1-2", why)


def check_shared(topic_filter: str) -> None:
    """Raises for a filter that begins as a shared subscription's and is none (5.0 §4.8.2)."""
    if not topic_filter.startswith(SHARE_PREFIX):
        return
    share_name, slash, rest = topic_filter[len(SHARE_PREFIX) :].partition("/")
    if not share_name:
        raise protocol_error("MQTT-4.8.2-1", f"{topic_filter!r:.80} has no share name")
    if "+" in share_name or "#" in share_name:
        raise malformed("MQTT-4.8.2-2", f"the share name {share_name!r:.80} has a wildcard")
    if not slash or not rest:
        raise protocol_error("MQTT-4.8.2-2", f"{topic_filter!r:.80} ends with its share name")


def shared_filter(topic_filter: str) -> SharedFilter | None:
    """The parts of a shared subscription's filter; `None` when it is not one.

    3.1.1 does not know these. Brokers take them there by custom, and one that is not
    well-formed is then a filter like any.
    """
    if not topic_filter.startswith(SHARE_PREFIX):
        return None
    share_name, _slash, rest = topic_filter[len(SHARE_PREFIX) :].partition("/")
    if not share_name or not rest or has_wildcard(share_name):
        return None
    return SharedFilter(share_name, rest)


def has_wildcard(topic_filter: str) -> bool:
    """Is a level of it a wildcard? Asked of what is valid."""
    return "+" in topic_filter or "#" in topic_filter
