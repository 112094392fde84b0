"""The `$cbs` node: tokens, what they allow, and what happens when they run out."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from urllib.parse import quote_plus
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    Message,
    application_properties,
    composite,
    data_section,
    decode,
    read_message,
    uuid,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess

KEY = "a-key-of-at-least-sixteen"
MESSAGE_ID = uuid(UUID(int=0x0F0E0D0C_0000_4000_8000_000000000001))
MESSAGE_ID_VALUE = decode(MESSAGE_ID)[0]
CONFIG = f"""
[[queues]]
name = "orders"
[[queues]]
name = "invoices"
[[topics]]
name = "site"
[[access_keys]]
name = "root"
key = "{KEY}"
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIG, dev=False) as broker:
        yield broker


class Guest:
    """In by SASL ANONYMOUS, with both links to `$cbs`, and no token yet."""

    def __init__(self, peer: AmqpPeer) -> None:
        self.peer = peer
        self.requests = 100
        self.is_asking = False
        assert peer.sasl("ANONYMOUS", b"") == 0
        peer.open()
        peer.begin()
        peer.attach_sender("$cbs", 8)
        peer.attach_receiver("$cbs", 9, credit=10)

    def put(self, audience: str, token: object, operation: str = "put-token") -> Message:
        """Put a token; returns the reply."""
        self.requests += 1
        asked = {"operation": operation, "type": "jwt", "name": audience}
        payload = composite("properties", message_id=MESSAGE_ID)
        payload = payload + application_properties(asked) + value_section(token)
        self.peer.transfer(self.requests, payload, 8)
        while (heard := self.peer.next_frame()).name != "transfer":
            assert heard.name in ("flow", "disposition"), heard.performative
        return read_message(heard.payload)

    def ask(
        self, entity: str, operation: str, kind: str, name: str, **arguments: object
    ) -> dict[object, object]:
        """At the entity's `$management`, with a token for it; returns what the reply says."""
        audience, node = f"sb://localhost/{entity}", f"{entity}/$management"
        self.put(audience, token(audience))
        self.requests += 1
        self.peer.attach_sender(node, 0)
        self.peer.attach_receiver(node, 1, credit=10)
        payload = composite("properties", message_id="ask")
        payload += application_properties({"operation": operation, "type": kind, "name": name})
        self.peer.transfer(self.requests, payload + value_section(arguments), 0)
        while (heard := self.peer.next_frame()).name != "transfer":
            assert heard.name in ("flow", "disposition", "attach"), heard.performative
        self.peer.send("detach", handle=0, closed=True)
        self.peer.send("detach", handle=1, closed=True)
        self.peer.expect("detach")
        self.peer.expect("detach")
        return dict(read_message(heard.payload).application_properties)

    def look(self, operation: str, name: str = "", kind: str = "") -> dict[str, object]:
        """The reply's properties to a request of an entity's node, of which anybody knows."""
        if not self.is_asking:
            self.is_asking = True
            self.peer.attach_sender("orders/$management", 6)
            self.peer.attach_receiver("orders/$management", 7, credit=100)
        self.requests += 1
        asked = {"operation": operation, "type": kind, "name": name}
        payload = composite("properties", message_id=MESSAGE_ID)
        payload = payload + application_properties(asked) + value_section({})
        self.peer.transfer(self.requests, payload, 6)
        while (heard := self.peer.next_frame()).name != "transfer":
            assert heard.name in ("flow", "disposition"), heard.performative
        return read_message(heard.payload).application_properties

    def refused(self, address: str) -> None:
        """§2.6.3: no link to this entity."""
        self.peer.send(
            "attach", name="r0", handle=0, role=True,
            source=composite("source", address=address), target=composite("target"),
        )  # fmt: skip
        while (heard := self.peer.next_frame()).name != "attach":
            assert heard.name in ("flow", "disposition"), heard.performative
        assert heard["source"] is None
        self.peer.expect_error("detach", "amqp:unauthorized-access")
        self.peer.send("detach", handle=0, closed=True)


@pytest.fixture
def guest(guarded: BrokerProcess) -> Iterator[Guest]:
    with AmqpPeer(guarded.amqp_port) as peer:
        yield Guest(peer)


