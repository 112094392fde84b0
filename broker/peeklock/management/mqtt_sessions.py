"""What an operator sees of MQTT sessions and of groups that share a filter, and ending one.

Of a client that is here its connection knows, of a session that is kept its link and its queue;
nothing is noted for this.
"""

from collections.abc import Mapping
from typing import Final, Protocol, final

from peeklock.engine.signal_desk import Session, SignalDesk
from peeklock.entities.kept_links import KeptLink
from peeklock.entities.listeners import Listener, shared_by
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED
from peeklock.errors import NotFound
from peeklock.management.views import oldest
from peeklock.types import UnixMs

View = dict[str, object]


class Client(Protocol):
    """One that is here."""

    @property
    def peer_name(self) -> str:
        """HOST:PORT"""
        ...

    @property
    def user_name(self) -> str: ...

    @property
    def protocol_version(self) -> str: ...

    @property
    def entered_at(self) -> UnixMs: ...

    @property
    def session(self) -> Session | None: ...

    @property
    def in_flight_count(self) -> int: ...

    @property
    def dropped_count(self) -> int: ...

    def end_session(self, now: UnixMs) -> None:
        """The session is over, and the connection ends."""
        ...


@final
class MqttSessions:
    """Of one broker; times in ms, sizes in bytes, counts of messages."""

    def __init__(
        self, namespace: Namespace, desk: SignalDesk, here: Mapping[str, Client]
    ) -> None:
        self._namespace: Final = namespace
        self._desk: Final = desk
        self._here: Final = here  # by client identifier

    def page(self, prefix: str, skip: int, top: int) -> list[View]:
        """By client identifier, which is told apart by case."""
        known = set(self._here) | set(self._namespace.links.sessions)
        found = sorted([one for one in known if one.startswith(prefix)])
        return [self._view(one) for one in found[skip : skip + top]]

    def describe(self, client_id: str) -> View:
        """One, with its topic filters and their QoS; raises `NotFound`."""
        view = self._view(client_id)
        listener = self._listener(client_id)
        if listener is not None:
            view["filters"] = {name: one.qos for name, one in listener.wanted.items()}
        return view

    def end(self, client_id: str, now: UnixMs) -> None:
        """It is over, with all that waits for it; raises `NotFound`.

        A client that is here is disconnected. If its will is due, it is published.
        """
        client = self._here.get(client_id)
        link = self._namespace.links.sessions.get(client_id)
        if client is not None:
            client.end_session(now)
        elif link is not None:
            self._desk.end(link, now)
        else:
            raise missing(client_id)

    def groups(self, prefix: str, skip: int, top: int) -> list[View]:
        """Those who share a filter of signals, by that."""
        listeners = self._namespace.listeners
        found = sorted([name for name in listeners.groups if name.startswith(prefix)])
        return [self._group_view(name) for name in found[skip : skip + top]]

    # ---- views

    def _listener(self, client_id: str) -> Listener | None:
        """None: recovery has lost it."""
        client = self._here.get(client_id)
        if client is not None and client.session is not None:
            return client.session.listener
        link = self._namespace.links.sessions.get(client_id)
        return None if link is None else self._namespace.listeners.by_queue.get(link.entity_id)

    def _view(self, client_id: str) -> View:
        client = self._here.get(client_id)
        link = self._namespace.links.sessions.get(client_id)
        listener = self._listener(client_id)
        view: View = {"client_id": client_id}
        if client is not None:
            view.update(told_of(client))
        elif link is not None:
            view.update(told_of_absent(link))
        else:
            raise missing(client_id)
        queue = None if listener is None else listener.queue
        view.update(
            kept=link is not None,
            lifetime_ms=0 if link is None else int(link.lifetime_ms),
            subscriptions=0 if listener is None else len(listener.wanted),
            in_flight=0 if client is None else client.in_flight_count,
            **told_of_queue(queue),
        )
        if client is not None:
            view["dropped"] = client.dropped_count + (queue.tally.lost_count if queue else 0)
        return view

    def _group_view(self, name: str) -> View:
        listener = self._namespace.listeners.groups[name]
        queue = listener.queue
        return {
            "group": name,
            "filter": shared_by(name),
            "sessions": self._namespace.listeners.sharing_count(name),
            "connected": listener.ear_count,
            "in_flight": 0 if queue is None else queue.counts[LOCKED],
            **told_of_queue(queue),
        }


def told_of(client: Client) -> View:
    return {
        "connected": True,
        "since": int(client.entered_at),
        "expires_at": 0,
        "user": client.user_name,
        "peer": client.peer_name,
        "protocol": client.protocol_version,
    }


def told_of_absent(link: KeptLink) -> View:
    return {
        "connected": False,
        "since": int(link.until - link.lifetime_ms),
        "expires_at": int(link.until),
        "user": link.key.user,
        "peer": "",
        "protocol": "",
    }


def told_of_queue(queue: Queue | None) -> dict[str, int]:
    """What waits, or is under way; None: what there is goes with the connection."""
    if queue is None:
        return {"stored": 0, "stored_bytes": 0, "oldest_enqueued_at": 0, "dropped": 0}
    return {
        "stored": len(queue.entries),
        "stored_bytes": queue.size_bytes,
        "oldest_enqueued_at": oldest(queue),
        "dropped": queue.tally.lost_count,
    }


def missing(client_id: str) -> NotFound:
    return NotFound(f"MQTT session {client_id}")
