"""A subscription's rules over its `$management` node, in Service Bus' described forms."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import count

import pytest

from peeklock_client import connect
from tests.support.amqp_bytes import (
    ACCEPTED,
    Described,
    application_properties,
    composite,
    data_section,
    timestamp,
    value_section,
)
from tests.support.amqp_bytes import Message as Received
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess

NUMBERS = count(1)
RULE = 0x13700000004
NO_ACTION = 0x13700000005
SQL_ACTION = 0x13700000006
SQL_FILTER = 0x1370000006
TRUE_FILTER = 0x1370000007
FALSE_FILTER = 0x1370000008
CORRELATION_FILTER = 0x1370000009


class RuleManager:
    """What the SDKs do: one link for requests, one for replies, on the subscription's node."""

    def __init__(self, peer: AmqpPeer, path: str) -> None:
        self.peer = peer
        node = f"{path}/$management"
        peer.attach_receiver(node, 1, credit=100, target=composite("target", address="replies"))
        peer.attach_sender(node, 0)
        self._number = 0

    def ask(self, operation: str, body: Mapping[str, object]) -> tuple[int, str, object]:
        """Status, error condition or "", and the reply's body."""
        number = self._number
        self._number += 1
        payload = (
            composite("properties", message_id=f"ask-{number}", reply_to="replies")
            + application_properties({"operation": f"com.microsoft:{operation}"})
            + value_section(body)
        )
        self.peer.transfer(number, payload, 0)
        while True:
            heard = self.peer.next_frame()
            if heard.name == "transfer":
                break
        return self._read(heard.payload)

    def _read(self, payload: bytes) -> tuple[int, str, object]:
        from tests.support.amqp_bytes import read_message

        message: Received = read_message(payload)
        status = message.application_properties["statusCode"]
        assert isinstance(status, int)
        assert getattr(status, "kind", "") == "int"
        self.description = str(message.application_properties["statusDescription"])
        condition = message.application_properties.get("errorCondition")
        return int(status), str(condition or ""), dict(message.sections)[0x77]

    def rules(self) -> list[list[object]]:
        """Each as [filter, action, name, created]."""
        status, _condition, body = self.ask("enumerate-rules", {"top": 100, "skip": 0})
        assert status == 200
        assert isinstance(body, dict)
        found: list[list[object]] = []
        for one in body["rules"]:
            rule = one["rule-description"]
            assert isinstance(rule, Described)
            assert rule.descriptor == RULE
            assert getattr(rule.descriptor, "kind", "") == "ulong"
            assert isinstance(rule.value, list)
            found.append(rule.value)
        return found


@pytest.fixture
def topic(shared: BrokerProcess) -> str:
    """With one subscription, `erp`, that takes everything."""
    name = f"topic-{next(NUMBERS)}"

    async def prepare() -> None:
        async with connect(shared.url) as client:
            await (await client.create_topic(name)).subscribe("erp")

    asyncio.run(prepare())
    return name


@pytest.fixture
def manager(ready: AmqpPeer, topic: str) -> RuleManager:
    return RuleManager(ready, f"{topic}/Subscriptions/erp")


@pytest.fixture
def sender(shared: BrokerProcess, topic: str) -> Iterator[AmqpPeer]:
    with ready_peer(shared.amqp_port) as peer:
        peer.attach_sender(topic, 0)
        yield peer


def test_the_default_rule(manager: RuleManager) -> None:
    [[wanted, action, name, created]] = manager.rules()
    assert wanted == Described(TRUE_FILTER, [])
    assert action == Described(NO_ACTION, [])
    assert name == "$Default"
    assert getattr(created, "kind", "") == "timestamp"


def test_rules_come_back_as_they_were_given(manager: RuleManager) -> None:
    sql = {
        "sql-filter": {"expression": "amount > 5"},
        "sql-rule-action": {"expression": "SET x = 1"},
    }
    correlation = {
        "correlation-id": "c",
        "message-id": "m",
        "to": "t",
        "reply-to": "r",
        "label": "l",
        "session-id": "s",
        "reply-to-session-id": "rs",
        "content-type": "ct",
        "properties": {"site": "north", "floor": 3, "vip": True},
    }
    for name, description in [
        ("sql", sql),
        ("all", {"correlation-filter": correlation}),
        ("some", {"correlation-filter": {"label": "sold"}}),
    ]:
        given = {"rule-name": name, "rule-description": description}
        assert manager.ask("add-rule", given) == (200, "", {})
    _default, first, second, third = manager.rules()
    assert first[:3] == [
        Described(SQL_FILTER, ["amount > 5", 20]),
        Described(SQL_ACTION, ["SET x = 1", 20]),
        "sql",
    ]
    assert second[0] == Described(CORRELATION_FILTER, list(correlation.values()))
    fields = [None] * 4 + ["sold"] + [None] * 3 + [{}]
    assert third[0] == Described(CORRELATION_FILTER, fields)


