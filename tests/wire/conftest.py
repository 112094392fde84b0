"""One broker for all wire cases: what one peer does wrong, the others must not notice."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

NUMBERS = count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[BrokerProcess]:
    with BrokerProcess() as process:
        yield process


@pytest.fixture
def peer(shared: BrokerProcess) -> Iterator[AmqpPeer]:
    """Connected, and nothing said yet."""
    with AmqpPeer(shared.amqp_port) as one:
        yield one


@pytest.fixture
def ready(shared: BrokerProcess) -> Iterator[AmqpPeer]:
    """Opened, with a session on channel 0."""
    with ready_peer(shared.amqp_port) as one:
        yield one


@pytest.fixture
def queue() -> str:
    """A name that no other test uses; `--dev` makes the queue at the first attach."""
    return f"queue-{next(NUMBERS)}"


@pytest.fixture
def operator(shared: BrokerProcess) -> Iterator[AmqpOperator]:
    """Somebody who changes settings, on a connection of its own."""
    one = AmqpOperator(shared.amqp_port)
    yield one
    one.close()


@pytest.fixture
def sessions(operator: AmqpOperator, queue: str) -> str:
    """A queue of message sessions, with locks of a minute."""
    operator.create(queue, requires_session=True)
    return queue


@pytest.fixture
def brief(operator: AmqpOperator, queue: str) -> str:
    """One with locks of 400 ms."""
    operator.create(queue, requires_session=True, lock_duration_ms=400)
    return queue


@pytest.fixture
def other(shared: BrokerProcess) -> Iterator[AmqpPeer]:
    with ready_peer(shared.amqp_port) as peer:
        yield peer


@pytest.fixture
def tree() -> str:
    """A first level of MQTT topic names, and a share name, that no other test uses."""
    return f"tree-{next(NUMBERS)}"


@pytest.fixture
def client(shared: BrokerProcess) -> Iterator[MqttPeer]:
    """An MQTT 5.0 client, let in."""
    with mqtt_peer(shared.mqtt_port) as one:
        yield one
