"""Retained messages for a new subscription (5.0 §3.3.1.3, §3.8.3.1): the topics' last values.

They are looked up page by page, each in a turn of its own, and no faster than the client takes
them. For a session that is kept they go into its queue, as other signals with QoS 1 and 2 do.
They are no session's own, and stay when it ends [MQTT-3.1.2-7 of 3.1.1].
"""

from collections import deque
from functools import partial
from typing import Final, final

from peeklock.engine.effects import Peer, Replied
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import Session, SignalDesk
from peeklock.entities.arrivals import Heard, NamedSignal
from peeklock.entities.last_values import LastValue, LastValuePage
from peeklock.entities.listeners import Hearing, Wanted
from peeklock.entities.mounts import BARE_NAME, Part, parts_of
from peeklock.entities.topic_names import topic_name_of
from peeklock.frontends.mqtt_message import qos_kept
from peeklock.frontends.mqtt_overhearing import Overhearing
from peeklock.limits import MQTT_RETAINED_PAGE_MAX
from peeklock.store.journal import MessageDamaged
from peeklock.types import UnixMs


@final
class Search:
    """What is left to be looked up for one subscription, in one topic."""

    def __init__(self, part: Part, wanted: Wanted) -> None:
        self.part: Final = part
        self.wanted: Final = wanted
        self.after: list[str] | None = None  # where the last page ended


@final
class Retained:
    """Of one connection."""

    def __init__(
        self, engine: Engine, desk: SignalDesk, peer: Peer, overhearing: Overhearing
    ) -> None:
        self._engine: Final = engine
        self._desk: Final = desk
        self._peer: Final = peer
        self._overhearing: Final = overhearing
        self._searches: Final[deque[Search]] = deque()
        self._is_asked = False  # a page is on its way through the outbox
        self.session: Session | None = None

    def look_for(self, topic_filter: str, wanted: Wanted, now: UnixMs) -> None:
        """All that this filter matches [MQTT-3.3.1-9]."""
        for part in parts_of(self._engine.namespace, topic_filter):
            self._searches.append(Search(part, wanted))
        self.go_on(now)

    def go_on(self, now: UnixMs) -> None:
        """The client may take more."""
        while self._searches and not self._is_asked and self._overhearing.is_idle:
            search = self._searches[0]
            topic = search.part.topic
            if not self._engine.namespace.has_entity(topic):
                self._searches.popleft()
                continue
            page = self._page(search, now)
            search.after = page.after
            if page.after is None:
                self._searches.popleft()
            if page.values or page.after is not None:
                self._is_asked = True
                tell = partial(self._tell, search, page, now)
                self._engine.outbox.hold(self._engine.journal.end, Replied(self._peer, tell))

    def _page(self, search: Search, now: UnixMs) -> LastValuePage:
        part = search.part
        last_values = self._engine.last_values
        if part.topic_filter == BARE_NAME:
            value = last_values.find(part.topic, None, now)
            return LastValuePage([] if value is None else [value], None)
        return last_values.page(
            *(part.topic, part.topic_filter, now, search.after),
            count_max=MQTT_RETAINED_PAGE_MAX,
            is_root=part.is_root,
        )

    def _tell(self, search: Search, page: LastValuePage, now: UnixMs) -> None:
        self._is_asked = False
        for value in page.values:
            self._tell_one(search, value, now)
        self.go_on(now)

    def _tell_one(self, search: Search, value: LastValue, now: UnixMs) -> None:
        topic = search.part.topic
        wanted = search.wanted
        name = topic_name_of(topic.path, value.subject)
        if name is None:
            return
        try:
            message = self._engine.message_of(value.entry)
        except MessageDamaged:
            self._engine.last_values.give_up(topic, value)
            return
        except OSError:
            return  # the disk's own trouble, which is told elsewhere
        hearing = Hearing(wanted.listener)
        hearing.qos = min(wanted.qos, qos_kept(message))
        hearing.retain = True  # §3.3.1.3
        hearing.identifiers = wanted.identifiers
        session = self.session
        if hearing.is_stored and session is not None:
            self._desk.store(session, name, hearing, value.entry, message, now)
        else:
            signal = NamedSignal(name, message, now, value.entry.expires_at)
            self._overhearing.on_heard(Heard(signal, hearing), now)

    def end(self) -> None:
        self._searches.clear()