def token(uri: str, seconds: float = 60, key: str = KEY) -> str:
    encoded, expiry = quote_plus(uri), int(time.time() + seconds)
    mac = hmac.new(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote_plus(base64.b64encode(mac).decode())
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn=root"


def test_nothing_without_a_token(guest: Guest) -> None:
    guest.refused("orders")


def test_a_token_opens_its_entity_and_no_other(guest: Guest) -> None:
    reply = guest.put("sb://localhost/orders", token("sb://localhost/orders"))
    assert reply.application_properties["status-code"] == 202
    guest.refused("invoices")
    guest.peer.attach_receiver("orders", 1)


def test_the_reply_names_the_request_in_its_own_type(guest: Guest) -> None:
    """A uuid stays a uuid: clients compare the two as they are."""
    reply = guest.put("sb://localhost/orders", token("sb://localhost/orders"))
    (properties,) = [value for code, value in reply.sections if code == 0x73]
    assert isinstance(properties, list)
    assert properties[5] == MESSAGE_ID_VALUE


@pytest.mark.parametrize(
    "given",
    [
        token("sb://localhost/orders", key="another-key-of-sixteen"),
        token("sb://localhost/invoices"),
        token("sb://localhost/orders", seconds=-5),
        "SharedAccessSignature nonsense",
        "",
    ],
)
def test_a_bad_token_is_refused(guest: Guest, given: str) -> None:
    found = guest.put("sb://localhost/orders", given).application_properties
    assert found["status-code"] == 401
    assert found["error-condition"] == "amqp:unauthorized-access"
    guest.refused("orders")


def test_what_is_no_token(guest: Guest) -> None:
    assert guest.put("", "x").application_properties["status-code"] == 400
    assert guest.put("orders", 7).application_properties["status-code"] == 400
    assert guest.put("orders", "x", "make-tea").application_properties["status-code"] == 400


def test_a_link_ends_with_its_token(guest: Guest) -> None:
    """And lives on with a new one in time."""
    guest.put("sb://localhost/orders", token("sb://localhost/orders", seconds=2))
    guest.put("sb://localhost/invoices", token("sb://localhost/invoices", seconds=2))
    guest.peer.attach_receiver("orders", 0)
    guest.peer.attach_sender("invoices", 1)
    guest.put("sb://localhost/invoices", token("sb://localhost/invoices", seconds=60))
    text = guest.peer.expect_error("detach", "amqp:unauthorized-access")
    assert "'orders' has run out" in text
    guest.peer.transfer(0, data_section(b"x"), 1)
    guest.peer.hear_accepted(0, 0)


def test_a_token_can_be_taken_back(guest: Guest) -> None:
    guest.put("sb://localhost/orders", token("sb://localhost/orders"))
    guest.put("sb://localhost/orders", None, "delete-token")
    guest.refused("orders")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("QUERY", "mqtt-session"),
        ("QUERY", "mqtt-group"),
        ("READ", "mqtt-session"),
        ("DELETE", "mqtt-session"),
    ],
)
def test_who_may_manage_an_entity_may_not_look_at_mqtts_clients(
    guest: Guest, operation: str, kind: str
) -> None:
    """Of whatever name: they are below no entity."""
    found = guest.ask("orders", operation, kind, "orders")
    assert found["statusCode"] == 401, found
    assert "manage on '$management'" in str(found["statusDescription"])


def test_jobs_are_derived_where_one_may_send(guest: Guest) -> None:
    """However the queue is written: what looks like the scheme of an address is left out."""
    for place in ("orders", "sb://localhost/orders", "site/://localhost/orders"):
        found = guest.ask("site", "CREATE", "derivation", "site/Derivations/fire", to=place)
        assert found["statusCode"] == 401, (place, found)
        assert "send on 'orders'" in str(found["statusDescription"])


def test_a_login_needs_no_token(guarded: BrokerProcess) -> None:
    """A user's rights are its own, whatever token it puts."""
    credentials = json.loads((guarded.data_dir / "credentials.json").read_text())
    secret = f"\0{credentials['user']}\0{credentials['password']}".encode()
    with AmqpPeer(guarded.amqp_port) as peer:
        assert peer.sasl("PLAIN", secret) == 0
        peer.open()
        peer.begin()
        peer.attach_receiver("orders", 0)


LOOKS = [
    ("READ", "orders", ""),
    ("READ", "invoices", ""),
    ("READ", "nowhere", ""),
    ("READ", "somebody", "mqtt-session"),
    ("READ", "orders", "mqtt-session"),
    ("DELETE", "orders", "mqtt-session"),
    ("QUERY", "", ""),
    ("QUERY", "orders", "queue"),
    ("QUERY", "orders", "topic"),
    ("QUERY", "orders", "mqtt-session"),
    ("QUERY", "orders", "mqtt-group"),
    ("peeklock:stats", "", ""),
]


@pytest.mark.parametrize(("operation", "name", "kind"), LOOKS)
def test_nobody_looks_without_a_token(
    guest: Guest, operation: str, name: str, kind: str
) -> None:
    assert guest.look(operation, name, kind)["statusCode"] == 401


@pytest.mark.parametrize(("operation", "name", "kind"), LOOKS[1:])
def test_a_token_shows_its_entity_and_no_other(
    guest: Guest, operation: str, name: str, kind: str
) -> None:
    """Whatever name a request has for what is not below it."""
    guest.put("sb://localhost/orders", token("sb://localhost/orders"))
    assert guest.look("READ", "orders")["statusCode"] == 200
    assert guest.look(operation, name, kind)["statusCode"] == 401


@pytest.mark.parametrize("audience", ["sb://localhost/", "sb://localhost/$management"])
def test_a_token_for_all_shows_all(guest: Guest, audience: str) -> None:
    guest.put(audience, token(audience))
    for operation, name, kind in LOOKS:
        is_there = operation != "DELETE" and name != "nowhere"
        is_there = is_there and (operation, kind) != ("READ", "mqtt-session")
        told = guest.look(operation, name, kind)["statusCode"]
        assert told == (200 if is_there else 404), (operation, name, kind)
