"""What users are shown of an entity at its management node, by their rights."""

from collections.abc import Iterator

import pytest

from peeklock.security.passwords import hash_password
from tests.support.amqp_bytes import (
    application_properties,
    composite,
    read_message,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess

CONFIG = """
[[queues]]
name = "hooks"
push_to = "https://erp.example/hooks"
push_status = "paused"
push_headers = '{"X-Api-Key": "s3cret"}'
"""
LOOKS = [("READ", "hooks"), ("QUERY", "")]


@pytest.fixture(scope="module")
def guarded() -> Iterator[BrokerProcess]:
    hashed = hash_password("secret")
    users = [
        f'[[users]]\nname = "{name}"\npassword_hash = "{hashed}"\nrights = {rights}\n'
        for name, rights in {"looker": [], "owner": ["manage"]}.items()
    ]
    with BrokerProcess(config=CONFIG + "".join(users), dev=False) as process:
        yield process


def told(process: BrokerProcess, user: str, operation: str, name: str) -> str:
    with AmqpPeer(process.amqp_port) as peer:
        assert peer.sasl("PLAIN", f"\0{user}\0secret".encode()) == 0
        peer.open()
        peer.begin()
        peer.attach_sender("hooks/$management", 0)
        peer.attach_receiver("hooks/$management", 1, credit=1)
        payload = composite("properties", message_id="1")
        payload += application_properties({"operation": operation, "type": "", "name": name})
        peer.transfer(0, payload + value_section({}))
        while (heard := peer.next_frame()).name != "transfer":
            assert heard.name in ("flow", "disposition"), heard.performative
        reply = read_message(heard.payload)
    assert reply.application_properties["statusCode"] == 200, reply.application_properties
    return str(dict(reply.sections)[0x77])


@pytest.mark.parametrize(("operation", "name"), LOOKS)
def test_header_fields_of_webhooks_are_for_who_may_manage(
    guarded: BrokerProcess, operation: str, name: str
) -> None:
    """They may have keys of other programs in them."""
    by_looker = told(guarded, "looker", operation, name)
    assert "hooks" in by_looker
    assert "s3cret" not in by_looker
    assert "s3cret" in told(guarded, "owner", operation, name)
