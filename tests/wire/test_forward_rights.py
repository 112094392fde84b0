"""Who lets an entity pass messages on may manage it, and send to where they go."""

import json
from collections.abc import Iterator

import pytest

from peeklock.security.passwords import hash_password
from peeklock_client import Refused, connect
from tests.support.broker_process import BrokerProcess
from tests.wire.test_http import KEY, Answer, ask, signature

SETTINGS = ("forward_to", "forward_dead_letters_to")
PROPERTIES = ("ForwardTo", "ForwardDeadLetteredMessagesTo")
CONFIG = f"""
[[queues]]
name = "orders"
[[queues]]
name = "orders/audit"
[[queues]]
name = "others"
[[queues]]
name = "passes"
forward_to = "others"
[[topics]]
name = "tickets"
[[topics.subscriptions]]
name = "erp"

[[access_keys]]
name = "orders-only"
key = "{KEY}"
entity = "orders"

[[access_keys]]
name = "passes-only"
key = "{KEY}"
entity = "passes"

[[access_keys]]
name = "tickets-only"
key = "{KEY}"
entity = "tickets"

[[access_keys]]
name = "sender"
key = "{KEY}"
entity = "others"
rights = ["send"]

[[access_keys]]
name = "receiver"
key = "{KEY}"
entity = "others"
rights = ["listen"]

[[access_keys]]
name = "everything"
key = "{KEY}"
"""
FURTHER = ("ServiceBusSupplementaryAuthorization", "ServiceBusDlqSupplementaryAuthorization")
OF_ORDERS = ("orders-only", "/orders", "QueueDescription")
USERS = {"manager": ["manage"], "all": ["manage", "send"]}


@pytest.fixture(scope="module")
def guarded() -> Iterator[BrokerProcess]:
    hashed = hash_password("secret")
    users = [
        f'[[users]]\nname = "{name}"\npassword_hash = "{hashed}"\nrights = {rights}\n'
        for name, rights in USERS.items()
    ]
    with BrokerProcess(config=CONFIG + "".join(users), dev=False) as process:
        yield process


# ---- AMQP


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("target", ["others", "/Others", "amqp://here/others", "o%74hers"])
async def test_over_amqp(guarded: BrokerProcess, setting: str, target: str) -> None:
    lacking = "user 'manager' has no right to send on '[oO]thers'"
    wanted = {setting: target}
    async with connect(f"amqp://manager:secret@127.0.0.1:{guarded.amqp_port}") as client:
        topic = client.topic("tickets")
        with pytest.raises(Refused, match=lacking):
            await client.create_queue("new", **wanted)
        with pytest.raises(Refused, match=lacking):
            await client.queue("orders").update(**wanted)
        with pytest.raises(Refused, match=lacking):
            await topic.subscribe("new", **wanted)
        with pytest.raises(Refused, match=lacking):
            await topic.subscription("erp").update(**wanted)
        with pytest.raises(Refused, match="new"):
            await client.queue("new").info()
        assert (await client.queue("orders").info())[setting] == ""
    async with connect(f"amqp://all:secret@127.0.0.1:{guarded.amqp_port}") as client:
        topic = client.topic("tickets")
        await client.create_queue("new", **wanted)
        await topic.subscribe("new", **wanted)
        for path in ("new", "tickets/Subscriptions/new"):
            assert (await client.queue(path).info())[setting] == "others"
        await client.queue("new").delete()
        await topic.subscription("new").delete()


async def test_a_target_that_is_not_there_is_refused_alike(guarded: BrokerProcess) -> None:
    """So nobody learns by it what there is."""
    async with connect(f"amqp://manager:secret@127.0.0.1:{guarded.amqp_port}") as client:
        with pytest.raises(Refused, match="has no right to send on 'nowhere'"):
            await client.queue("orders").update(forward_to="nowhere")


async def test_what_stays_is_not_asked_for_again(guarded: BrokerProcess) -> None:
    async with connect(f"amqp://manager:secret@127.0.0.1:{guarded.amqp_port}") as client:
        passes = client.queue("passes")
        await passes.update(max_delivery_count=3)
        await passes.update(forward_to="others", max_delivery_count=4)
        described = await passes.info()
        assert (described["forward_to"], described["max_delivery_count"]) == ("others", 4)


# ---- HTTP


def put(
    process: BrokerProcess,
    key: str,
    path: str,
    kind: str,
    inside: str,
    *,
    updates: bool = False,
    further: dict[str, str] | None = None,
) -> Answer:
    headers = {"Authorization": signature("https://localhost/", key), **(further or {})}
    if updates:
        headers["If-Match"] = "*"
    body = f"<entry><content><{kind}>{inside}</{kind}></content></entry>".encode()
    return ask(process, "PUT", path, body, headers)


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("target", ["others", "sb://localhost/others"])
@pytest.mark.parametrize(
    ("key", "path", "kind", "updates"),
    [
        ("orders-only", "/orders/new", "QueueDescription", False),
        ("orders-only", "/orders", "QueueDescription", True),
        ("tickets-only", "/tickets/subscriptions/new", "SubscriptionDescription", False),
        ("tickets-only", "/tickets/subscriptions/erp", "SubscriptionDescription", True),
    ],
)
def test_over_http(
    guarded: BrokerProcess,
    key: str,
    path: str,
    kind: str,
    updates: bool,
    name: str,
    target: str,
) -> None:
    """A key with all rights on one entity and what is below it."""
    inside = f"<{name}>{target}</{name}>"
    answer = put(guarded, key, path, kind, inside, updates=updates)
    assert answer.status == 401
    assert b"no token of user" in answer.body
    assert b"allows to send on 'others'" in answer.body
    assert put(guarded, "everything", path, kind, inside, updates=updates).status in (200, 201)
    assert put(guarded, key, path, kind, f"<{name}/>", updates=True).status == 200
    if not updates:
        headers = {"Authorization": signature("https://localhost/", key)}
        assert ask(guarded, "DELETE", path, headers=headers).status == 200


