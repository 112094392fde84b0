"""Configuration: TOML file, environment (PEEKLOCK_…), command line; the last one wins."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from socket import gethostname
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from peeklock.entities.push import origin_of
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    CONNECTIONS_MAX,
    DISK_FREE_BYTES_MIN,
    EVENT_SCHEMA_BYTES_MAX,
    RESIDENT_BYTES_DEFAULT,
    SEGMENT_BYTES_DEFAULT,
)
from peeklock.management.definitions import (
    QueueDefinition,
    SubscriptionDefinition,
    TopicDefinition,
)
from peeklock.server.bad_config import BadConfig
from peeklock.server.emulator_config import MOUNTED, read_emulator_config
from peeklock.server.push_rules import LOOPBACK, PushRules
from peeklock.server.user_config import UserConfig

ENV_PREFIX: Final = "PEEKLOCK_"
HTTP_DEFAULT: Final = "127.0.0.1:8180"
MQTT_DEFAULT: Final = "127.0.0.1:1883"
OFF: Final = "off"
EMULATOR_HTTP_PORT: Final = "EMULATOR_HTTP_PORT"
EMULATOR_PORT_DEFAULT: Final = "5300"
# Variables that are no settings of the broker: the commands, a worker's command, the build.
OTHER_VARIABLES: Final = frozenset(
    "CONFIG URL CREDENTIALS PURE QUEUE MESSAGE_ID SEQUENCE_NUMBER ATTEMPT SESSION_ID".split()
)
# pydantic's words where ours are shorter.
WORDS: Final = {"missing": "is missing", "extra_forbidden": "is no setting"}


class QueueConfig(BaseModel):
    """One queue that is to be there; settings are those of `peeklock queue create`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    """By which it is addressed."""

    def definition(self) -> QueueDefinition:
        return QueueDefinition(self.name, extras(self))


class RuleConfig(BaseModel):
    """One rule of a new subscription; the rest is as in `peeklock rule create`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    """By which it is addressed."""


class SubscriptionConfig(BaseModel):
    """One subscription that is to be there; without rules it takes everything."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    """Below its topic."""
    rules: list[RuleConfig] | None = None
    """Without any it takes everything."""

    def definition(self) -> SubscriptionDefinition:
        rules = None
        if self.rules is not None:
            rules = tuple((rule.name, extras(rule)) for rule in self.rules)
        return SubscriptionDefinition(self.name, extras(self), rules)


class DerivationConfig(BaseModel):
    """One derivation of a topic; the rest is as in `peeklock derive add`, with _ for -.

    `body` may be a table.
    """

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    """By which it is addressed."""


class TopicConfig(BaseModel):
    """One topic that is to be there; settings are those of `peeklock topic create`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    """By which it is addressed."""
    event_schema_file: Path | None = None
    """Where its setting event_schema is, a JSON Schema."""
    subscriptions: list[SubscriptionConfig] = []
    derivations: list[DerivationConfig] = []

    @field_validator("event_schema_file")
    @classmethod
    def can_be_read(cls, value: Path | None) -> Path | None:
        if value is not None:
            schema_in(value)
        return value

    def definition(self) -> TopicDefinition:
        subscriptions = tuple(one.definition() for one in self.subscriptions)
        settings = extras(self)
        if self.event_schema_file is not None:
            settings["event_schema"] = schema_in(self.event_schema_file)
        derivations = tuple((one.name, extras(one)) for one in self.derivations)
        return TopicDefinition(self.name, settings, subscriptions, derivations)


def schema_in(file: Path) -> str:
    """Its text; raises `ValueError`. Whether it is a schema is looked at with the topic."""
    try:
        with file.open("rb") as opened:
            return opened.read(EVENT_SCHEMA_BYTES_MAX + 1).decode()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file}: no text in UTF-8") from None


class AccessKeyConfig(BaseModel):
    """A key that signs tokens (shared access signatures) for an entity, or for everything."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str
    """As tokens name it (skn)."""
    key: str = Field(min_length=16)
    """The shared secret."""
    rights: list[Literal["send", "listen", "manage"]] = ["send", "listen", "manage"]
    """What its tokens allow."""
    entity: str = ""
    """On which entity; empty: on all."""


class JwtConfig(BaseModel):
    """How JSON Web Tokens are checked; their claims `rights` and `entity` say what for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    key: str = Field(min_length=32)
    """A shared secret, or a public key as PEM."""
    algorithms: list[Literal["HS256", "HS384", "HS512", "RS256", "ES256"]] = ["HS256"]
    """Which signatures are taken."""
    audience: str | None = None
    """What `aud` has to be."""
    issuer: str | None = None
    """What `iss` has to be."""


