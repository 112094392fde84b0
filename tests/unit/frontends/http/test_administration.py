"""Requests and their documents, without a server."""

import pytest

from peeklock.entities.settings import QueueSettings
from peeklock.errors import AlreadyExists, BrokerError, InvalidRequest, NotFound, Unauthorized
from peeklock.frontends.http.administration import Administration, Reply, Request
from peeklock.frontends.http.xml_tree import Element, read_xml, write_xml
from peeklock.management.views import describe, describe_topic
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.security.rights import Right
from peeklock.types import UnixMs
from tests.support.house import House

NOBODY = Principal("nobody", frozenset({Right.SEND, Right.LISTEN}))


class Office:
    """Asks, and reads the answers as clients do."""

    def __init__(self) -> None:
        self.house = House()
        self.administration = Administration(self.house.engine, UnixMs(1000))

    def ask(
        self,
        method: str,
        path: str,
        description: str = "",
        *,
        updates: bool = False,
        principal: Principal = ANONYMOUS,
        **query: str,
    ) -> Reply:
        body = f"<entry><content>{description}</content></entry>" if description else ""
        return self.administration.answer(
            Request(
                method=method,
                path=path,
                query={f"${name}": value for name, value in query.items()},
                updates=updates,
                body=body.encode(),
                base_url="https://here:1",
                authority="here:1",
                principal=principal,
                require_send=principal.require_send,
                now=self.house.now,
            )
        )

    def document(self, method: str, path: str, description: str = "", **more: str) -> Element:
        reply = self.ask(method, path, description, **more)
        assert reply.document is not None
        return read_xml(write_xml(reply.document))

    def described(self, path: str) -> Element:
        content = self.document("GET", path).find("content")
        assert content is not None
        return content.below[0]


@pytest.fixture
def office() -> Office:
    return Office()


class TestOneEntity:
    def test_a_queue(self, office: Office) -> None:
        body = "<QueueDescription><LockDuration>PT5S</LockDuration></QueueDescription>"
        reply = office.ask("PUT", "a/b", body)
        assert reply.status == 201
        queue = office.house.namespace.find("a/b")
        assert queue.settings == QueueSettings(lock_duration_ms=5000)
        entry = office.document("GET", "A/B")
        assert (entry.text_at("title"), entry.text_at("id")) == ("a/b", "https://here:1/a/b")
        assert office.described("a/b").text_at("LockDuration") == "PT5S"
        assert office.ask("DELETE", "a/b").document is None
        assert not office.house.namespace.has("a/b")

    def test_what_is_not_said_stays_as_it_is(self, office: Office) -> None:
        office.house.queue("orders", priorities=True, lock_duration_ms=5000)
        body = "<QueueDescription><MaxDeliveryCount>3</MaxDeliveryCount></QueueDescription>"
        assert office.ask("PUT", "orders", body, updates=True).status == 200
        settings = office.house.namespace.find("orders").settings
        assert settings == QueueSettings(
            priorities=True, lock_duration_ms=5000, max_delivery_count=3
        )

    def test_a_topic_with_a_subscription_and_its_rule(self, office: Office) -> None:
        office.ask("PUT", "tickets", "<TopicDescription/>")
        office.ask(
            "PUT",
            "tickets/subscriptions/erp",
            "<SubscriptionDescription><DefaultRuleDescription>"
            '<Filter type="SqlFilter"><SqlExpression>a = 1</SqlExpression></Filter>'
            "<Name>ones</Name></DefaultRuleDescription></SubscriptionDescription>",
        )
        (rule,) = office.house.namespace.find_topic("tickets").find("erp").rules.values()
        assert (rule.settings.name, rule.settings.expression) == ("ones", "a = 1")
        told = office.document("GET", "tickets/subscriptions/erp/rules/ones")
        assert told.text_at("id").endswith("tickets/Subscriptions/erp/Rules/ones")
        assert office.described("tickets").text_at("SubscriptionCount") == "1"
        office.ask("DELETE", "tickets/subscriptions/erp/rules/ones")
        office.ask("DELETE", "tickets/subscriptions/erp")
        office.ask("DELETE", "tickets")
        assert not office.house.namespace.has_topic("tickets")

    def test_access_rules_are_told_as_they_were_sent(self, office: Office) -> None:
        rules = (
            '<AuthorizationRules><AuthorizationRule type="i:SharedAccessAuthorizationRule">'
            "<PrimaryKey>p&amp;</PrimaryKey><KeyName>a</KeyName>"
            "<Rights><AccessRights>Send</AccessRights><AccessRights>Listen</AccessRights></Rights>"
            "</AuthorizationRule></AuthorizationRules><EnableExpress>true</EnableExpress>"
        )
        office.ask("PUT", "orders", f"<QueueDescription>{rules}</QueueDescription>")
        office.ask("PUT", "tickets", f"<TopicDescription>{rules}</TopicDescription>")
        for path in ("orders", "tickets"):
            told = office.described(path)
            assert told.text_at("EnableExpress") == "true"
            found = told.find("AuthorizationRules")
            assert found is not None
            (rule,) = found.below
            assert rule.attributes == {"type": "SharedAccessAuthorizationRule"}
            assert [one.name for one in rule.below] == ["Rights", "KeyName", "PrimaryKey"]
            assert [one.text for one in rule.below[0].below] == ["Send", "Listen"]
            assert rule.text_at("PrimaryKey") == "p&"

    def test_keys_are_told_to_nobody_else(self, office: Office) -> None:
        rule = "<AuthorizationRule><PrimaryKey>secret</PrimaryKey></AuthorizationRule>"
        body = f"<AuthorizationRules>{rule}</AuthorizationRules>"
        office.ask("PUT", "orders", f"<QueueDescription>{body}</QueueDescription>")
        office.ask("PUT", "tickets", f"<TopicDescription>{body}</TopicDescription>")
        engine, namespace = office.house.engine, office.house.namespace
        assert "secret" not in str(describe(engine, namespace.find("orders"), to_owner=True))
        assert "secret" not in str(describe_topic(engine, namespace.find_topic("tickets")))
        with pytest.raises(Unauthorized):
            office.ask("GET", "orders", principal=NOBODY)

    @pytest.mark.parametrize(
        "field", ["IsAnonymousAccessible", "FilteringMessagesBeforePublishing"]
    )
    def test_what_keeping_is_not_enough_for_is_refused(
        self, office: Office, field: str
    ) -> None:
        body = f"<TopicDescription><{field}>true</{field}></TopicDescription>"
        with pytest.raises(InvalidRequest, match=f"{field} is 'true'"):
            office.ask("PUT", "tickets", body)
        assert not office.house.namespace.has_topic("tickets")

    def test_counts(self, office: Office) -> None:
        queue = office.house.queue("orders")
        office.house.send(queue, b"a")
        counts = office.described("orders").find("CountDetails")
        assert counts is not None
        assert [(one.name, one.text) for one in counts.below] == [
            ("ActiveMessageCount", "1"),
            ("DeadLetterMessageCount", "0"),
            ("ScheduledMessageCount", "0"),
            ("TransferMessageCount", "0"),
            ("TransferDeadLetterMessageCount", "0"),
        ]
        assert office.described("orders").text_at("MessageCount") == "1"

    def test_names_are_escaped(self, office: Office) -> None:
        office.ask("PUT", "a&b c", "<QueueDescription/>")
        entry = office.document("GET", "a&b c")
        assert entry.text_at("title") == "a&b c"
        assert entry.text_at("id") == "https://here:1/a&b%20c"


