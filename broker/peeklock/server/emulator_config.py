"""The `Config.json` of Azure's Service Bus emulator, as entities of ours.

One namespace with queues, and topics with their subscriptions and rules. Properties have the
names and the forms that the administration interface has, too (management/service_bus.py);
those that are left out are as the emulator has them. Comments are allowed, since the file that
comes with the emulator has some.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeAlias, TypeVar

from peeklock.entities.settings import QueueSettings, TopicSettings
from peeklock.entities.settings_map import Settings
from peeklock.entities.subscription import check_rule
from peeklock.errors import BrokerError
from peeklock.limits import EMULATOR_CONFIG_BYTES_MAX
from peeklock.management.service_bus import WINDOW, changes_from, property_names
from peeklock.management.topics import rule_from
from peeklock.server.bad_config import BadConfig
from peeklock.server.json_places import line_of, shown_path, without_comments

# Where the emulator's image has it mounted.
MOUNTED: Final = Path("/ServiceBus_Emulator/ConfigFiles/Config.json")
CORRELATED: Final = (
    "ContentType CorrelationId Label MessageId ReplyTo ReplyToSessionId SessionId To"
).split()
# What the emulator's schema says of properties that are left out, where it is not what we say.
TOPIC_DEFAULTS: Final = {"DefaultMessageTimeToLive": "PT1H", WINDOW: "PT20S"}
QUEUE_DEFAULTS: Final = {**TOPIC_DEFAULTS, "LockDuration": "PT1M", "MaxDeliveryCount": 3}

Where: TypeAlias = tuple[str | int, ...]
Table: TypeAlias = dict[str, object]
T = TypeVar("T")


def read_emulator_config(file: Path) -> dict[str, object]:
    """`queues` and `topics` as our own configuration has them; raises `BadConfig`."""
    try:
        if file.stat().st_size > EMULATOR_CONFIG_BYTES_MAX:
            raise BadConfig(
                f"configuration file {file}: more than {EMULATOR_CONFIG_BYTES_MAX} bytes"
            )
        text = without_comments(file.read_text(encoding="utf-8-sig"))
        document = json.loads(text)
    except OSError as error:
        raise BadConfig(f"configuration file {file}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        where = f"{file}:{error.lineno}"
        raise BadConfig(f"{where}: column {error.colno}: no JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadConfig(f"configuration file {file}: no JSON: {error}") from None
    return Reader(file, text).namespace(document)


class Reader:
    """Every refusal names the file, the line, and the path in it.

    Reading goes on behind an entity, a rule or a property that is wrong: all are told.
    """

    def __init__(self, file: Path, text: str) -> None:
        self._file: Final = file
        self._content: Final = text
        self._mistakes: Final[list[str]] = []

    def namespace(self, document: object) -> dict[str, object]:
        root = self._table(document, (), ("UserConfig",))
        path: Where = ("UserConfig",)
        user = self._table(root.get("UserConfig"), path, ("Namespaces", "Logging"))
        path = (*path, "Namespaces")
        namespaces = self._list(user.get("Namespaces", []), path)
        if len(namespaces) > 1:
            self._refuse((*path, 1), "one broker has one namespace; there is more than one")
        if not namespaces:
            return {}
        path = (*path, 0)
        one = self._table(namespaces[0], path, ("Name", "Queues", "Topics"))
        found: dict[str, object] = {
            "queues": self._each(one, "Queues", path, self._queue),
            "topics": self._each(one, "Topics", path, self._topic),
        }
        if self._mistakes:
            raise BadConfig(*self._mistakes)
        return found

    def _each(
        self, table: Table, name: str, path: Where, read: Callable[[object, Where], Table]
    ) -> list[Table]:
        below = (*path, name)
        given = self._list(table.get(name, []), below)
        found: list[Table] = []
        for place, value in enumerate(given):
            try:
                found.append(read(value, (*below, place)))
            except BadConfig as error:
                self._mistakes.extend(error.mistakes)
        return found

    def _queue(self, value: object, path: Where) -> Table:
        table = self._table(value, path, ("Name", "Properties"))
        changes = self._properties(table, path, QueueSettings())
        return {"name": self._name(table, path), **changes}

    def _topic(self, value: object, path: Where) -> Table:
        table = self._table(value, path, ("Name", "Properties", "Subscriptions"))
        changes = self._properties(table, path, TopicSettings())
        below = self._each(table, "Subscriptions", path, self._subscription)
        return {"name": self._name(table, path), **changes, "subscriptions": below}

    def _subscription(self, value: object, path: Where) -> Table:
        table = self._table(value, path, ("Name", "Properties", "Rules"))
        changes = self._properties(table, path, QueueSettings())
        found: Table = {"name": self._name(table, path), **changes}
        rules = self._each(table, "Rules", path, self._rule)
        if rules:  # without, it takes everything
            found["rules"] = rules
        return found

    # ---- properties

    def _properties(self, table: Table, path: Where, base: Settings) -> Table:
        """Tried one by one first, so that a refusal names its line."""
        defaults = TOPIC_DEFAULTS if isinstance(base, TopicSettings) else QUEUE_DEFAULTS
        path = (*path, "Properties")
        known = tuple(property_names(base))
        given = self._optional(table, path, known)
        plain = {name: value for name, value in given.items() if value is not None}
        wrong: list[str] = []
        for name, value in plain.items():
            try:
                self._tried((*path, name), partial(changes_from, {name: value}, base))
            except BadConfig as error:
                wrong.extend(error.mistakes)
        if wrong:
            raise BadConfig(*wrong)
        return self._tried(path, partial(changes_from, {**defaults, **plain}, base))

    # ---- rules

    def _rule(self, value: object, path: Where) -> Table:
        table = self._table(value, path, ("Name", "Properties"))
        name = self._name(table, path)
        path = (*path, "Properties")
        words = ("FilterType", "CorrelationFilter", "SqlFilter", "Action")
        properties = self._optional(table, path, words)
        arguments = self._filter(properties, path)
        if properties.get("Action") is not None:
            arguments["action"] = self._sql(properties, "Action", path)
        rule = self._tried(path, partial(rule_from, name, arguments))
        self._tried(path, partial(check_rule, rule))
        return {"name": name, **arguments}

    def _filter(self, properties: Table, path: Where) -> Table:
        kind = properties.get("FilterType")
        if kind == "Sql":
            return {"kind": "sql", "sql": self._sql(properties, "SqlFilter", path)}
        if kind == "Correlation":
            correlation = self._correlation(properties, (*path, "CorrelationFilter"))
            return {"kind": "correlation", "correlation": correlation}
        if kind is None and properties.get("CorrelationFilter") is None:
            return {"kind": "true"}
        self._refuse((*path, "FilterType"), f"{kind!r}; there are Sql and Correlation")

    def _sql(self, properties: Table, name: str, path: Where) -> str:
        below = (*path, name)
        table = self._table(properties.get(name), below, ("SqlExpression",))
        return self._text(table, "SqlExpression", below)

    def _correlation(self, properties: Table, path: Where) -> Table:
        table = self._table(
            properties.get("CorrelationFilter"), path, (*CORRELATED, "Properties")
        )
        found: Table = {}
        for name in CORRELATED:
            if table.get(name) is not None:
                found[f"sys.{name}"] = self._text(table, name, path)
        below = self._optional(table, (*path, "Properties"), None)
        return found | below

    # ---- values

    def _optional(self, table: Table, path: Where, known: tuple[str, ...] | None) -> Table:
        """The table at the end of `path`; null is as if it were not there."""
        value = table.get(str(path[-1]))
        return {} if value is None else self._table(value, path, known)

    def _table(self, value: object, path: Where, known: tuple[str, ...] | None) -> Table:
        if value is None:
            self._refuse(path, "is missing")
        if not isinstance(value, dict):
            self._refuse(path, "that is no object")
        strange = [name for name in value if known is not None and name not in known]
        if strange:
            why = f"nothing has this name; there are {', '.join(sorted(known or ()))}"
            raise BadConfig(*(self._mistake((*path, name), why) for name in strange))
        return value

    def _list(self, value: object, path: Where) -> list[object]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._refuse(path, "that is no array")
        return value

    def _name(self, table: Table, path: Where) -> str:
        return self._text(table, "Name", path)

    def _text(self, table: Mapping[str, object], name: str, path: Where) -> str:
        value = table.get(name)
        if not isinstance(value, str) or not value:
            self._refuse((*path, name), "there is to be a string")
        return value

    def _tried(self, path: Where, work: Callable[[], T]) -> T:
        try:
            return work()
        except BrokerError as error:
            self._refuse(path, str(error))

    def _refuse(self, path: Where, why: str) -> NoReturn:
        raise BadConfig(self._mistake(path, why))

    def _mistake(self, path: Where, why: str) -> str:
        return f"{self._file}:{line_of(self._content, path)}: {shown_path(path)}: {why}"
