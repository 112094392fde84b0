"""What a scripted peer says about message sessions, in Service Bus' forms."""

from collections.abc import Mapping

from tests.support.amqp_bytes import (
    Composite,
    Raw,
    application_properties,
    composite,
    data_section,
    read_message,
    string,
    uint,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, Heard

FILTER = "com.microsoft:session-filter"
TIMEOUT = "com.microsoft:timeout"
LOCK_LOST = "com.microsoft:session-lock-lost"


def seek(
    peer: AmqpPeer, queue: str, wanted: bytes, handle: int = 0, timeout: int | None = None
) -> None:
    """Attach a receiver of a session; the answer may take a while."""
    properties = {} if timeout is None else {TIMEOUT: uint(timeout)}
    peer.send(
        "attach",
        name=f"r{handle}",
        handle=handle,
        role=True,
        source=composite("source", address=queue, filter={FILTER: Raw(wanted)}),
        target=composite("target"),
        properties=properties,
    )


def granted(peer: AmqpPeer) -> str:
    """The answer names the session; returns its id."""
    return session_of(peer.expect("attach"))


def session_of(heard: Heard) -> str:
    source = heard["source"]
    assert isinstance(source, Composite), "refused"
    found = source["filter"]
    assert isinstance(found, dict)
    session_id = found[FILTER]
    assert isinstance(session_id, str)
    return session_id


def accept(peer: AmqpPeer, queue: str, session_id: str, handle: int = 0) -> Heard:
    seek(peer, queue, string(session_id), handle)
    heard = peer.expect("attach")
    assert session_of(heard) == session_id
    return heard


def refused(peer: AmqpPeer, condition: str) -> str:
    """§2.6.3: an attach without its terminus, then why."""
    heard = peer.expect("attach")
    assert heard["source"] is None
    return peer.expect_error("detach", condition)


def in_session(session_id: str, body: bytes) -> bytes:
    return composite("properties", group_id=session_id) + data_section(body)


def put(peer: AmqpPeer, queue: str, *messages: tuple[str, bytes], handle: int = 9) -> None:
    peer.attach_sender(queue, handle)
    for number, (session_id, body) in enumerate(messages):
        peer.transfer(number, in_session(session_id, body), handle)
    peer.hear_accepted(0, len(messages) - 1)
    peer.send("detach", handle=handle, closed=True)
    peer.expect("detach")


class Desk:
    """Requests to the queue's `$management` node, on a peer's own connection."""

    def __init__(self, peer: AmqpPeer, queue: str) -> None:
        self.peer = peer
        node = f"{queue}/$management"
        peer.attach_receiver(
            node, 21, credit=100, target=composite("target", address="replies")
        )
        peer.attach_sender(node, 20)
        self._number = 100

    def ask(
        self, operation: str, body: Mapping[str, object], link_name: str = ""
    ) -> tuple[int, str, object]:
        """Status, error condition or "", and the reply's body."""
        self._number += 1
        named = {"associated-link-name": link_name} if link_name else {}
        payload = (
            composite("properties", message_id=f"ask-{self._number}", reply_to="replies")
            + application_properties({"operation": f"com.microsoft:{operation}", **named})
            + value_section(body)
        )
        self.peer.transfer(self._number, payload, 20)
        while True:
            heard = self.peer.next_frame()
            if heard.name == "transfer":
                break
        message = read_message(heard.payload)
        status = message.application_properties["statusCode"]
        assert isinstance(status, int)
        condition = message.application_properties.get("errorCondition")
        return int(status), str(condition or ""), dict(message.sections)[0x77]
