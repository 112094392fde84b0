"""All that `/metrics` tells: gathered when it is asked for, so that nothing is paid before."""

import asyncio
from pathlib import Path
from typing import Final

from peeklock.build_info import describe as describe_build
from peeklock.build_info import version
from peeklock.clock import Clock
from peeklock.engine.engine import Engine
from peeklock.frontends.mqtt import MqttFrontend
from peeklock.frontends.mqtt_system import SystemTopics
from peeklock.management.metrics import (
    COUNTER,
    ENTITY_FAMILIES,
    GAUGE,
    Family,
    Samples,
    entity_samples,
)
from peeklock.server.apart import apart
from peeklock.server.commit import Committer
from peeklock.server.exposition import write
from peeklock.server.http_listener import HttpListener
from peeklock.server.loop_lag import LoopLag
from peeklock.server.switchboard import Switchboard
from peeklock.store.file_journal import FileJournal
from peeklock.store.snapshot import list_snapshots, snapshot_path

WAYS: Final = ("direction",)
BROKER_FAMILIES: Final = (
    Family("peeklock_build_info", GAUGE, "Always 1.", ("version", "build")),
    Family("peeklock_connections", GAUGE, "Open ones.", ("protocol",)),
    Family("peeklock_connections_max", GAUGE, "The most that AMQP and MQTT may have together."),
    Family(
        "peeklock_event_loop_lag_seconds",
        GAUGE,
        "How late something was that was due, at worst in the last minute.",
    ),
    Family("peeklock_resident_message_bytes", GAUGE, "Of messages, in memory."),
    Family("peeklock_resident_message_bytes_max", GAUGE, "Beyond it they are read from disk."),
)
JOURNAL_FAMILIES: Final = (
    Family(
        "peeklock_journal_written_bytes_total",
        COUNTER,
        "That were ever appended; outlives a restart.",
    ),
    Family("peeklock_journal_waiting_bytes", GAUGE, "Appended, and not on disk yet."),
    Family(
        "peeklock_journal_has_room",
        GAUGE,
        "0: the disk is nearly full, and senders are refused.",
    ),
    Family("peeklock_journal_syncs_total", COUNTER, "Writes with fdatasync."),
    Family("peeklock_journal_sync_seconds_total", COUNTER, "That these took."),
    Family("peeklock_journal_segments", GAUGE, "Files."),
    Family("peeklock_journal_disk_free_bytes", GAUGE, "Of the file system that it is on."),
    Family("peeklock_snapshot_timestamp_seconds", GAUGE, "When the newest was taken."),
    Family(
        "peeklock_snapshot_age_bytes",
        GAUGE,
        "Written to the journal since then: what a start has to read.",
    ),
)
MQTT_FAMILIES: Final = (
    Family(
        "peeklock_mqtt_sessions", GAUGE, "By where their clients are: here, away.", ("client",)
    ),
    Family("peeklock_mqtt_sessions_expired_total", COUNTER, "Whose clients did not come back."),
    Family("peeklock_mqtt_subscriptions", GAUGE, "Topic filters of these, shared ones, too."),
    Family("peeklock_mqtt_shared_subscriptions", GAUGE, "Those of them that are shared."),
    Family("peeklock_mqtt_in_flight_messages", GAUGE, "Not acknowledged by clients yet."),
    Family("peeklock_mqtt_stored_messages", GAUGE, "That wait for sessions and groups."),
    Family("peeklock_mqtt_stored_bytes", GAUGE, "Of these."),
    Family("peeklock_mqtt_connects_total", COUNTER, "CONNECT packets."),
    Family("peeklock_mqtt_packets_total", COUNTER, "Received, sent.", WAYS),
    Family("peeklock_mqtt_bytes_total", COUNTER, "Received, sent.", WAYS),
    Family("peeklock_mqtt_publishes_total", COUNTER, "PUBLISH packets.", WAYS),
    Family("peeklock_mqtt_payload_bytes_total", COUNTER, "Of these.", WAYS),
    Family(
        "peeklock_mqtt_dropped_messages_total",
        COUNTER,
        "That a client or a group should have had, and was not sent.",
    ),
)
FAMILIES: Final = (*BROKER_FAMILIES, *JOURNAL_FAMILIES, *ENTITY_FAMILIES, *MQTT_FAMILIES)