class JournalConfig(BaseModel):
    """How facts are kept on disk. Sizes in bytes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    segment_bytes: int = Field(default=SEGMENT_BYTES_DEFAULT, ge=64 * 1024)
    """One file of the journal."""
    free_bytes_min: int = Field(default=DISK_FREE_BYTES_MIN, ge=0)
    """Free disk space below which sends are refused, and settling goes on."""
    snapshot_bytes: int = Field(default=512 * 1024 * 1024, ge=256 * 1024)
    """A snapshot is taken when the journal has grown by this much since the last one."""


class PushConfig(BaseModel):
    """What webhooks may do. Which queue or subscription has one is its own setting, push_to."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    origin: str = Field(default="", pattern=r"^([A-Za-z0-9.-]+)?$")
    """The DNS name by which receivers know this broker; the machine's when nothing is said."""
    callback_url: str = Field(default="", pattern=r"^(https?://[^/?#\s]+[^?#\s]*[^/?#\s])?$")
    """Where they reach its HTTP, such as https://broker.example: to give leave later."""
    networks: list[str] = []
    """Networks such as 10.1.0.0/16 to push to, also without TLS, beside public addresses."""
    trusted: list[str] = []
    """Receivers such as https://erp.example that are not asked for leave."""
    ca: Path | None = None
    """Authorities (PEM) of receivers' certificates, beside those that the machine trusts."""

    @field_validator("networks")
    @classmethod
    def are_networks(cls, value: list[str]) -> list[str]:
        for one in value:
            ip_network(one)  # raises ValueError, which says what is wrong
        return value

    @field_validator("trusted")
    @classmethod
    def are_origins(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                origin_of(one)
            except InvalidRequest:
                raise ValueError(f"{one!r} is no origin such as https://erp.example") from None
        return value

    def rules(self, *, is_open: bool) -> PushRules:
        """Where anybody may do anything, this machine is all that there is to be reached."""
        networks = tuple(ip_network(one) for one in self.networks)
        return PushRules(
            origin=self.origin or gethostname(),
            callback_url=self.callback_url,
            networks=networks + LOOPBACK if is_open else networks,
            trusted=frozenset(origin_of(one) for one in self.trusted),
            authorities=self.ca,
        )


class Config(BaseSettings):
    """Everything that can be set. Field names are the TOML keys."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    data_dir: Path | None = None
    """Where messages are kept; ~/.local/state/peeklock/data when nothing is said."""
    ephemeral: bool = False
    """Keep nothing on disk; `data_dir` is of no use then."""
    dev: bool = False
    """Anybody may do anything, unknown queues are made on attach; loopback only."""
    emulator: bool = False
    """Instead of Azure's Service Bus emulator: anybody may do anything; any address; tests."""
    amqp: str = "127.0.0.1:5672"
    """HOST:PORT to listen on for AMQP; port 0 takes any free one."""
    mqtt: str | None = None
    """HOST:PORT for MQTT; else 127.0.0.1:1883 if that is free; `off`: none."""
    mqtt_keep_alive_max: int | None = Field(default=None, ge=1, le=65_535)
    """Seconds; MQTT 5 clients that want a longer keep alive, or none, are told this one."""
    http: str | None = None
    """HOST:PORT for HTTP and HTTPS; else 127.0.0.1:8180 if that is free; `off`: none."""
    tls_cert: Path | None = None
    """Certificate chain (PEM); AMQP and MQTT are then TLS only."""
    tls_key: Path | None = None
    """Its key (PEM, without a password)."""
    tls_client_ca: Path | None = None
    """Authorities (PEM) whose client certificates log in the user of that common name."""
    http_tls_cert: Path | None = None
    """Certificate chain (PEM) of HTTPS, if it is another than AMQP's."""
    http_tls_key: Path | None = None
    """Its key (PEM, without a password)."""
    websocket_origins: list[str] = []
    """Origins of web pages that may open WebSockets, beside our own address; "*": any."""
    http_origins: list[str] = []
    """Origins of web pages that may ask over HTTP (CORS), beside our own address; "*": any."""
    webhook_origins: list[str] = []
    """Names of senders whose webhooks may push events here, unasked for; "*": any."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged, on stderr."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Text for people, JSON for programs; auto: text on a terminal."""
    resident_bytes: int = Field(default=RESIDENT_BYTES_DEFAULT, ge=0)
    """Message bodies kept in memory; beyond it they are read back from the journal."""
    metrics: Literal["users", "anybody"] = "users"
    """Who may read HTTP's `/metrics`: users who log in, or anybody who reaches the port."""
    connections_max: int = Field(default=CONNECTIONS_MAX, ge=1)
    """Connections at a time; one more is told so and closed."""
    drain_seconds: float = Field(default=5.0, ge=0)
    """After SIGTERM, how long workers may settle what they hold."""
    journal: JournalConfig = JournalConfig()
    push: PushConfig = PushConfig()
    queues: list[QueueConfig] = []
    topics: list[TopicConfig] = []
    users: list[UserConfig] = []
    access_keys: list[AccessKeyConfig] = []
    jwt: JwtConfig | None = None

    toml_file: Path | None = Field(default=None, exclude=True)

    @property
    def is_open(self) -> bool:
        """May anybody do anything?"""
        return self.dev or self.emulator

    @property
    def http_cert(self) -> Path | None:
        return self.http_tls_cert or self.tls_cert

    @property
    def http_key(self) -> Path | None:
        return self.http_tls_key or self.tls_key

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def in_small_letters(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings()
        file = given.get("toml_file")
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def extras(model: BaseModel) -> dict[str, object]:
    """What a table of the file says beside the fields that are known here."""
    return dict(model.model_extra or {})


def load(
    overrides: dict[str, Any], file: Path | None = None, mounted: Path = MOUNTED
) -> Config:
    """The configuration; raises `BadConfig` that says what to mend, a line for each mistake.

    Those of single settings come first; how they go together is looked at when each is right.
    The emulator's stand-in reads the file that is `mounted` for the emulator, if none is named.
    """
    config = loaded(overrides, file)
    if config.emulator and file is None and mounted.is_file():
        return loaded(overrides, mounted)
    return config


def loaded(overrides: dict[str, Any], file: Path | None) -> Config:
    given = {name: value for name, value in overrides.items() if value is not None}
    if file is not None:
        if not file.is_file():
            raise BadConfig(f"no configuration file {file}")
        if is_emulators(file):
            given |= read_emulator_config(file)
        else:
            given["toml_file"] = file
    try:
        mistakes = [*contradictions(given), *unknown_settings(file)]
        config = Config(**given)
    except ValidationError as error:
        raise BadConfig(*mistakes, *wrong_values(error)) from None
    except SettingsError as error:  # a variable that should be JSON
        name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
        raise BadConfig(f"environment: {ENV_PREFIX}{name} is no JSON") from None
    except OSError as error:
        raise BadConfig(f"configuration file {file}: {error.strerror}") from None
    except ValueError as error:  # the TOML file's syntax
        raise BadConfig(f"configuration file {file}: {error}") from None
    mistakes += mistakes_in(config)
    if mistakes:
        raise BadConfig(*mistakes)
    return config


def contradictions(given: Mapping[str, object]) -> Iterator[str]:
    """What was said in one breath, on the command line. Elsewhere the last one wins: an image
    names a directory in its environment, say, and `--ephemeral` is for one run."""
    if given.get("ephemeral") and "data_dir" in given:
        yield "--ephemeral keeps nothing, and --data-dir is where it is kept: not both"


def unknown_settings(file: Path | None) -> list[str]:
    """A line for each name at the top of our file that is none."""
    if file is None or is_emulators(file):
        return []
    with file.open("rb") as opened:
        unknown = set(tomllib.load(opened)) - setting_names()
    return [f"configuration file {file}: no setting {name!r}" for name in sorted(unknown)]


def wrong_values(error: ValidationError) -> list[str]:
    """A line for each value that cannot be."""
    lines: list[str] = []
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"])
        words = WORDS.get(one["type"], one["msg"].removeprefix("Value error, "))
        lines.append(f"configuration: {where}: {words}")
    return lines


def mistakes_in(config: Config) -> Iterator[str]:
    """What no single setting can tell."""
    if (config.tls_cert is None) != (config.tls_key is None):
        yield "configuration: tls_cert and tls_key go together"
    if (config.http_tls_cert is None) != (config.http_tls_key is None):
        yield "configuration: http_tls_cert and http_tls_key go together"
    if config.tls_client_ca is not None and config.tls_cert is None:
        yield "configuration: tls_client_ca needs tls_cert and tls_key"
    if config.push.ca is not None and not config.push.ca.is_file():
        yield f"configuration: push.ca: no file {config.push.ca}"
    for user in config.users:
        yield from user.mistakes(by_certificate=config.tls_client_ca is not None)
    yield from mistakes_in_address(config, config.amqp, config.tls_cert)
    if config.http not in (None, OFF):
        yield from mistakes_in_address(config, config.http, config.http_cert)
    if config.mqtt is not None and config.mqtt.lower() != OFF:
        yield from mistakes_in_address(config, config.mqtt, config.tls_cert)
    yield from doubles("user", (user.name for user in config.users))
    yield from doubles("queue", (queue.name.casefold() for queue in config.queues))
    yield from doubles("topic", (topic.name.casefold() for topic in config.topics))
    for topic in config.topics:
        below = f"topic {topic.name!r}:"
        subscriptions = (one.name.casefold() for one in topic.subscriptions)
        yield from doubles(f"{below} subscription", subscriptions)
        derivations = (one.name.casefold() for one in topic.derivations)
        yield from doubles(f"{below} derivation", derivations)


def is_emulators(file: Path) -> bool:
    """Ours is TOML; JSON is what Azure's emulator has."""
    return file.suffix.lower() == ".json"


def mistakes_in_address(config: Config, address: str, cert: Path | None) -> Iterator[str]:
    """Who is not on this machine comes in with TLS and a name, or not at all.

    The emulator's stand-in is the exception: for tests, on a network of their own.
    """
    try:
        host, _port = split_address(address)
    except BadConfig as error:
        yield from error.mistakes
        return
    if is_loopback(host) or config.emulator:
        return
    if config.dev:
        yield f"--dev lets anybody in, so it listens on loopback only, not {host}"
        return
    needs = ["--tls-cert"] if cert is None else []
    if not (config.users or config.access_keys or config.jwt):
        needs.append("[[users]], [[access_keys]] or [jwt]")
    if needs:
        yield f"listening on {host}, which is not loopback, needs {' and '.join(needs)}"


def http_address(config: Config, environment: Mapping[str, str]) -> str | None:
    """Where HTTP is to be served; None for nowhere. Raises `BadConfig`.

    The emulator has its own variable for the port, which its users' compose files set.
    """
    if config.http is not None:
        return None if config.http.lower() == OFF else config.http
    if not config.emulator:
        return HTTP_DEFAULT
    host, _port = split_address(config.amqp)
    port = environment.get(EMULATOR_HTTP_PORT, EMULATOR_PORT_DEFAULT)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        split_address(address)
    except BadConfig:
        raise BadConfig(f"environment: {EMULATOR_HTTP_PORT} is {port!r}, no port") from None
    return address


def mqtt_address(config: Config) -> str | None:
    """Where MQTT is to be served; None for nowhere. Azure's emulator has none."""
    if config.mqtt is not None:
        return None if config.mqtt.lower() == OFF else config.mqtt
    return None if config.emulator else MQTT_DEFAULT


def doubles(what: str, names: Iterable[str]) -> Iterator[str]:
    """A line for each name that is there more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f"configuration: {what} {name!r} is there twice"


def setting_names() -> set[str]:
    """What a TOML file may have at its top."""
    return set(Config.model_fields) - {"toml_file"}


def strange_variables(environment: Iterable[str]) -> list[str]:
    """Variables that look like settings and are none: typing errors, mostly."""
    known = {name.upper() for name in setting_names()} | OTHER_VARIABLES
    return sorted(
        name
        for name in environment
        if name.startswith(ENV_PREFIX)
        and name.removeprefix(ENV_PREFIX).split("__")[0] not in known
    )


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT, with [::1]:5672 for IPv6."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise BadConfig(f"configuration: {text!r} is no HOST:PORT such as 127.0.0.1:5672")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