def test_instants_stay_timestamps_and_are_compared_as_such(
    manager: RuleManager, sender: AmqpPeer, topic: str
) -> None:
    wanted = {"correlation-filter": {"properties": {"at": timestamp(1_767_268_800_000)}}}
    manager.ask("remove-rule", {"rule-name": "$Default"})
    given = {"rule-name": "then", "rule-description": wanted}
    assert manager.ask("add-rule", given) == (200, "", {})
    [[filter_, *_rest]] = manager.rules()
    assert isinstance(filter_, Described)
    assert isinstance(filter_.value, list)
    at = filter_.value[8]["at"]
    assert (int(at), getattr(at, "kind", "")) == (1_767_268_800_000, "timestamp")
    for number, value in enumerate((1_767_268_800_001, 1_767_268_800_000)):
        body = application_properties({"at": timestamp(value)}) + data_section(b"%d" % number)
        sender.transfer(number, body, 0)
        sender.hear_accepted(number, number)
    sender.attach_receiver(f"{topic}/Subscriptions/erp", 1, credit=10)
    _heard, message = sender.receive()
    assert message.body == b"1"
    sender.expect_silence()


def test_pages_of_rules(manager: RuleManager) -> None:
    for name in ("a", "b", "c"):
        rule = {"sql-filter": {"expression": "1 = 1"}}
        manager.ask("add-rule", {"rule-name": name, "rule-description": rule})
    _status, _condition, body = manager.ask("enumerate-rules", {"top": 2, "skip": 1})
    assert isinstance(body, dict)
    assert [rule["rule-description"].value[2] for rule in body["rules"]] == ["a", "b"]
    assert manager.ask("enumerate-rules", {"top": 2, "skip": 4})[0] == 204


def test_what_is_refused(manager: RuleManager, ready: AmqpPeer) -> None:
    good = {"sql-filter": {"expression": "1 = 1"}}
    bad = {"sql-filter": {"expression": "amount >\n  AND"}}
    exists = "com.microsoft:entity-already-exists"
    for given, expected in [
        ({"rule-name": "$default", "rule-description": good}, (409, exists, {})),
        (
            {"rule-name": "a", "rule-description": bad},
            (400, "com.microsoft:argument-error", {}),
        ),
        ({"rule-name": "a", "rule-description": {}}, (400, "com.microsoft:argument-error", {})),
        ({"rule-name": "a"}, (400, "com.microsoft:argument-error", {})),
        ({"rule-description": good}, (400, "com.microsoft:argument-error", {})),
    ]:
        assert manager.ask("add-rule", given) == expected
    manager.ask("add-rule", {"rule-name": "a", "rule-description": bad})
    assert manager.description.startswith("line 2, column 3: expected a property")
    assert manager.ask("remove-rule", {"rule-name": "b"}) == (404, "amqp:not-found", {})
    assert len(manager.rules()) == 1


def test_a_queue_has_no_rules(ready: AmqpPeer, queue: str) -> None:
    ready.attach_receiver(queue, 2)
    manager = RuleManager(ready, queue)
    assert manager.ask("enumerate-rules", {})[:2] == (405, "amqp:not-allowed")


def test_a_rule_holds_at_once_and_its_action_changes_the_copy_alone(
    manager: RuleManager, sender: AmqpPeer, topic: str
) -> None:
    rule = {
        "sql-filter": {"expression": "amount > 5"},
        "sql-rule-action": {"expression": "SET amount = amount + 1; SET sys.Label = 'big'"},
    }
    manager.ask("add-rule", {"rule-name": "big", "rule-description": rule})
    assert manager.ask("remove-rule", {"rule-name": "$Default"}) == (200, "", {})
    for number, amount in enumerate((5, 6)):
        body = composite("properties", subject="sold") + application_properties(
            {"amount": amount, "site": "north"}
        )
        sender.transfer(number, body + data_section(b"ticket"), 0)
        sender.hear_accepted(number, number)
    sender.attach_receiver(f"{topic}/Subscriptions/erp", 1, credit=10)
    heard, message = sender.receive()
    assert message.body == b"ticket"
    assert message.application_properties == {
        "amount": 7,
        "site": "north",
        "RuleName": "big",
    }
    properties = dict(message.sections)[0x73]
    assert isinstance(properties, list)
    assert properties[3] == "big"
    sender.dispose(heard["delivery-id"], ACCEPTED, settled=True)
    sender.expect_silence()


def test_a_rule_that_fails_on_a_message_dead_letters_it(
    manager: RuleManager, sender: AmqpPeer, topic: str
) -> None:
    rule = {"sql-filter": {"expression": "amount > 5"}}
    manager.ask("remove-rule", {"rule-name": "$Default"})
    manager.ask("add-rule", {"rule-name": "big", "rule-description": rule})
    sender.transfer(0, application_properties({"amount": "many"}) + data_section(b"x"), 0)
    sender.hear_accepted(0, 0)
    sender.attach_receiver(f"{topic}/Subscriptions/erp/$DeadLetterQueue", 1, credit=1)
    _heard, message = sender.receive()
    found = message.application_properties
    assert found["DeadLetterReason"] == "FilterEvaluationException"
    assert "rule 'big'" in str(found["DeadLetterErrorDescription"])
    assert found["amount"] == "many"