class Metrics:
    """Of one broker."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        switchboard: Switchboard,
        http: HttpListener,
        system: SystemTopics,
        committer: Committer | None,
        snapshots: Path | None,
        connections_max: int,
    ) -> None:
        self._engine: Final = engine
        self._clock: Final = clock
        self._switchboard: Final = switchboard
        self._http: Final = http
        self._system: Final = system
        self._committer: Final = committer  # None: nothing is kept
        self._snapshots: Final = snapshots
        self._connections_max: Final = connections_max
        self._lag: Final = LoopLag(asyncio.get_running_loop())

    async def text(self, accept: str) -> tuple[bytes, str]:
        """As of now, and the content type; `accept` is what the client takes."""
        found = self.gather()
        return await apart(lambda: self._finish(found, accept))

    def gather(self) -> dict[str, Samples]:
        """Of what changes: in one go, so that it fits together. By the family's name."""
        found = entity_samples(self._engine, self._clock.now())
        self._add_broker(found)
        self._add_journal(found)
        self._add_mqtt(found)
        return found

    def _add_broker(self, found: dict[str, Samples]) -> None:
        found["peeklock_build_info"] = [((version(), describe_build()), 1)]
        wires = self._switchboard.connections
        mqtt_count = sum(isinstance(wire, MqttFrontend) for wire in wires)
        found["peeklock_connections"] = [
            (("amqp",), len(wires) - mqtt_count),
            (("mqtt",), mqtt_count),
            (("http",), self._http.open_count),
        ]
        residency = self._engine.namespace.residency
        add(
            found,
            peeklock_connections_max=self._connections_max,
            peeklock_event_loop_lag_seconds=self._lag.worst(),
            peeklock_resident_message_bytes=residency.used_bytes,
            peeklock_resident_message_bytes_max=residency.budget_bytes,
        )

    def _add_journal(self, found: dict[str, Samples]) -> None:
        journal = self._engine.journal
        add(
            found,
            peeklock_journal_written_bytes_total=journal.end,
            peeklock_journal_waiting_bytes=journal.end - journal.durable,
            peeklock_journal_has_room=int(journal.has_room),
        )
        if self._committer is not None and isinstance(journal, FileJournal):
            add(
                found,
                peeklock_journal_syncs_total=self._committer.sync_count,
                peeklock_journal_sync_seconds_total=self._committer.sync_seconds,
                peeklock_journal_segments=len(journal.segments),
            )

    def _add_mqtt(self, found: dict[str, Samples]) -> None:
        counters = self._system.counters()
        traffic = counters.traffic
        listeners = self._engine.namespace.listeners.by_queue.values()
        queues = [one.queue for one in listeners if one.queue is not None]
        found["peeklock_mqtt_sessions"] = [
            (("here",), counters.connected_count),
            (("away",), counters.away_count),
        ]
        add(
            found,
            peeklock_mqtt_sessions_expired_total=counters.lapsed_count,
            peeklock_mqtt_subscriptions=counters.subscription_count,
            peeklock_mqtt_shared_subscriptions=counters.shared_count,
            peeklock_mqtt_in_flight_messages=counters.in_flight_count,
            peeklock_mqtt_stored_messages=sum(len(queue.entries) for queue in queues),
            peeklock_mqtt_stored_bytes=sum(queue.size_bytes for queue in queues),
            peeklock_mqtt_connects_total=counters.connect_count,
            peeklock_mqtt_dropped_messages_total=traffic.publishes_dropped,
        )
        for name, received, sent in (
            ("packets", traffic.packets_received, traffic.packets_sent),
            ("bytes", traffic.bytes_received, traffic.bytes_sent),
            ("publishes", traffic.publishes_received, traffic.publishes_sent),
            ("payload_bytes", traffic.payload_bytes_received, traffic.payload_bytes_sent),
        ):
            both: Samples = [(("received",), received), (("sent",), sent)]
            found[f"peeklock_mqtt_{name}_total"] = both

    def _finish(self, found: dict[str, Samples], accept: str) -> tuple[bytes, str]:
        """What the disk knows, and the text. Not on the event loop."""
        journal = self._engine.journal
        if isinstance(journal, FileJournal):
            add(found, peeklock_journal_disk_free_bytes=journal.free_bytes())
        snapshots = [] if self._snapshots is None else list_snapshots(self._snapshots)
        if self._snapshots is not None and snapshots:
            newest = max(snapshots)
            taken_at = snapshot_path(self._snapshots, newest).stat().st_mtime
            add(
                found,
                peeklock_snapshot_timestamp_seconds=taken_at,
                peeklock_snapshot_age_bytes=journal.end - newest,
            )
        return write(FAMILIES, found, accept)


def add(found: dict[str, Samples], **values: float) -> None:
    """Of families without labels."""
    for name, value in values.items():
        found[name] = [((), value)]
