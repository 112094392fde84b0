"""Handles to a topic, and to one of its subscriptions."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from peeklock_client.message import LastValue
from peeklock_client.queue import Queue, maps

if TYPE_CHECKING:
    from peeklock_client.client import Client

Rule = dict[str, Any]
DERIVATION = "derivation"


class Topic:
    """One topic of a broker: signals go in, and each of its subscriptions takes its share."""

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self._intake = Queue(client, name)
        self.name = name

    # ---- signals in

    async def send(self, body: bytes | str | object, **options: Any) -> str:
        """Send a signal, and return its message-id once all who take it have it on disk.

        Options are those of `Queue.send`; what rules look at are `subject`, `properties`,
        `correlation_id` and the like. A signal that nobody takes is accepted, and gone.
        Raises `NotFound`, `QueueFull` (a subscription that takes it is full) and others.
        """
        return await self._intake.send(body, **options)

    async def send_batch(self, bodies: Iterable[bytes | str | object], **options: Any) -> int:
        """Send many with the same options, as `Queue.send_batch` does."""
        return await self._intake.send_batch(bodies, **options)

    async def send_encoded(self, payloads: list[bytes]) -> None:
        """Send messages that `encode_job` has made, in this order."""
        await self._intake.send_encoded(payloads)

    # ---- how things are

    async def last_values(
        self, path: str = "", *, cesql: str | None = None, sql: str | None = None
    ) -> AsyncIterator[LastValue]:
        """The newest signal of each subject that the topic keeps, in the order of subjects.

        `path` is a subject, with all that is below it, or has MQTT's wildcards
        (`building/+/floor/#`); without it, all are told. `cesql` is an expression over an
        event's attributes (`NOT occupied`), `sql` a condition as a rule has it, which also
        looks into JSON data (`[data.occupied] = FALSE`): only those for which it is true.
        What changes while they are asked for, slice by slice, is seen by the slices that
        follow. Raises `NotFound`, and `Refused` for a filter that is none.
        """
        if cesql is not None and sql is not None:
            raise ValueError("cesql and sql are two filters: give one")
        asked: dict[str, object] = {"path": path}
        if cesql is not None:
            asked["filter"] = cesql
        elif sql is not None:
            asked |= {"filter": sql, "dialect": "sql"}
        while True:
            found = await self._client.request(self.name, "peeklock:last-values", "", asked)
            for one in maps(found.get("messages")):
                yield LastValue(one["subject"], one["message"])
            if found.get("after") is None:
                return
            asked["after"] = found["after"]

    async def last_value(self, subject: str) -> LastValue | None:
        """What is kept for this very subject; None: nothing."""
        asked: dict[str, object] = {"path": subject, "message-count": 1}
        found = await self._client.request(self.name, "peeklock:last-values", "", asked)
        for one in maps(found.get("messages")):
            if one["subject"] == subject:
                return LastValue(subject, one["message"])
        return None

    async def clear_last_value(self, subject: str) -> None:
        """Nothing is kept for this very subject any more; no error where nothing was."""
        asked: dict[str, object] = {"subject": subject}
        await self._client.request(self.name, "peeklock:clear-last-value", "", asked)

    # ---- the topic itself

    def subscription(self, name: str) -> "Subscription":
        """A handle to one of its subscriptions; nothing is asked of the broker yet."""
        return Subscription(self._client, self.name, name)

    async def subscribe(
        self, name: str, *, rules: Iterable[Mapping[str, Any]] | None = None, **settings: object
    ) -> "Subscription":
        """Make a subscription. Without `rules` it takes everything.

        A rule is a map: its `name`, and what `Subscription.add_rule` takes. Settings are
        those of a queue; with `push_to="https://…"` each message is POSTed there.
        """
        subscription = self.subscription(name)
        arguments = dict(settings)
        if rules is not None:
            arguments["rules"] = [dict(rule) for rule in rules]
        await self._client.request("", "CREATE", subscription.name, arguments)
        return subscription

    async def subscriptions(self, prefix: str = "") -> list[dict[str, Any]]:
        """Settings and state of its subscriptions, by name."""
        return await self._client.query("subscription", self.name, prefix)

    async def derive(self, name: str, *, to: str, **settings: object) -> dict[str, Any]:
        """Let signals make jobs in queue `to`, by a derivation of this name.

        Settings are those of `peeklock derive add`, with `_` for `-`: `path`, `sql`, `key`,
        `body` (a map, or JSON's text) and the like. Returns it as it is then; raises `Refused`,
        which says what is wrong with which setting.
        """
        arguments: dict[str, object] = {"to": to, **settings}
        path = self._derivation_path(name)
        return await self._client.request("", "CREATE", path, arguments, kind=DERIVATION)

    async def derivations(self) -> list[dict[str, Any]]:
        """Its derivations as their authors wrote them, by name."""
        return await self._client.query(DERIVATION, self.name, "")

    async def derivation(self, name: str) -> dict[str, Any]:
        """One of them; raises `NotFound`."""
        path = self._derivation_path(name)
        return await self._client.request("", "READ", path, {}, kind=DERIVATION)

    async def update_derivation(self, name: str, **settings: object) -> dict[str, Any]:
        """Other settings for one of them; those that are not given stay, None is the default.

        What it remembers stays: raises `Refused` for a setting by which that would mean
        something else, and `NotFound`. Returns it as it is then.
        """
        path = self._derivation_path(name)
        return await self._client.request("", "UPDATE", path, settings, kind=DERIVATION)

    async def remove_derivation(self, name: str) -> None:
        """One less; jobs that it has made stay, and what it was waiting for is forgotten."""
        path = self._derivation_path(name)
        await self._client.request("", "DELETE", path, {}, kind=DERIVATION)

    def _derivation_path(self, name: str) -> str:
        return f"{self.name}/Derivations/{name}"

    async def info(self) -> dict[str, Any]:
        """Its settings, and how much its subscriptions hold."""
        return await self._client.request("", "READ", self.name, {})

    async def update(self, **settings: object) -> dict[str, Any]:
        """Change settings."""
        return await self._client.request("", "UPDATE", self.name, settings)

    async def delete(self) -> None:
        """With all its subscriptions and what they hold."""
        await self._client.request("", "DELETE", self.name, {})


class Subscription(Queue):
    """One subscription: received from, settled and looked at as a queue is, and with rules.

    A queue in everything but one: what comes in is its topic's to send, and the broker
    refuses a `send` of one's own (`amqp:not-allowed`).
    """

    def __init__(self, client: "Client", topic: str, name: str) -> None:
        super().__init__(client, f"{topic}/Subscriptions/{name}")

    async def rules(self) -> list[Rule]:
        """Its rules as their authors wrote them, oldest first."""
        return await self._client.query("rule", self.name, "")

    async def rule(self, name: str) -> Rule:
        """One of them; raises `NotFound`."""
        return await self._client.request("", "READ", self._rule_path(name), {})

    async def add_rule(
        self,
        name: str,
        *,
        sql: str | None = None,
        cesql: str | None = None,
        filters: Sequence[Mapping[str, Any]] | str | None = None,
        path: str | None = None,
        correlation: Mapping[str, Any] | None = None,
        action: str | None = None,
        kind: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        action_parameters: Mapping[str, Any] | None = None,
    ) -> Rule:
        """One more rule: what any of its rules takes, a subscription takes.

        `sql` is a condition (`amount > 100 AND region = 'EU'`), `cesql` one over an event's
        attributes (`type LIKE 'com.example.%'`), `filters` those of the CloudEvents
        Subscriptions API (`[{"prefix": {"type": "com.example."}}]`, or their JSON), `path` one
        for subjects (`building/+/floor/#`), `correlation` a map of what has to be equal
        (`{"sys.Label": "paid", "region": "EU"}`); with none of them, the rule takes everything,
        or with `kind="false"` nothing. `action` changes the copy that the rule takes
        (`SET priority = 1; REMOVE trace`).

        `parameters` are the values of `@names` in the condition (`sql="amount > @limit",
        parameters={"limit": 100}`), `action_parameters` those in the action: what comes from
        elsewhere need not be quoted into the text.
        """
        given = {
            "sql": sql,
            "cesql": cesql,
            "filters": filters,
            "path": path,
            "correlation": correlation,
            "action": action,
            "kind": kind,
            "parameters": parameters,
            "action_parameters": action_parameters,
        }
        return await self._on_rule("CREATE", name, given)

    async def update_rule(
        self,
        name: str,
        *,
        sql: str | None = None,
        cesql: str | None = None,
        filters: Sequence[Mapping[str, Any]] | str | None = None,
        path: str | None = None,
        correlation: Mapping[str, Any] | None = None,
        action: str | None = None,
        kind: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        action_parameters: Mapping[str, Any] | None = None,
    ) -> Rule:
        """Another filter and action under this name, for messages from now on."""
        given = {
            "sql": sql,
            "cesql": cesql,
            "filters": filters,
            "path": path,
            "correlation": correlation,
            "action": action,
            "kind": kind,
            "parameters": parameters,
            "action_parameters": action_parameters,
        }
        return await self._on_rule("UPDATE", name, given)

    async def remove_rule(self, name: str) -> None:
        """One rule less. A new subscription that takes everything does so by `$Default`."""
        await self._client.request("", "DELETE", self._rule_path(name), {})

    async def _on_rule(self, operation: str, name: str, given: Mapping[str, Any]) -> Rule:
        arguments = {key: value for key, value in given.items() if value is not None}
        return await self._client.request("", operation, self._rule_path(name), arguments)

    def _rule_path(self, name: str) -> str:
        return f"{self.name}/Rules/{name}"
