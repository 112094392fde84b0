"""The composition root: builds everything, top to bottom."""

import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from peeklock.build_info import describe as describe_build
from peeklock.build_info import version
from peeklock.engine.engine import Engine
from peeklock.engine.link_desk import LinkDesk
from peeklock.engine.restore import Restorer
from peeklock.engine.signal_desk import SignalDesk
from peeklock.entities.namespace import Namespace
from peeklock.entities.residency import NobodyKeeps, Residency
from peeklock.frontends.amqp10 import AmqpFrontend, AmqpHost
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.frontends.amqp_management import ManagementNode
from peeklock.frontends.closing import Closing
from peeklock.frontends.mqtt import MqttFrontend
from peeklock.frontends.mqtt_presence import SETTINGS as MQTT_SETTINGS
from peeklock.frontends.mqtt_presence import MqttHost
from peeklock.frontends.mqtt_system import SystemTopics
from peeklock.frontends.mqtt_wills import resume_wills
from peeklock.limits import CONNECTIONS_REFUSED_MAX
from peeklock.management.definitions import TopicDefinition, ensure, in_order
from peeklock.management.mqtt_sessions import MqttSessions
from peeklock.management.views import describe, describe_topic
from peeklock.security.authenticators import AnyoneIn, Authenticator, KnownUsers, User
from peeklock.security.passwords import hash_password
from peeklock.security.rights import Right
from peeklock.security.tokens import AccessKey, JwtKey, Tokens
from peeklock.server.bad_config import BadConfig
from peeklock.server.commit import Committer
from peeklock.server.config import Config, http_address, mqtt_address, split_address
from peeklock.server.connection import SocketConnection, Wire, WireMaker
from peeklock.server.credentials import (
    Credentials,
    announce,
    load_or_make,
    load_or_make_salt_key,
    retract,
    state_dir,
)
from peeklock.server.ending import end_behind
from peeklock.server.host_names import HostNames
from peeklock.server.housekeeping import Housekeeping
from peeklock.server.http_listener import HttpListener
from peeklock.server.listening import address_of, port_of, reason_of
from peeklock.server.live_signals import LiveSignals
from peeklock.server.login_desk import LoginDesk
from peeklock.server.memory import process_memory
from peeklock.server.mqtt_listener import listen_for_mqtt
from peeklock.server.progress import RecoveryProgress
from peeklock.server.switchboard import Switchboard
from peeklock.server.system import SystemClock, SystemIds
from peeklock.server.tls import server_context
from peeklock.server.tunnel_door import AMQP, MQTT, TunnelDoor
from peeklock.server.waiting_room import WaitingRoom
from peeklock.server.webhooks import Webhooks
from peeklock.store.collect import LiveBytes
from peeklock.store.data_dir import DataDir, DataDirUnusable
from peeklock.store.file_journal import FileJournal
from peeklock.store.journal import Journal
from peeklock.store.memory_journal import MemoryJournal
from peeklock.store.recovery import Recovery, RecoveryReport
from peeklock.store.reserve import NoRoom
from peeklock.types import Lsn

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from peeklock.server.metrics import Metrics

log = structlog.get_logger()


