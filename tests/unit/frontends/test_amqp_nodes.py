"""Where an address leads, and for whom."""

import pytest

from peeklock.engine.link_desk import LinkDesk
from peeklock.frontends.amqp10 import AmqpHost
from peeklock.frontends.amqp_management import ManagementNode
from peeklock.frontends.amqp_nodes import find_reply_queue
from peeklock.security.authenticators import AnyoneIn
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.security.tokens import Tokens
from tests.support.amqp_house import no_sessions
from tests.support.house import House


def host_of(house: House) -> AmqpHost:
    """As `--dev` has it."""
    return AmqpHost(
        engine=house.engine,
        link_desk=LinkDesk(house.engine),
        management=ManagementNode(house.engine, dict, no_sessions(house)),
        authenticator=AnyoneIn(),
        tokens=Tokens([]),
        container_id="test",
        creates_queues=True,
    )


class TestReplyQueues:
    @pytest.mark.parametrize("address", ["replies", "REPLIES", "/replies", "/queues/replies"])
    def test_found(self, address: str) -> None:
        house = House()
        queue = house.queue("replies")
        sender = Principal("one", frozenset({Right.SEND}))
        assert find_reply_queue(host_of(house), sender, address) is queue

    @pytest.mark.parametrize(
        "address", ["", "unknown", "$management", "replies/$management", "$cbs"]
    )
    def test_none_is_made(self, address: str) -> None:
        house = House()
        house.queue("replies")
        before = len(house.namespace.by_id)
        assert find_reply_queue(host_of(house), Principal("one"), address) is None
        assert len(house.namespace.by_id) == before

    def test_none_without_the_right_to_send(self) -> None:
        house = House()
        house.queue("replies")
        listener = Principal("one", frozenset({Right.LISTEN, Right.MANAGE}))
        assert find_reply_queue(host_of(house), listener, "replies") is None
