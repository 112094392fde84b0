"""SUBSCRIBE and UNSUBSCRIBE: topic filters of jobs and of signals, for one session.

A session that is kept has its filters of jobs kept, too; they hold on again on its next
connection. It is granted QoS 1 for them at most: a QoS 2 exchange that was cut off goes on with
the same client, and a job goes to whoever is there. For signals that are shared nobody is
granted more, for the same reason [MQTT-4.8.2-4] [MQTT-4.8.2-5].
"""

from typing import Final, final

from peeklock.engine.signal_desk import Session, SignalDesk
from peeklock.entities.listeners import Wanted, is_of_signals, is_of_system, is_shared
from peeklock.errors import (
    BrokerError,
    EntityDisabled,
    InvalidRequest,
    NotAllowed,
    NotFound,
    QuotaExceeded,
)
from peeklock.frontends.mqtt_deliveries import Deliveries
from peeklock.frontends.mqtt_system import SystemTopics
from peeklock.frontends.mqtt_topics import Finder
from peeklock.limits import MQTT_SUBSCRIPTIONS_MAX
from peeklock.protocols.mqtt.subscribe import (
    SEND_RETAINED,
    SEND_RETAINED_IF_NEW,
    FilterRequest,
)
from peeklock.types import UnixMs


@final
class Subscriptions:
    """Of one connection."""

    def __init__(
        self,
        desk: SignalDesk,
        session: Session,
        finder: Finder,
        deliveries: Deliveries,
        system: SystemTopics,
    ) -> None:
        self._desk: Final = desk
        self._session: Final = session
        self._finder: Final = finder
        self._deliveries: Final = deliveries
        self._system: Final = system

    def resume(self, now: UnixMs) -> None:
        """The session was there before: what its filters lead to, as far as that is still so
        and its user may have it."""
        for topic_filter, wanted in list(self._session.listener.wanted.items()):
            try:
                self._begin(topic_filter, wanted, now)
            except EntityDisabled:
                continue  # for now
            except BrokerError:
                self._desk.unlisten(self._session, topic_filter)

    def subscribe(
        self, request: FilterRequest, identifiers: tuple[int, ...], now: UnixMs
    ) -> int:
        """The QoS that is granted [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]; raises
        `BrokerError`. What waits for the same filter of before is not lost [MQTT-3.8.4-4].
        """
        topic_filter = request.topic_filter
        session = self._session
        known = session.listener.wanted
        if topic_filter not in known and len(known) >= MQTT_SUBSCRIPTIONS_MAX:
            raise QuotaExceeded(
                f"more than {MQTT_SUBSCRIPTIONS_MAX} subscriptions of a session"
            )
        self._desk.check_filter(session, topic_filter)
        qos = request.qos
        if is_shared(topic_filter) or (session.is_kept and not is_of_signals(topic_filter)):
            qos = min(qos, 1)  # [MQTT-3.8.4-8]
        if is_of_system(topic_filter):
            qos = 0
        wanted = Wanted(
            session.listener, qos, request.no_local, request.retain_as_published,
            request.retain_handling, identifiers[0] if identifiers else 0,
        )  # fmt: skip
        is_new = topic_filter not in known
        self._begin(topic_filter, wanted, now)
        self._desk.listen(session, topic_filter, wanted, now)
        handling = request.retain_handling  # [MQTT-3.3.1-10] [MQTT-3.3.1-11]
        if handling == SEND_RETAINED or (handling == SEND_RETAINED_IF_NEW and is_new):
            if is_of_system(topic_filter):
                self._system.tell(topic_filter, wanted, now)
            elif is_of_signals(topic_filter):
                self._deliveries.send_retained(topic_filter, wanted, now)
        return qos

    def _begin(self, topic_filter: str, wanted: Wanted, now: UnixMs) -> None:
        if is_of_signals(topic_filter):
            self._finder.check_filter(topic_filter)
            if is_of_system(topic_filter):
                self._system.watch(now)
            return
        if is_shared(topic_filter):
            self._finder.check_filter(topic_filter)
            group = self._desk.group(topic_filter, now)
            self._deliveries.join(topic_filter, wanted.qos, group, wanted.identifiers, now)
            return
        queue = self._finder.source(topic_filter, now)
        self._deliveries.take_jobs(topic_filter, wanted.qos, queue, wanted.identifiers, now)

    def check_rights(self, now: UnixMs) -> None:
        """Of all that it has, after its rights have changed; raises `Unauthorized`."""
        for topic_filter in self._session.listener.wanted:
            try:
                if is_of_signals(topic_filter) or is_shared(topic_filter):
                    self._finder.check_filter(topic_filter)
                else:
                    self._finder.source(topic_filter, now)
            except (NotFound, NotAllowed, InvalidRequest):
                continue  # it leads nowhere any more

    def unsubscribe(self, topic_filter: str, now: UnixMs) -> bool:
        """`False`: there was no such one [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.11.3-2].

        What waits for the session is delivered all the same [MQTT-3.10.4-3].
        """
        if topic_filter not in self._session.listener.wanted:
            return False
        self._deliveries.give_up(topic_filter, now)
        self._desk.unlisten(self._session, topic_filter)
        return True
