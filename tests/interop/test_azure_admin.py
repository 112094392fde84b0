"""Azure's administration client for Python, unmodified, against the broker over TLS."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop.azure_client import Message, client, connection_string
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

management = pytest.importorskip("azure.servicebus.management", reason="no azure-servicebus")
core = pytest.importorskip("azure.core.exceptions", reason="no azure-core")

pytestmark = [
    pytest.mark.interop,
    # The SDK leaves sockets of its connection pool to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MINUTE = dt.timedelta(minutes=1)
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerProcess, Path]]:
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    files = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
    with BrokerProcess(*files) as process:
        yield process, certificate


@pytest.fixture(scope="module")
def admin(broker: tuple[BrokerProcess, Path]) -> Iterator[Any]:
    process, certificate = broker
    text = connection_string(process.http_port)
    with management.ServiceBusAdministrationClient.from_connection_string(
        text, connection_verify=str(certificate)
    ) as one:
        yield one


@pytest.fixture
def topic(admin: Any, queue: str) -> Iterator[str]:
    admin.create_topic(queue)
    yield queue
    admin.delete_topic(queue)


class TestQueues:
    @pytest.mark.shows("administration", "queues: create, get, update, delete")
    def test_every_property(self, admin: Any, queue: str) -> None:
        admin.create_queue("dead letters")
        made = admin.create_queue(
            queue,
            lock_duration="PT30S",
            max_size_in_megabytes=2048,
            requires_duplicate_detection=True,
            duplicate_detection_history_time_window="PT5M",
            default_message_time_to_live=dt.timedelta(hours=2),
            dead_lettering_on_message_expiration=True,
            max_delivery_count=7,
            auto_delete_on_idle=dt.timedelta(days=1),
            user_metadata="ours: <&>",
            forward_dead_lettered_messages_to="dead letters",
            max_message_size_in_kilobytes=1024,
            requires_session=True,
        )
        got = admin.get_queue(queue)
        assert dict(got.items()) == dict(made.items())
        assert got.lock_duration == MINUTE / 2
        assert got.max_size_in_megabytes == 2048
        assert got.requires_duplicate_detection
        assert got.duplicate_detection_history_time_window == 5 * MINUTE
        assert got.default_message_time_to_live == 120 * MINUTE
        assert got.dead_lettering_on_message_expiration
        assert got.max_delivery_count == 7
        assert got.auto_delete_on_idle == dt.timedelta(days=1)
        assert got.user_metadata == "ours: <&>"
        assert got.forward_dead_lettered_messages_to.endswith("/dead letters")
        assert got.max_message_size_in_kilobytes == 1024
        assert got.requires_session
        assert (got.status, got.availability_status) == ("Active", "Available")
        admin.delete_queue(queue)
        admin.delete_queue("dead letters")

    @pytest.mark.shows("administration", "what means nothing here is told as it was sent")
    @pytest.mark.differs(
        "administration",
        "`EnableBatchedOperations`, `EnableExpress`, `EnablePartitioning` and "
        "`SupportOrdering` are kept, and ask for less than every entity here does: all is "
        "written down before it is answered for, and in its order.",
    )
    @pytest.mark.differs(
        "access",
        "Authorization rules of an entity are kept, told to who may manage it, and get nobody "
        "in: keys that do are in the broker's configuration (`[[access_keys]]`).",
    )
    def test_what_is_kept_and_no_more(self, admin: Any, queue: str) -> None:
        rule = management.AuthorizationRule(
            type="SharedAccessAuthorizationRule",
            claim_type="SharedAccessKey",
            claim_value="None",
            rights=["Manage", "Send", "Listen"],
            created_at_utc=NOON,
            modified_at_utc=NOON,
            key_name="theirs",
            primary_key="p" * 43 + "=",
            secondary_key="s" * 43 + "=",
        )
        chosen = {
            "enable_batched_operations": False,
            "enable_express": True,
            "enable_partitioning": True,
            "user_metadata": "ours",
            "authorization_rules": [rule, rule],
        }
        admin.create_queue(queue, **chosen)
        admin.create_topic(f"{queue}-t", **chosen, support_ordering=False)
        admin.create_subscription(
            f"{queue}-t", "s", enable_batched_operations=False, user_metadata="ours"
        )
        assert not admin.get_subscription(f"{queue}-t", "s").enable_batched_operations
        assert not admin.get_topic(f"{queue}-t").support_ordering
        changed = admin.get_queue(queue)
        changed.max_delivery_count = 3
        admin.update_queue(changed)
        for got in (admin.get_queue(queue), admin.get_topic(f"{queue}-t")):
            for name, value in chosen.items():
                if name != "authorization_rules":
                    assert getattr(got, name) == value, name
            assert [vars(one) for one in got.authorization_rules] == [vars(rule)] * 2
        changed.authorization_rules = []
        changed.enable_express = False
        admin.update_queue(changed)
        assert not admin.get_queue(queue).authorization_rules
        assert not admin.get_queue(queue).enable_express
        admin.delete_queue(queue)
        admin.delete_topic(f"{queue}-t")

    @pytest.mark.shows("administration", "Azure's defaults of locks, deliveries and lifetimes")
    @pytest.mark.differs(
        "administration",
        "By default a queue holds 16 GiB and a message is up to 100 MiB; in Azure's Standard "
        "tier 1 GB and 256 KB.",
    )
    def test_defaults(self, admin: Any, queue: str) -> None:
        got = admin.create_queue(queue)
        assert got.name == queue
        assert got.lock_duration == MINUTE
        assert got.max_delivery_count == 10
        assert got.default_message_time_to_live > dt.timedelta(days=10_000_000)
        assert not got.requires_duplicate_detection
        assert got.forward_to is None
        assert got.max_size_in_megabytes == 16 * 1024
        assert got.max_message_size_in_kilobytes == 100 * 1024
        admin.delete_queue(queue)

    @pytest.mark.differs(
        "administration",
        "Ranges are wider: sizes, deliveries, locks, windows for duplicates. [The "
        "settings](entities.md) name them.",
    )
    def test_wider_ranges(self, admin: Any, queue: str) -> None:
        """Azure: locks of 5 s to 5 min, 2,000 deliveries, windows from 20 s on."""
        wide = {
            "lock_duration": "PT20H",
            "max_delivery_count": 5000,
            "requires_duplicate_detection": True,
            "duplicate_detection_history_time_window": "PT1S",
        }
        got = admin.create_queue(queue, **wide, max_size_in_megabytes=500_000)
        assert got.lock_duration == dt.timedelta(hours=20)
        assert got.duplicate_detection_history_time_window == dt.timedelta(seconds=1)
        assert (got.max_delivery_count, got.max_size_in_megabytes) == (5000, 500_000)
        admin.delete_queue(queue)

    @pytest.mark.shows("administration", "names with a slash, found in any case")
    def test_a_name_with_a_slash(self, admin: Any, queue: str) -> None:
        admin.create_queue(f"{queue}/inner one")
        assert admin.get_queue(f"{queue}/INNER one").name == f"{queue}/INNER one"
        names = [one.name for one in admin.list_queues()]
        assert f"{queue}/inner one" in names
        admin.delete_queue(f"{queue}/inner one")

    @pytest.mark.shows("administration", "queues: create, get, update, delete")
    def test_update(self, admin: Any, queue: str) -> None:
        """As the SDK does it: all of it is sent back."""
        got = admin.create_queue(queue, max_delivery_count=3)
        got.status = "SendDisabled"
        got.lock_duration = dt.timedelta(seconds=20)
        admin.update_queue(got)
        again = admin.get_queue(queue)
        assert (again.status, again.max_delivery_count) == ("SendDisabled", 3)
        assert again.lock_duration == dt.timedelta(seconds=20)
        admin.update_queue(again)
        assert dict(admin.get_queue(queue).items()) == dict(again.items())
        admin.delete_queue(queue)

    @pytest.mark.shows("administration", "counts of messages and sizes")
    def test_runtime_properties(
        self, admin: Any, queue: str, broker: tuple[BrokerProcess, Path]
    ) -> None:
        admin.create_queue(queue)
        later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        with client(broker[0].amqp_port) as bus, bus.get_queue_sender(queue) as sender:
            sender.send_messages([Message("a"), Message("b"), Message("c")])
            sender.schedule_messages(Message("d"), later)
            with bus.get_queue_receiver(queue) as receiver:
                (got,) = receiver.receive_messages(1, max_wait_time=2)
                receiver.dead_letter_message(got, reason="bad")
        runtime = admin.get_queue_runtime_properties(queue)
        assert runtime.active_message_count == 2
        assert runtime.dead_letter_message_count == 1
        assert runtime.scheduled_message_count == 1
        assert runtime.transfer_message_count == 0
        assert runtime.total_message_count == 4
        assert runtime.size_in_bytes > 0
        age = dt.datetime.now(dt.UTC) - runtime.created_at_utc
        assert runtime.updated_at_utc == runtime.created_at_utc < runtime.accessed_at_utc
        assert abs(age) < 10 * MINUTE
        admin.delete_queue(queue)

    @pytest.mark.shows("administration", "long lists, by pages")
    def test_pages(self, admin: Any) -> None:
        names = {f"page-{number:03}" for number in range(205)}
        for name in sorted(names):
            admin.create_queue(name)
        assert names <= {one.name for one in admin.list_queues()}
        sized = {one.name for one in admin.list_queues(start_index=0, max_page_size=7)}
        assert names <= sized
        runtime = [one.name for one in admin.list_queues_runtime_properties()]
        assert len(runtime) == len(set(runtime)) >= 205
        for name in names:
            admin.delete_queue(name)
        assert [one.name for one in admin.list_queues() if one.name in names] == []


class TestTopics:
    @pytest.mark.shows("administration", "topics: create, get, update, list, delete")
    def test_life(self, admin: Any, queue: str) -> None:
        made = admin.create_topic(queue, default_message_time_to_live="PT1H", user_metadata="m")
        assert made.default_message_time_to_live == 60 * MINUTE
        made.max_size_in_megabytes = 5
        made.status = "Disabled"
        admin.update_topic(made)
        got = admin.get_topic(queue)
        assert (got.max_size_in_megabytes, got.status, got.user_metadata) == (
            5,
            "Disabled",
            "m",
        )
        assert [one.name for one in admin.list_topics()] == [queue]
        admin.create_subscription(queue, "s")
        runtime = admin.get_topic_runtime_properties(queue)
        assert (runtime.subscription_count, runtime.scheduled_message_count) == (1, 0)
        assert [one.subscription_count for one in admin.list_topics_runtime_properties()] == [1]
        admin.delete_topic(queue)
        with pytest.raises(core.ResourceNotFoundError):
            admin.get_topic(queue)
        assert list(admin.list_topics()) == []

    @pytest.mark.shows("administration", "subscriptions: create, get, update, list, delete")
    def test_subscriptions(self, admin: Any, topic: str) -> None:
        made = admin.create_subscription(
            topic,
            "Erp",
            lock_duration="PT10S",
            dead_lettering_on_filter_evaluation_exceptions=False,
            max_delivery_count=2,
        )
        assert (made.name, made.max_delivery_count) == ("Erp", 2)
        made.max_delivery_count = 4
        admin.update_subscription(topic, made)
        got = admin.get_subscription(topic, "Erp")
        assert (got.max_delivery_count, got.lock_duration) == (4, MINUTE / 6)
        assert not got.dead_lettering_on_filter_evaluation_exceptions
        admin.create_subscription(topic, "gate")
        assert [one.name for one in admin.list_subscriptions(topic)] == ["Erp", "gate"]
        admin.delete_subscription(topic, "Erp")
        assert [one.name for one in admin.list_subscriptions(topic)] == ["gate"]
        with pytest.raises(core.ResourceNotFoundError):
            admin.get_subscription(topic, "Erp")

    @pytest.mark.shows("administration", "counts of messages and sizes")
    def test_counts_of_a_subscription(
        self, admin: Any, topic: str, broker: tuple[BrokerProcess, Path]
    ) -> None:
        admin.create_subscription(topic, "all")
        with client(broker[0].amqp_port) as bus, bus.get_topic_sender(topic) as sender:
            sender.send_messages([Message("a"), Message("b")])
        runtime = admin.get_subscription_runtime_properties(topic, "all")
        assert (runtime.active_message_count, runtime.total_message_count) == (2, 2)
        assert runtime.created_at_utc < runtime.accessed_at_utc
        accessed = admin.get_topic_runtime_properties(topic).accessed_at_utc
        assert abs(accessed - runtime.accessed_at_utc) < MINUTE
        (listed,) = admin.list_subscriptions_runtime_properties(topic)
        assert listed.active_message_count == 2


class TestRules:
    @pytest.fixture
    def rules(self, admin: Any, topic: str) -> tuple[str, str]:
        admin.create_subscription(topic, "s")
        return topic, "s"

    @pytest.mark.shows("administration", "rules: `$Default`, SQL, correlation, true and false")
    def test_the_first_one(self, admin: Any, rules: tuple[str, str]) -> None:
        (rule,) = admin.list_rules(*rules)
        assert rule.name == "$Default"
        assert isinstance(rule.filter, management.TrueRuleFilter)
        assert rule.action is None
        admin.delete_rule(*rules, "$Default")
        assert list(admin.list_rules(*rules)) == []

    @pytest.mark.shows(
        "administration",
        "rules: `$Default`, SQL, correlation, true and false",
        "rules: update, actions",
    )
    def test_sql(self, admin: Any, rules: tuple[str, str]) -> None:
        text = "amount > 100 AND sys.Label LIKE '<s%>'"
        chosen = management.SqlRuleFilter(text)
        action = management.SqlRuleAction("SET seen = 1; REMOVE secret")
        admin.create_rule(*rules, "sql", filter=chosen, action=action)
        got = admin.get_rule(*rules, "sql")
        assert got.filter.sql_expression == text
        assert got.action.sql_expression == "SET seen = 1; REMOVE secret"
        got.filter = management.SqlRuleFilter("amount > 200")
        admin.update_rule(*rules, got)
        assert admin.get_rule(*rules, "sql").filter.sql_expression == "amount > 200"

    @pytest.mark.shows("topics", "parameters (`@name`) of SQL filters and actions")
    def test_parameters(self, admin: Any, rules: tuple[str, str]) -> None:
        parameters = {
            "@text": "ä<",
            "@whole": 4,
            "@long": 2**40,
            "@real": 0.5,
            "@yes": True,
            "@at": NOON,
            "@for": MINUTE,
        }
        text = "a = @text AND b > @whole AND c < @at"
        chosen = management.SqlRuleFilter(text, parameters=parameters)
        action = management.SqlRuleAction("SET a = @one", parameters={"@one": 1})
        made = admin.create_rule(*rules, "sql", filter=chosen, action=action)
        assert dict(made.filter.parameters) == parameters
        got = admin.get_rule(*rules, "sql")
        assert (got.filter.sql_expression, dict(got.filter.parameters)) == (text, parameters)
        assert dict(got.action.parameters) == {"@one": 1}
        got.filter.parameters["@whole"] = 5
        admin.update_rule(*rules, got)
        _default, listed = admin.list_rules(*rules)
        assert listed.created_at_utc == made.created_at_utc
        assert dict(listed.filter.parameters) == parameters | {"@whole": 5}
        assert dict(listed.action.parameters) == {"@one": 1}

    @pytest.mark.shows("topics", "parameters (`@name`) of SQL filters and actions")
    def test_what_parameters_do(
        self, admin: Any, rules: tuple[str, str], broker: tuple[BrokerProcess, Path]
    ) -> None:
        admin.delete_rule(*rules, "$Default")
        chosen = management.SqlRuleFilter(
            "amount > @least AND at >= @since",
            parameters={"@least": 100, "@since": NOON},
        )
        admin.create_rule(*rules, "dear", filter=chosen)
        given = [
            {"amount": 100, "at": NOON},
            {"amount": 101, "at": NOON},
            {"amount": 101, "at": NOON - MINUTE},
        ]
        assert received(broker[0], rules, given) == ["1"]

    @pytest.mark.differs(
        "topics",
        "A parameter that a filter names and nobody gave a value is refused with its line and "
        "column.",
    )
    def test_a_parameter_without_a_value(self, admin: Any, rules: tuple[str, str]) -> None:
        chosen = management.SqlRuleFilter("a = @x", parameters={"@y": 1})
        why = "line 1, column 5: no value was given for @x"
        with pytest.raises(core.HttpResponseError, match=why) as raised:
            admin.create_rule(*rules, "bad", filter=chosen)
        assert raised.value.status_code == 400

    @pytest.mark.shows("administration", "rules: `$Default`, SQL, correlation, true and false")
    def test_correlation(self, admin: Any, rules: tuple[str, str]) -> None:
        fields = {
            "correlation_id": "c",
            "message_id": "m",
            "to": "t",
            "reply_to": "r",
            "label": "l",
            "session_id": "s",
            "reply_to_session_id": "rs",
            "content_type": "ct",
        }
        properties = {
            "text": "ä<",
            "whole": 4,
            "long": 2**40,
            "real": 0.5,
            "yes": True,
            "at": NOON,
            "at any zone": NOON.replace(tzinfo=None),
            "for": dt.timedelta(days=1, seconds=1.5),
        }
        chosen = management.CorrelationRuleFilter(**fields, properties=properties)
        admin.create_rule(*rules, "alike", filter=chosen)
        got = admin.get_rule(*rules, "alike").filter
        assert {name: getattr(got, name) for name in fields} == fields
        assert dict(got.properties) == properties

    @pytest.mark.shows("administration", "rules: `$Default`, SQL, correlation, true and false")
    def test_all_or_nothing(self, admin: Any, rules: tuple[str, str]) -> None:
        admin.create_rule(*rules, "all", filter=management.TrueRuleFilter())
        admin.create_rule(*rules, "none", filter=management.FalseRuleFilter())
        found = {rule.name: type(rule.filter).__name__ for rule in admin.list_rules(*rules)}
        assert found == {
            "$Default": "TrueRuleFilter",
            "all": "TrueRuleFilter",
            "none": "FalseRuleFilter",
        }

    @pytest.mark.shows(
        "topics",
        "each subscription takes what its rules say",
        "an action changes the copy, which names its rule",
    )
    def test_what_they_do(
        self, admin: Any, rules: tuple[str, str], broker: tuple[BrokerProcess, Path]
    ) -> None:
        admin.delete_rule(*rules, "$Default")
        dear = management.SqlRuleFilter("amount > 100")
        admin.create_rule(
            *rules, "dear", filter=dear, action=management.SqlRuleAction("SET seen = 'yes'")
        )
        topic, name = rules
        with client(broker[0].amqp_port) as bus, bus.get_topic_sender(topic) as sender:
            for amount in (50, 150):
                sender.send_messages(
                    Message(str(amount), application_properties={"amount": amount})
                )
            with bus.get_subscription_receiver(topic, name) as receiver:
                (got,) = receiver.receive_messages(2, max_wait_time=2)
                assert str(got) == "150"
                assert got.application_properties[b"seen"] == b"yes"
                receiver.complete_message(got)

    @pytest.mark.shows("topics", "instants in correlation filters")
    def test_an_instant_takes_that_of_a_message(
        self, admin: Any, rules: tuple[str, str], broker: tuple[BrokerProcess, Path]
    ) -> None:
        admin.delete_rule(*rules, "$Default")
        then = management.CorrelationRuleFilter(properties={"at": NOON})
        admin.create_rule(*rules, "then", filter=then)
        given = [{"at": NOON}, {"at": NOON + MINUTE}, {"at": "2026-01-01T12:00:00Z"}]
        assert received(broker[0], rules, given) == ["0"]


def received(
    process: BrokerProcess, subscription: tuple[str, str], given: list[dict[str, Any]]
) -> list[str]:
    """Which of messages with these properties a subscription takes, by their places."""
    topic, name = subscription
    with client(process.amqp_port) as bus:
        with bus.get_topic_sender(topic) as sender:
            for place, properties in enumerate(given):
                sender.send_messages(Message(str(place), application_properties=properties))
        with bus.get_subscription_receiver(topic, name) as receiver:
            found = receiver.receive_messages(len(given), max_wait_time=2)
            for one in found:
                receiver.complete_message(one)
            return [str(one) for one in found]


class TestRefusals:
    @pytest.mark.shows("administration", "what exists, is not there, or is wrong is refused")
    def test_already_there(self, admin: Any, queue: str, topic: str) -> None:
        """A topic under the name of a queue, too, and the other way about."""
        admin.create_queue(f"{queue}-q")
        for make in (admin.create_queue, admin.create_topic):
            for name in (topic, f"{queue}-q"):
                with pytest.raises(core.ResourceExistsError, match="exists already"):
                    make(name)
        admin.create_subscription(topic, "s")
        with pytest.raises(core.ResourceExistsError):
            admin.create_subscription(topic, "S")
        with pytest.raises(core.ResourceExistsError):
            admin.create_rule(topic, "s", "$Default")
        admin.delete_queue(f"{queue}-q")

    @pytest.mark.shows("administration", "what exists, is not there, or is wrong is refused")
    def test_not_there(self, admin: Any, topic: str) -> None:
        for attempt in (
            lambda: admin.get_queue("nothing"),
            lambda: admin.get_queue_runtime_properties("nothing"),
            lambda: admin.delete_queue("nothing"),
            lambda: admin.get_topic("nothing"),
            lambda: admin.delete_topic("nothing"),
            lambda: admin.get_subscription(topic, "nothing"),
            lambda: admin.create_subscription("nothing", "s"),
            lambda: list(admin.list_subscriptions("nothing")),
            lambda: list(admin.list_rules(topic, "nothing")),
        ):
            with pytest.raises(core.ResourceNotFoundError, match="nothing"):
                attempt()

    @pytest.mark.shows("administration", "what exists, is not there, or is wrong is refused")
    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"lock_duration": "PT0S"}, "LockDuration is .* allowed is 100 to"),
            ({"lock_duration": "P2D"}, "LockDuration is .* allowed is 100 to"),
            ({"max_delivery_count": 0}, "MaxDeliveryCount is '0': .* allowed is 1 to"),
            ({"auto_delete_on_idle": "PT1S"}, "AutoDeleteOnIdle is .* 300000 to"),
            ({"user_metadata": "x" * 2000}, "allowed are 1024"),
        ],
    )
    def test_bad_settings(
        self, admin: Any, queue: str, settings: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(core.HttpResponseError, match=why) as raised:
            admin.create_queue(queue, **settings)
        assert raised.value.status_code == 400
        with pytest.raises(core.ResourceNotFoundError):
            admin.get_queue(queue)

    @pytest.mark.shows("administration", "a filter that does not parse is refused")
    def test_a_bad_filter(self, admin: Any, topic: str) -> None:
        admin.create_subscription(topic, "s")
        chosen = management.SqlRuleFilter("amount >")
        with pytest.raises(core.HttpResponseError, match="line 1, column 9") as raised:
            admin.create_rule(topic, "s", "bad", filter=chosen)
        assert raised.value.status_code == 400

    @pytest.mark.shows("administration", "what is fixed at creation cannot be changed")
    def test_what_is_fixed(self, admin: Any, queue: str) -> None:
        got = admin.create_queue(queue)
        got.requires_session = True
        with pytest.raises(core.HttpResponseError, match="requires_session is fixed"):
            admin.update_queue(got)
        admin.delete_queue(queue)


@pytest.mark.differs(
    "forwarding",
    "A setting that would close a circle of forwards is refused, and the circle named. The "
    "bound of four hops is there, too.",
)
def test_forwards_in_a_circle(admin: Any, queue: str) -> None:
    admin.create_queue(queue)
    admin.create_queue(f"{queue}-2", forward_to=queue)
    got = admin.get_queue(queue)
    got.forward_to = f"{queue}-2"
    with pytest.raises(core.HttpResponseError, match="would make a loop"):
        admin.update_queue(got)
    for name in (queue, f"{queue}-2"):
        admin.delete_queue(name)


@pytest.mark.shows("administration", "the namespace's properties")
@pytest.mark.differs(
    "administration",
    "The namespace is named as the client called it, and is of the Premium tier.",
)
def test_the_namespace(admin: Any) -> None:
    got = admin.get_namespace_properties()
    assert (got.name, got.messaging_sku) == ("localhost", "Premium")


class TestRestart:
    """One broker, and another after it on the same data."""

    @pytest.fixture
    def begin(self, tmp_path: Path) -> Iterator[Callable[[], tuple[Any, BrokerProcess]]]:
        """Starts one, and ends the one before; gives its administration."""
        certificate, key = make_certificate(tmp_path)
        files = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
        with ExitStack() as open_things:

            def start() -> tuple[Any, BrokerProcess]:
                open_things.close()
                process = open_things.enter_context(
                    BrokerProcess(*files, data_dir=tmp_path / "data")
                )
                admin = management.ServiceBusAdministrationClient.from_connection_string(
                    connection_string(process.http_port), connection_verify=str(certificate)
                )
                return open_things.enter_context(admin), process

            yield start

    @pytest.mark.shows("administration", "`CreatedAt` and `UpdatedAt`, kept through a restart")
    @pytest.mark.differs(
        "administration",
        "`AccessedAt` is noted once a batch and not recorded: after a restart it is the start "
        "of the broker, until somebody sends or receives. Looking at messages, waiting without "
        "getting one, and dead letters do not count.",
    )
    def test_instants(self, begin: Callable[[], tuple[Any, BrokerProcess]], queue: str) -> None:
        """Made and changed are kept; used is the start of the broker, at least."""
        admin, _process = begin()
        admin.create_queue("untouched")
        admin.create_topic(f"{queue}/t")
        admin.create_subscription(f"{queue}/t", "s")
        made = [admin.create_queue(queue), admin.get_topic(f"{queue}/t")]
        made.append(admin.get_subscription(f"{queue}/t", "s"))
        for one, update in zip(
            made,
            (
                admin.update_queue,
                admin.update_topic,
                lambda one: admin.update_subscription(f"{queue}/t", one),
            ),
            strict=True,
        ):
            one.user_metadata = "changed"
            one.enable_batched_operations = False
            update(one)

        def found() -> list[tuple[Any, Any]]:
            runtimes = (
                admin.get_queue_runtime_properties("untouched"),
                admin.get_queue_runtime_properties(queue),
                admin.get_topic_runtime_properties(f"{queue}/t"),
                admin.get_subscription_runtime_properties(f"{queue}/t", "s"),
            )
            nonlocal accessed
            accessed = [one.accessed_at_utc for one in runtimes]
            return [(one.created_at_utc, one.updated_at_utc) for one in runtimes]

        accessed: list[Any] = []
        before = found()
        assert before[0][0] == before[0][1]
        assert all(created < updated for created, updated in before[1:])
        stopped = dt.datetime.now(dt.UTC)
        admin, _process = begin()
        assert found() == before
        assert not admin.get_queue(queue).enable_batched_operations
        assert not admin.get_topic(f"{queue}/t").enable_batched_operations
        assert all(at > stopped for at in accessed)

    @pytest.mark.shows(
        "topics", "durations in correlation filters", "instants in correlation filters"
    )
    def test_rules(self, begin: Callable[[], tuple[Any, BrokerProcess]], queue: str) -> None:
        properties = {"at": NOON, "for": MINUTE, "many": 3}
        topic = queue
        admin, _process = begin()
        admin.create_topic(topic)
        admin.create_subscription(topic, "s")
        admin.delete_rule(topic, "s", "$Default")
        chosen = management.CorrelationRuleFilter(properties=properties)
        admin.create_rule(topic, "s", "then", filter=chosen)
        other = management.SqlRuleFilter("at = @noon", parameters={"@noon": NOON})
        action = management.SqlRuleAction("SET by = @by", parameters={"@by": MINUTE})
        admin.create_rule(topic, "s", "when", filter=other, action=action)
        admin, process = begin()
        assert dict(admin.get_rule(topic, "s", "then").filter.properties) == properties
        when = admin.get_rule(topic, "s", "when")
        assert dict(when.filter.parameters) == {"@noon": NOON}
        assert dict(when.action.parameters) == {"@by": MINUTE}
        assert received(process, (topic, "s"), [{"at": NOON}, {"at": NOON - MINUTE}]) == ["0"]


@pytest.mark.shows("access", "the administration client's key is checked")
def test_a_key_of_its_own(tmp_path: Path, queue: str) -> None:
    """Without --dev, by a configured access key; a wrong one is refused."""
    certificate, key = make_certificate(tmp_path)
    config = tmp_path / "peeklock.toml"
    config.write_text('[[access_keys]]\nname = "Root"\nkey = "0123456789abcdef"\n')
    files = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
    arguments = ("--config", str(config), *files)
    with BrokerProcess(*arguments, data_dir=tmp_path / "data", dev=False) as process:
        for secret in ("0123456789abcdef", "fedcba9876543210"):
            text = (
                f"Endpoint=sb://localhost:{process.http_port};SharedAccessKeyName=Root;"
                f"SharedAccessKey={secret}"
            )
            admin = management.ServiceBusAdministrationClient.from_connection_string(
                text, connection_verify=str(certificate)
            )
            with closing(admin._impl._client):
                if secret.startswith("0"):
                    assert admin.create_queue(queue).name == queue
                else:
                    with pytest.raises(core.ClientAuthenticationError, match="does not fit"):
                        admin.get_queue(queue)


@pytest.mark.shows("access", "who forwards may send to the target")
def test_a_forward_takes_the_right_to_send(tmp_path: Path, queue: str) -> None:
    """The client brings a token for the target; a key of the source alone cannot sign one."""
    certificate, key = make_certificate(tmp_path)
    config = tmp_path / "peeklock.toml"
    config.write_text(
        '[[access_keys]]\nname = "Root"\nkey = "0123456789abcdef"\n'
        f'[[access_keys]]\nname = "Own"\nkey = "0123456789abcdef"\nentity = "{queue}"\n'
    )
    files = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
    arguments = ("--config", str(config), *files)
    with BrokerProcess(*arguments, data_dir=tmp_path / "data", dev=False) as process:
        for name in ("Root", "Own"):
            text = (
                f"Endpoint=sb://localhost:{process.http_port};SharedAccessKeyName={name};"
                "SharedAccessKey=0123456789abcdef"
            )
            admin = management.ServiceBusAdministrationClient.from_connection_string(
                text, connection_verify=str(certificate)
            )
            with closing(admin._impl._client):
                if name == "Root":
                    admin.create_queue("target")
                    admin.create_queue(f"{queue}/mine")
                    made = admin.create_queue(queue, forward_to="target")
                    assert made.forward_to.endswith("/target")
                    continue
                got = admin.get_queue(queue)
                got.max_delivery_count = 3
                admin.update_queue(got)  # with the forward that it has
                got.forward_dead_lettered_messages_to = "target"
                with pytest.raises(core.ClientAuthenticationError, match="allows to send on"):
                    admin.update_queue(got)
                got.forward_dead_lettered_messages_to = f"{queue}/mine"
                admin.update_queue(got)
                assert admin.get_queue(queue).max_delivery_count == 3