class App:
    """One broker. `run` serves until it is told to stop."""

    def __init__(self, config: Config, *, ready_as_json: bool) -> None:
        self._config: Final = config
        self._ready_as_json: Final = ready_as_json
        self._clock: Final = SystemClock()
        self._started_at: Final = time.monotonic()
        self._data_dir = None if config.ephemeral else DataDir(data_path(config))
        self._live: Final = LiveBytes(config.journal.segment_bytes)
        keeper = self._live if self._data_dir is not None else NobodyKeeps()
        self._namespace: Final = Namespace(
            Residency(config.resident_bytes, keeper), AmqpLens(SystemIds())
        )
        self._file_journal: FileJournal | None = None
        self._snapshot_at = Lsn(0)
        journal = self._open_journal()
        self.engine: Final = Engine(journal, self._namespace, SystemIds(), end_behind)
        self._committer: Final = (
            Committer(journal, self._on_durable) if self._file_journal is not None else None
        )
        self._credentials: Credentials | None = None
        self._tokens: Final = make_tokens(config)
        self._authenticator: Final = self._make_authenticator()
        self._login_desk: Final = LoginDesk(self._authenticator, self._clock)
        self._switchboard: Final = Switchboard(
            self.engine,
            self._clock,
            self._login_desk,
            journal.sync if self._committer is None else self._committer.commit,
        )
        self._mqtt_host: Final = self._make_mqtt_host()
        self._mqtt_sessions: Final = MqttSessions(
            self._namespace, self._mqtt_host.desk, self._mqtt_host.clients
        )
        self._host: Final = AmqpHost(
            engine=self.engine,
            link_desk=LinkDesk(self.engine),
            management=ManagementNode(self.engine, self.stats, self._mqtt_sessions),
            authenticator=self._authenticator,
            tokens=self._tokens,
            container_id=f"peeklock-{os.getpid()}",
            creates_queues=config.dev,
        )
        self._waiting_room: Final = WaitingRoom(
            self.engine, self._clock, self._switchboard.turn
        )
        self._live_signals: Final = LiveSignals(self.engine, self._clock)
        self._webhooks: Final = Webhooks(
            self.engine,
            self._clock,
            self._switchboard.turn,
            config.push.rules(is_open=config.is_open),
        )
        self._switchboard.residents.add(self._webhooks)
        self._listener: asyncio.Server | None = None
        self._mqtt: asyncio.Server | None = None
        self._http: HttpListener | None = None
        self._stopping: Final = asyncio.Event()

    # ---- building

    def _open_journal(self) -> Journal:
        if self._data_dir is None:
            return MemoryJournal()
        restorer = Restorer(self._namespace)
        progress = RecoveryProgress(sys.stderr)
        recovery = Recovery(
            self._data_dir.journal, self._data_dir.snapshots, restorer.apply, progress.show
        )
        began = time.monotonic()
        settings = self._config.journal
        try:
            report = recovery.run()
            self._tell_recovery(report, restorer, time.monotonic() - began)
            self._snapshot_at = report.snapshot_at
            self._file_journal = FileJournal(
                self._data_dir.journal,
                report.end,
                segment_bytes=settings.segment_bytes,
                free_bytes_min=settings.free_bytes_min,
            )
        except NoRoom as error:
            need = f"the journal needs {settings.segment_bytes} bytes"
            raise DataDirUnusable(f"{error}: {need}") from None
        except OSError as error:
            raise DataDirUnusable(f"{error.filename}: {error.strerror}") from error
        return self._file_journal

    def _tell_recovery(
        self, report: RecoveryReport, restorer: Restorer, seconds: float
    ) -> None:
        for damage in report.damages:
            log.error("journal damage", damage=str(damage))
        if report.torn_tail is not None:
            log.warning("torn tail cut", damage=str(report.torn_tail))
        for path in restorer.stand_ins:
            log.error("a queue's own record is lost; its messages are kept", queue=path)
        if restorer.left_out_count:
            count = restorer.left_out_count
            log.warning("facts about unknown messages left out", count=count)
        if report.fact_count:
            messages = sum(len(queue.entries) for queue in self._namespace.by_id.values())
            log.info(
                "recovered",
                messages=messages,
                facts=report.fact_count,
                mebibytes=round(report.byte_count / 2**20, 1),
                seconds=round(seconds, 2),
            )

    def _make_authenticator(self) -> Authenticator:
        config = self._config
        if config.is_open:
            return AnyoneIn()
        data_dir = self._data_dir.path if self._data_dir else None
        users = [user.user() for user in config.users]
        if not users:
            self._credentials = load_or_make(data_dir)
            hashed = hash_password(self._credentials.password)
            users = [User(self._credentials.user, hashed, frozenset(Right))]
        salt_key = b""
        if any(user.verifier is not None for user in users):
            salt_key = load_or_make_salt_key(data_dir)
        return KnownUsers(users, SystemIds(), salt_key, self._tokens)

    def _make_mqtt_host(self) -> MqttHost:
        return MqttHost(
            self.engine,
            self._authenticator,
            SignalDesk(self.engine),
            self._config.dev,
            SystemTopics(self.engine, version(), self._uptime_ms, process_memory),
            replace(MQTT_SETTINGS, keep_alive_max=self._config.mqtt_keep_alive_max),
        )

    def _create_configured_entities(self) -> None:
        now = self._clock.now()
        queues = [queue.definition() for queue in self._config.queues]
        topics = [topic.definition() for topic in self._config.topics]
        mistakes: list[str] = []
        for wanted in in_order([*queues, *topics]):
            kind = "topic" if isinstance(wanted, TopicDefinition) else "queue"
            for error in ensure(self.engine, wanted, now):
                mistakes.append(f"configuration: {kind} {wanted.name!r}: {error}")
        if mistakes:
            raise BadConfig(*mistakes)

    # ---- running

    async def run(self) -> None:
        """Serve until `stop`. Raises what made the broker unable to go on."""
        self._create_configured_entities()
        now = self._clock.now()
        self.engine.start(now)
        resume_wills(self.engine, self._mqtt_host.desk, now, creates_queues=self._config.dev)
        self._webhooks.start()
        await self._listen()
        self._mqtt = await listen_for_mqtt(self._config, self._make_mqtt_connection)
        await self._listen_for_http()
        chores = asyncio.ensure_future(self._housekeep_forever())
        self._switchboard.turn()
        print(self._ready_line(), flush=True)
        if self._config.emulator:
            log.warning("anybody may do anything here", url=self._url())
        if self._config.ephemeral and self._config.data_dir is not None:
            unused = str(self._config.data_dir)
            log.warning("nothing is kept, and nothing was read", data_dir=unused)
        log.info("started", url=self._url(), build=describe_build(), pid=os.getpid())
        stopping = asyncio.ensure_future(self._stopping.wait())
        failed = self._committer.failed if self._committer is not None else chores
        await asyncio.wait({failed, chores, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (failed, chores):
            if ended.done():
                ended.result()  # raises: the journal failed
        await self._shut_down(chores)

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopping.set()

    def _on_durable(self) -> None:
        self._switchboard.turn()

    async def _housekeep_forever(self) -> None:
        if self._file_journal is None or self._data_dir is None or self._committer is None:
            await asyncio.Event().wait()
            return
        await Housekeeping(
            self.engine,
            self._file_journal,
            self._live,
            (self._data_dir.journal, self._data_dir.snapshots),
            self._snapshot_at,
            self._config.journal.snapshot_bytes,
            self._switchboard.turn,
            self._committer.sync_soon,
        ).run_forever()

    async def _listen(self) -> None:
        config = self._config
        context = server_context(config.tls_cert, config.tls_key, config.tls_client_ca)
        host, port = split_address(config.amqp)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._make_connection, host, port, ssl=context, backlog=1024
            )
        except OSError as error:
            raise BadConfig(f"cannot listen on {host}:{port}: {reason_of(error)}") from None
        if self._is_for_this_machine():
            announce(self._url(), self._credentials)

    async def _listen_for_http(self) -> None:
        """Where nobody said so, an address that is taken is no reason not to start."""
        config = self._config
        where = http_address(config, os.environ)
        if where is None:
            return
        host, port = split_address(where)
        context = server_context(config.http_cert, config.http_key, None)
        listener = HttpListener(
            self._make_http_application,
            context,
            self._make_tunnel_door(),
            plain_from_afar=config.emulator,
        )
        try:
            await listener.listen(host, port)
        except OSError as error:
            if config.http is None:
                log.warning("HTTP is not served", address=where, reason=reason_of(error))
                return
            raise BadConfig(f"cannot listen on {where}: {reason_of(error)}") from None
        self._http = listener

    def _make_tunnel_door(self) -> TunnelDoor:
        """MQTT is spoken in WebSockets where it is spoken at all."""
        config = self._config
        makers = {AMQP: self._make_connection}
        if mqtt_address(config) is not None:
            makers[MQTT] = self._make_mqtt_connection
        return TunnelDoor(
            makers=makers,
            origins=config.websocket_origins,
            local_pages=config.is_open,
            is_expected_host=HostNames(config).is_expected,
            is_ending=lambda: self.engine.draining,
        )

    def _make_http_application(self) -> "Starlette":
        from peeklock.server.http_host import make_http_application  # it loads much

        return make_http_application(
            self._config,
            self.engine,
            self._switchboard,
            self._authenticator,
            self._login_desk,
            self._tokens,
            self._clock,
            self._waiting_room,
            self._live_signals,
            self._webhooks,
            self._addresses,
            self._mqtt_sessions,
            self._make_metrics(),
        )

    def _make_metrics(self) -> "Metrics":
        from peeklock.server.metrics import Metrics

        assert self._http is not None
        return Metrics(
            self.engine,
            self._clock,
            self._switchboard,
            self._http,
            self._mqtt_host.system,
            self._committer,
            self._data_dir.snapshots if self._data_dir is not None else None,
            self._config.connections_max,
        )

    def _addresses(self, host: str) -> dict[str, list[str]]:
        """Where the protocols are spoken, for who calls this machine so; sockets first."""
        config = self._config
        assert self._listener is not None
        assert self._http is not None
        name = f"[{host}]" if ":" in host else host
        tls = "s" if config.tls_cert else ""
        wss = "wss" if config.http_cert else "ws"
        web = f"{wss}://{name}:{port_of(self._http.address)}"
        found = {
            "AMQP/1.0": [f"amqp{tls}://{name}:{port_of(self._address())}", f"{web}/amqp"],
            "HTTP": [],
        }
        if self._mqtt is not None:
            uris = [f"mqtt{tls}://{name}:{port_of(address_of(self._mqtt))}", f"{web}/mqtt"]
            found |= {"MQTT/3.1.1": uris, "MQTT/5.0": uris}
        return found

    def _is_for_this_machine(self) -> bool:
        """Can our own commands come in without being told as whom?"""
        return self._credentials is not None or self._config.is_open

    def _url(self) -> str:
        scheme = "amqps" if self._config.tls_cert else "amqp"
        return f"{scheme}://{self._address()}"

    def _address(self) -> str:
        assert self._listener is not None
        return address_of(self._listener)

    def _ready_line(self) -> str:
        ephemeral = self._config.ephemeral
        listening = {"amqp": self._address()}
        if self._mqtt is not None:
            listening["mqtt"] = address_of(self._mqtt)
        if self._http is not None:
            listening["http"] = self._http.address
        if self._ready_as_json:
            return json.dumps({"ready": listening, "ephemeral": ephemeral})
        words = ["peeklock ready", *(f"{name}={at}" for name, at in listening.items())]
        return " ".join([*words, "ephemeral (nothing is kept)"] if ephemeral else words)

    def _make_connection(self) -> SocketConnection:
        return self._connection(self._make_amqp_wire)

    def _make_mqtt_connection(self) -> SocketConnection:
        return self._connection(self._make_mqtt_wire)

    def _connection(self, make_wire: WireMaker) -> SocketConnection:
        board = self._switchboard
        return SocketConnection(make_wire, self._clock, board.after_read, board.forget)

    def _make_mqtt_wire(
        self, connection: SocketConnection, peer: str, certificate: str
    ) -> Wire:
        clock = self._clock
        frontend = MqttFrontend(
            self._mqtt_host, clock.now(), clock.elapsed(), peer, certificate
        )
        self._let_in(frontend, connection)
        return frontend

    def _make_amqp_wire(
        self, connection: SocketConnection, peer: str, certificate: str
    ) -> Wire:
        clock = self._clock
        frontend = AmqpFrontend(self._host, clock.now(), clock.elapsed(), peer, certificate)
        self._let_in(frontend, connection)
        return frontend

    def _let_in(self, frontend: Wire, connection: SocketConnection) -> None:
        board = self._switchboard
        if board.open_count >= self._config.connections_max:
            self._refuse(frontend, connection)
        board.connections[frontend] = connection

    def _refuse(self, frontend: Wire, connection: SocketConnection) -> None:
        """One connection too many is told so; when there are many of them, they are cut off."""
        most = self._config.connections_max
        log.warning("connection refused", peer=connection.peer_name, connections=most)
        refused = self._switchboard.refused
        if len(refused) < CONNECTIONS_REFUSED_MAX:
            frontend.refuse(f"there are {most} connections already; allowed are {most}")
        else:
            asyncio.get_running_loop().call_soon(connection.abort)
        refused.add(frontend)

    # ---- ending

    async def _shut_down(self, chores: asyncio.Task[None]) -> None:
        """Stop taking in, let receivers finish what they hold, tell, sync, close."""
        assert self._listener is not None
        if self._is_for_this_machine():
            retract(self._url())
        self._listener.close()
        if self._mqtt is not None:
            self._mqtt.close()
        if self._http is not None:
            self._http.close()
        chores.cancel()
        self.engine.draining = True
        self._waiting_room.close()
        self._live_signals.close()
        log.info("draining", connections=len(self._switchboard.connections))
        deadline = time.monotonic() + self._config.drain_seconds
        while self.engine.is_held() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await self._webhooks.close()
        await self._confirm(deadline)
        if self._http is not None:
            await self._http.drain(max(0.0, deadline - time.monotonic()))
        for connection in list(self._switchboard.connections.values()):
            connection.wire.close(Closing.SHUT_DOWN, "the broker is shutting down")
            connection.flush()
        deadline = time.monotonic() + min(1.0, self._config.drain_seconds)
        while self._switchboard.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self._switchboard.connections.values()):
            connection.abort()
        await asyncio.sleep(0)
        if self._committer is not None:
            self._committer.stop()
        self.engine.journal.sync()
        if self.engine.journal.durable < self.engine.journal.end:
            log.error("ending without room on the disk: nobody was told of what is not kept")
        if self._file_journal is not None:
            self._file_journal.close()
        if self._data_dir is not None:
            self._data_dir.close()
        log.info("ended", journal_end=int(self.engine.journal.end))

    async def _confirm(self, deadline: float) -> None:
        """Tell everybody what came of what they have said: it has to be durable first."""
        journal = self.engine.journal
        said = journal.end
        while journal.durable < said and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._switchboard.turn()

    # ---- being looked at

    def _uptime_ms(self) -> int:
        return int((time.monotonic() - self._started_at) * 1000)

    def stats(self) -> dict[str, object]:
        """The broker as a whole, for `peeklock top` and the like."""
        journal = self.engine.journal
        residency = self._namespace.residency
        return {
            "connections": len(self._switchboard.connections),
            "uptime_ms": self._uptime_ms(),
            "journal_end": int(journal.end),
            "journal_durable": int(journal.durable),
            "resident_bytes": residency.used_bytes,
            "has_room": journal.has_room,
            "queues": len(self._namespace.queues()),
            "topics": len(self._namespace.topics()),
            "pid": os.getpid(),
        }

    def dump(self) -> None:
        """The entity table as one line of JSON on stderr (SIGUSR1)."""
        queues = self._namespace.by_id.values()
        entities = [describe(self.engine, queue, to_owner=False) for queue in queues]
        entities += [describe_topic(self.engine, topic) for topic in self._namespace.topics()]
        print(json.dumps({"broker": self.stats(), "entities": entities}), file=sys.stderr)


def make_tokens(config: Config) -> Tokens:
    keys = [
        AccessKey(
            one.name, one.key, frozenset(Right(right) for right in one.rights), one.entity
        )
        for one in config.access_keys
    ]
    jwt = config.jwt
    if jwt is None:
        return Tokens(keys)
    return Tokens(keys, JwtKey(jwt.key, tuple(jwt.algorithms), jwt.audience, jwt.issuer))


def data_path(config: Config) -> Path:
    """Where state goes when nothing else is said: the user's state directory."""
    if config.data_dir is not None:
        return config.data_dir
    return state_dir() / "data"