class TestLists:
    def links(self, feed: Element) -> dict[str, str]:
        found = [one.attributes for one in feed.below if one.name == "link"]
        return {one["rel"]: one["href"] for one in found}

    def test_pages(self, office: Office) -> None:
        for number in range(5):
            office.house.queue(f"queue-{number}")
        feed = office.document("GET", "$Resources/queues", skip="1", top="2")
        titles = [one.text_at("title") for one in feed.below if one.name == "entry"]
        assert titles == ["queue-1", "queue-2"]
        assert self.links(feed)["next"] == "https://here:1/$Resources/queues?$skip=3&$top=2"
        last = office.document("GET", "$Resources/queues", skip="3", top="2")
        assert set(self.links(last)) == {"self"}

    def test_an_empty_one(self, office: Office) -> None:
        feed = office.document("GET", "$Resources/topics")
        assert [one.name for one in feed.below if one.name == "entry"] == []

    def test_of_nothing(self, office: Office) -> None:
        with pytest.raises(NotFound):
            office.ask("GET", "tickets/subscriptions")

    def test_no_number(self, office: Office) -> None:
        with pytest.raises(InvalidRequest, match=r"\$top is '-1', no whole number"):
            office.ask("GET", "$Resources/queues", top="-1")


QUEUE = "<QueueDescription/>"


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "description", "error"),
        [
            ("GET", "nothing", "", NotFound),
            ("GET", "orders/$DeadLetterQueue", "", NotFound),
            ("DELETE", "nothing", "", NotFound),
            ("DELETE", "orders/$DeadLetterQueue", "", NotFound),
            ("DELETE", "$Resources/queues", "", InvalidRequest),
            ("PUT", "orders", QUEUE, AlreadyExists),
            ("PUT", "orders", "<TopicDescription/>", AlreadyExists),
            ("PUT", "new", "<RuleDescription/>", InvalidRequest),
            ("PUT", "new", "<Nonsense/>", InvalidRequest),
            ("PUT", "new", "", InvalidRequest),
            ("PUT", "$Resources/queues", QUEUE, InvalidRequest),
            ("PUT", "tickets/subscriptions/s", "<SubscriptionDescription/>", NotFound),
            ("PUT", "a?b", QUEUE, InvalidRequest),
        ],
    )
    def test_refused(
        self,
        office: Office,
        method: str,
        path: str,
        description: str,
        error: type[BrokerError],
    ) -> None:
        office.house.queue("orders")
        with pytest.raises(error):
            office.ask(method, path, description)
        assert [queue.path for queue in office.house.namespace.queues()] == ["orders"]

    def test_an_update_of_nothing(self, office: Office) -> None:
        with pytest.raises(NotFound):
            office.ask("PUT", "orders", QUEUE, updates=True)

    @pytest.mark.parametrize("path", ["orders", "$Resources/queues", "$namespaceinfo"])
    def test_without_the_right(self, office: Office, path: str) -> None:
        office.house.queue("orders")
        with pytest.raises(Unauthorized):
            office.ask("GET", path, principal=NOBODY)
