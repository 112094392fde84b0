"""Builds the HTTP front-end: what it may ask of the broker, and no more."""

from functools import partial

from starlette.applications import Starlette

from peeklock.clock import Clock
from peeklock.engine.engine import Engine
from peeklock.frontends.http.administration import Administration
from peeklock.frontends.http.application import HttpHost, make_application
from peeklock.frontends.http.authorization import Doorkeeper
from peeklock.frontends.http.jobs import Jobs
from peeklock.frontends.http.pages import pages_of
from peeklock.frontends.http.registry import Addresses, Registry
from peeklock.management.mqtt_sessions import MqttSessions
from peeklock.security.authenticators import Authenticator
from peeklock.security.tokens import Tokens
from peeklock.server.apart import apart
from peeklock.server.config import Config
from peeklock.server.desk import Desk
from peeklock.server.host_names import ANY_PAGE, HostNames
from peeklock.server.live_signals import LiveSignals
from peeklock.server.login_desk import LoginDesk
from peeklock.server.metrics import Metrics
from peeklock.server.switchboard import Switchboard
from peeklock.server.waiting_room import WaitingRoom
from peeklock.server.webhooks import Webhooks


def make_http_application(
    config: Config,
    engine: Engine,
    switchboard: Switchboard,
    authenticator: Authenticator,
    login_desk: LoginDesk,
    tokens: Tokens,
    clock: Clock,
    waiting_room: WaitingRoom,
    live_signals: LiveSignals,
    webhooks: Webhooks,
    addresses: Addresses,
    mqtt_sessions: MqttSessions,
    metrics: Metrics,
) -> Starlette:
    names = HostNames(config)
    desk = Desk(engine, clock, switchboard.turn)
    switchboard.residents.update((desk, waiting_room, live_signals))

    def health() -> dict[str, object]:
        if engine.draining:
            return {"status": "unhealthy", "reason": "the broker is shutting down"}
        if not engine.journal.has_room:
            return {"status": "unhealthy", "reason": "the disk is nearly full"}
        return {"status": "healthy"}

    return make_application(
        HttpHost(
            administration=Administration(engine, clock.now()),
            doorkeeper=Doorkeeper(authenticator, tokens, login_desk.answer),
            now=clock.now,
            durable=desk.durable,
            health=health,
            is_expected_host=names.is_expected,
            is_expected_page=names.is_expected_page,
            may_push=partial(may_push, config),
            send=desk.send,
            wait=waiting_room.wait,
            apart=apart,
            follow=live_signals.follow,
            grant=webhooks.grant,
            jobs=Jobs(engine, creates_queues=config.dev),
            registry=Registry(engine, clock.now(), addresses),
            pages=pages_of(config.http_origins, local=config.dev and not config.emulator),
            mqtt_sessions=mqtt_sessions,
            metrics_text=metrics.text,
            metrics_for_anybody=config.metrics == "anybody",
        )
    )


def may_push(config: Config, sender: str) -> bool:
    """May a webhook's sender of this name push here without having proved who it is?"""
    allowed = [one.lower() for one in config.webhook_origins]
    return ANY_PAGE in allowed or sender.lower() in allowed
