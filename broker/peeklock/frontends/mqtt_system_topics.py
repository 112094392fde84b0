"""Which topics there are under `$SYS/broker/`, and what they say, by Mosquitto's names.

`TOPICS` is also what docs/reference/monitoring.md is made from.
"""

from dataclasses import dataclass
from typing import Final

from peeklock.frontends.mqtt_load import MINUTES
from peeklock.protocols.mqtt.traffic import Traffic

PREFIX: Final = "$SYS/broker/"


@dataclass(frozen=True)
class Counters:
    """Of MQTT, but for what is stored: that is of all queues and topics, however it came."""

    version: str
    uptime_ms: int
    connected_count: int  # clients that are let in
    connected_most: int  # of them at one time, so far
    away_count: int  # sessions that are kept, and whose clients are not here
    lapsed_count: int  # sessions that ended because their clients did not come back
    connect_count: int  # CONNECT packets so far
    socket_count: int  # connections so far, of sockets and of WebSockets
    subscription_count: int  # of clients that are here, and of those kept sessions
    shared_count: int  # of those
    last_value_count: int
    in_flight_count: int  # QoS 1 and 2 messages that clients have not acknowledged
    stored_count: int  # messages in queues, and last values
    stored_bytes: int
    memory_bytes: int  # of the process; 0: the system does not say
    memory_bytes_most: int
    traffic: Traffic  # of clients that were let in, and of those that are gone


@dataclass(frozen=True)
class SystemTopic:
    """One of them, or several that differ in their last parts, `{…}`."""

    name: str  # behind PREFIX
    unit: str
    about: str


TOPICS: Final = (
    SystemTopic("version", "text", "`peeklock`, and its version"),
    SystemTopic("uptime", "seconds, with the word", "since the broker started"),
    SystemTopic("clients/connected", "clients", "that are here"),
    SystemTopic(
        "clients/disconnected", "clients", "that are away, and whose sessions are kept"
    ),
    SystemTopic("clients/total", "clients", "both"),
    SystemTopic("clients/maximum", "clients", "that were here at one time, at most"),
    SystemTopic(
        "clients/expired",
        "sessions",
        "that ended because their clients did not come back in time",
    ),
    SystemTopic("messages/received", "packets", "of any type, that clients have sent"),
    SystemTopic("messages/sent", "packets", "of any type, to clients"),
    SystemTopic(
        "messages/inflight",
        "messages",
        "with QoS 1 and 2 that clients have not acknowledged yet",
    ),
    SystemTopic("messages/stored", "messages", "the same as `store/messages/count`"),
    SystemTopic("publish/messages/received", "packets", "PUBLISH, that clients have sent"),
    SystemTopic("publish/messages/sent", "packets", "PUBLISH, to clients"),
    SystemTopic(
        "publish/messages/dropped",
        "messages",
        "that a client or a group was not sent: they gave way to newer ones, did not fit its "
        "Maximum Packet Size, had expired, or had QoS 0 while it did not read",
    ),
    SystemTopic("publish/bytes/received", "bytes", "of the payloads of these PUBLISH packets"),
    SystemTopic("publish/bytes/sent", "bytes", "of the payloads of these"),
    SystemTopic("bytes/received", "bytes", "of all packets"),
    SystemTopic("bytes/sent", "bytes", "of all packets"),
    SystemTopic(
        "subscriptions/count",
        "topic filters",
        "of clients that are here and of sessions that are kept; shared ones, and those of "
        "jobs, are among them",
    ),
    SystemTopic("shared_subscriptions/count", "topic filters", "of these, `$share/…`"),
    SystemTopic(
        "retained messages/count", "messages", "last values of all topics, however they came"
    ),
    SystemTopic(
        "store/messages/count",
        "messages",
        "in all queues, subscriptions and kept sessions, and last values",
    ),
    SystemTopic("store/messages/bytes", "bytes", "of these, with their properties"),
    SystemTopic("heap/current", "bytes", "of memory that the process has resident"),
    SystemTopic("heap/maximum", "bytes", "the most of it so far"),
    *(
        SystemTopic(
            f"load/{name}/{{1min,5min,15min}}",
            f"{unit} a minute",
            f"average of {what}, decaying over the last 1, 5, 15 minutes",
        )
        for name, unit, what in (
            ("messages/received", "packets", "`messages/received`"),
            ("messages/sent", "packets", "`messages/sent`"),
            ("publish/received", "packets", "`publish/messages/received`"),
            ("publish/sent", "packets", "`publish/messages/sent`"),
            ("publish/dropped", "messages", "`publish/messages/dropped`"),
            ("bytes/received", "bytes", "`bytes/received`"),
            ("bytes/sent", "bytes", "`bytes/sent`"),
            ("connections", "packets", "CONNECT packets"),
            (
                "sockets",
                "connections",
                "MQTT connections that were opened, WebSockets included",
            ),
        )
    ),
)


def system_topics(found: Counters, loads: list[list[float]]) -> dict[str, str]:
    """Each topic name with its value; `loads` are those of `loads_of`."""
    traffic = found.traffic
    values: dict[str, object] = {
        "version": f"peeklock {found.version}",
        "uptime": f"{found.uptime_ms // 1000} seconds",
        "clients/connected": found.connected_count,
        "clients/disconnected": found.away_count,
        "clients/total": found.connected_count + found.away_count,
        "clients/maximum": found.connected_most,
        "clients/expired": found.lapsed_count,
        "messages/received": traffic.packets_received,
        "messages/sent": traffic.packets_sent,
        "messages/inflight": found.in_flight_count,
        "messages/stored": found.stored_count,
        "publish/messages/received": traffic.publishes_received,
        "publish/messages/sent": traffic.publishes_sent,
        "publish/messages/dropped": traffic.publishes_dropped,
        "publish/bytes/received": traffic.payload_bytes_received,
        "publish/bytes/sent": traffic.payload_bytes_sent,
        "bytes/received": traffic.bytes_received,
        "bytes/sent": traffic.bytes_sent,
        "subscriptions/count": found.subscription_count,
        "shared_subscriptions/count": found.shared_count,
        "retained messages/count": found.last_value_count,
        "store/messages/count": found.stored_count,
        "store/messages/bytes": found.stored_bytes,
        "heap/current": found.memory_bytes,
        "heap/maximum": found.memory_bytes_most,
    }
    for name, averages in zip(loads_of(found), loads, strict=True):
        for minutes, average in zip(MINUTES, averages, strict=True):
            values[f"load/{name}/{minutes}min"] = f"{average:.2f}"
    return {PREFIX + name: str(value) for name, value in values.items()}


def loads_of(found: Counters) -> dict[str, int]:
    """What averages are told of, so far."""
    traffic = found.traffic
    return {
        "messages/received": traffic.packets_received,
        "messages/sent": traffic.packets_sent,
        "publish/received": traffic.publishes_received,
        "publish/sent": traffic.publishes_sent,
        "publish/dropped": traffic.publishes_dropped,
        "bytes/received": traffic.bytes_received,
        "bytes/sent": traffic.bytes_sent,
        "connections": found.connect_count,
        "sockets": found.socket_count,
    }