@pytest.mark.parametrize(("name", "header"), [*zip(PROPERTIES, FURTHER, strict=True)])
def test_a_token_for_the_target(guarded: BrokerProcess, name: str, header: str) -> None:
    """As Service Bus' clients send one, signed for the target or for all."""
    inside = f"<{name}>sb://localhost/others</{name}>"
    for token in (
        signature("sb://localhost/others", "sender"),
        signature("sb://localhost/others", "everything"),
        signature("https://localhost/", "everything"),
    ):
        for put_token in (token, f"Bearer {token}"):
            further = {header: put_token}
            answer = put(guarded, *OF_ORDERS, inside, updates=True, further=further)
            assert answer.status == 200
            assert put(guarded, *OF_ORDERS, f"<{name}/>", updates=True).status == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "Bearer",
        "SharedAccessSignature",
        "Bearer a.b.c",
        signature("sb://localhost/others", "sender", expires=1),
        signature("sb://localhost/others", "sender", key="not-the-key-of-it"),
        signature("sb://localhost/others", "receiver"),
        signature("sb://localhost/passes", "everything"),
        signature("sb://localhost/orders", "orders-only"),
    ],
)
@pytest.mark.parametrize("header", FURTHER)
def test_a_token_that_does_not_do(guarded: BrokerProcess, header: str, token: str) -> None:
    inside = "<ForwardTo>others</ForwardTo>"
    answer = put(guarded, *OF_ORDERS, inside, updates=True, further={header: token})
    assert answer.status == 401
    assert b"allows to send on 'others'" in answer.body


def test_a_further_token_manages_nothing(guarded: BrokerProcess) -> None:
    further = {FURTHER[0]: signature("https://localhost/", "everything")}
    answer = put(
        guarded, "sender", "/others", "QueueDescription", "", updates=True, further=further
    )
    assert answer.status == 401
    assert b"allows to manage on 'others'" in answer.body


def test_below_the_key_is_its_own(guarded: BrokerProcess) -> None:
    inside = "<ForwardTo>orders/audit</ForwardTo>"
    kind = "QueueDescription"
    assert put(guarded, "orders-only", "/orders", kind, inside, updates=True).status == 200
    assert (
        put(guarded, "orders-only", "/orders", kind, "<ForwardTo/>", updates=True).status == 200
    )


def test_what_stays_is_told_again_as_clients_do(guarded: BrokerProcess) -> None:
    """They read all properties, change one, and put all."""
    inside = (
        "<MaxDeliveryCount>7</MaxDeliveryCount><ForwardTo>sb://localhost/others</ForwardTo>"
    )
    kind = "QueueDescription"
    assert put(guarded, "passes-only", "/passes", kind, inside, updates=True).status == 200


def test_a_subscription_objects_dead_letters(guarded: BrokerProcess) -> None:
    """Its sink is in test_http_subscriptions.py."""
    wanted = {
        "protocol": "HTTP",
        "sink": "https://erp.example/events",
        "config": {
            "topic": "tickets",
            "name": "pushed",
            "status": "disabled",
            "forward_dead_letters_to": "others",
        },
    }
    answers = []
    for key in ("tickets-only", "everything", "tickets-only"):
        headers = {"Authorization": signature("https://localhost/", key)}
        body = json.dumps(wanted).encode()
        method, path = ("POST", "/subscriptions")
        if len(answers) == 2:
            method, path = ("PUT", "/subscriptions/tickets/pushed")
        answers.append(ask(guarded, method, path, body, headers))
    assert [one.status for one in answers] == [401, 201, 401]
    assert b"allows to send on 'others'" in answers[0].body


def test_a_derivations_jobs(guarded: BrokerProcess) -> None:
    """A token for all is one for the queue, too, whatever is asked for with it."""
    path = "/tickets/derivations/fire"
    answers = []
    for key in ("tickets-only", "everything"):
        headers = {"Authorization": signature("https://localhost/", key)}
        body = json.dumps({"to": "others"}).encode()
        answers.append(ask(guarded, "PUT", path, body, headers))
    assert [one.status for one in answers] == [401, 201]
    assert b"allows to send on 'others'" in answers[0].body
    headers = {"Authorization": signature("https://localhost/", "tickets-only")}
    change = json.dumps({"key": "a"}).encode()
    assert ask(guarded, "PATCH", path, change, headers).status == 401, "it makes jobs still"
    assert ask(guarded, "DELETE", path, headers=headers).status == 204
