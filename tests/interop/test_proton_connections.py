"""Qpid Proton against the broker: getting in, being refused, and coming back."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.conftest import Guarded
from tests.interop.proton_client import (
    ACCEPTED,
    REJECTED,
    Client,
    handlers,
    message,
    proton,
    reactor,
    utils,
)
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


def trusting(guarded: Guarded) -> Any:
    """A client's TLS that trusts the broker's certificate, and checks its name."""
    domain = proton.SSLDomain(proton.SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(str(guarded.certificate))
    domain.set_peer_authentication(proton.SSLDomain.VERIFY_PEER_NAME)
    return domain


def log_in(guarded: Guarded, **options: Any) -> Client:
    """With the right name and password, unless they are given."""
    url = f"amqps://localhost:{guarded.process.amqp_port}"
    credentials = {"user": guarded.user, "password": guarded.password}
    return Client(url, **({"ssl_domain": trusting(guarded)} | credentials | options))


@pytest.fixture
def client(guarded: Guarded) -> Iterator[Client]:
    with log_in(guarded) as one:
        yield one


class TestGettingIn:
    def test_with_tls_and_password(self, client: Client) -> None:
        assert client.connection.conn.transport.ssl().protocol_name().startswith("TLS")
        large = bytes(300_000)
        sent = client.sender("brief-proton").send(message(large))
        assert sent.remote_state == ACCEPTED
        assert client.receiver("brief-proton").take_all(1)[0].body == large

    @pytest.mark.parametrize(
        "wrong",
        [{"password": "wrong"}, {"user": "nobody"}, {"allowed_mechs": "ANONYMOUS"}],
        ids=["password", "user", "mechanism"],
    )
    def test_not_with_wrong(self, guarded: Guarded, wrong: dict[str, str]) -> None:
        with pytest.raises(proton.ConnectionException) as refused:
            log_in(guarded, **wrong)
        assert "amqp:unauthorized-access" in str(refused.value)

    def test_not_without_trust(self, guarded: Guarded) -> None:
        """The client's own refusal: it does not know who signed the certificate."""
        domain = proton.SSLDomain(proton.SSLDomain.MODE_CLIENT)
        domain.set_peer_authentication(proton.SSLDomain.VERIFY_PEER)
        with pytest.raises(proton.ConnectionException) as refused:
            log_in(guarded, ssl_domain=domain)
        assert "certificate verify failed" in str(refused.value)

    def test_not_without_tls(self, guarded: Guarded) -> None:
        with pytest.raises(proton.ConnectionException):
            Client(f"amqp://localhost:{guarded.process.amqp_port}")


class TestRefusals:
    @pytest.mark.parametrize("address", ["nowhere", "nowhere/$DeadLetterQueue"])
    def test_an_unknown_address(self, client: Client, address: str) -> None:
        for attach in (client.sender, client.receiver):
            with pytest.raises(utils.LinkDetached) as refused:
                attach(address)
            assert refused.value.condition == "amqp:not-found"
            assert repr(address) in str(refused.value)
        client.sender("brief-proton")  # nothing else has ended

    def test_a_message_that_is_too_large(self, client: Client) -> None:
        sender = client.sender("narrow-proton")
        assert sender.link.remote_max_message_size == 1000
        with pytest.raises(utils.SendException) as refused:
            sender.send(message(bytes(1001)))
        assert refused.value.state == REJECTED
        assert sender.send(message("fits")).remote_state == ACCEPTED, "the link goes on"

    def test_a_dynamic_node_that_has_gone(self, client: Client) -> None:
        replies = client.connection.create_receiver(None, dynamic=True, credit=1)
        address = replies.link.remote_source.address
        client.sender(address).send(message("while it is there"))
        replies.close()
        with pytest.raises(utils.LinkDetached) as refused:
            client.sender(address)
        assert refused.value.condition == "amqp:not-found"


class TestWhatTheClientBounds:
    """Frames, windows and silences are as small as the client says."""

    def test_the_smallest_frames(self, open_broker: BrokerProcess, queue: str) -> None:
        """§2.3.1: 512 bytes. The message takes more of them than the window allows at once."""
        body = bytes(range(256)) * 20_000
        with Client(open_broker.url, max_frame_size=512) as client:
            assert client.sender(queue).send(message(body)).remote_state == ACCEPTED
            assert client.receiver(queue).take_all(1)[0].body == body

    def test_a_narrow_session(self, open_broker: BrokerProcess, queue: str) -> None:
        """§2.5.6: room for three frames, which opens again as they are read."""
        body = bytes(range(256)) * 4_000
        with Client(open_broker.url) as client:
            client.sender(queue).send(message(body))
            session = client.connection.conn.session()
            session.incoming_capacity = 100_000
            session.open()
            reader = Reader()
            link = session.receiver("narrow")
            link.source.address = queue
            link.handler = reader
            link.open()
            link.flow(1)
            client.wait(lambda: reader.is_whole)
            got = proton.Message()
            got.decode(bytes(reader.payload))
            assert got.body == body

    def test_a_heartbeat(self, open_broker: BrokerProcess, queue: str) -> None:
        """§2.4.5: the broker says something in every silence that is half as long."""
        with Client(open_broker.url, heartbeat=1) as client:
            sender = client.sender(queue)
            assert client.stays(lambda: not client.connection.disconnected, seconds=2.5)
            assert sender.send(message("still here")).remote_state == ACCEPTED


class Reader(proton.Handler):
    """Takes the parts of a delivery as they come."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.is_whole = False

    def on_delivery(self, event: Any) -> None:
        while part := event.receiver.recv(65536):
            self.payload.extend(part)
        self.is_whole = not event.delivery.partial


class Crashing(handlers.MessagingHandler):
    """Kills the broker when it has heard enough, and starts it again a little later."""

    def __init__(self, broker: BrokerProcess, **options: Any) -> None:
        super().__init__(**options)
        self.disconnections = 0
        self._broker = broker

    def connect(self, event: Any) -> Any:
        again = reactor.Backoff(initial=0.05, max_delay=0.2)
        return event.container.connect(self._broker.url, reconnect=again)

    def crash(self, event: Any) -> None:
        self._broker.kill()
        event.container.schedule(0.2, self)

    def on_timer_task(self, event: Any) -> None:
        self._broker.restart()

    def on_transport_error(self, event: Any) -> None:
        """Attempts that fail while there is no broker are nothing to log."""

    def on_disconnected(self, event: Any) -> None:
        self.disconnections += 1


class Producer(Crashing):
    """Sends numbers, and those again that were under way when the connection broke."""

    def __init__(self, broker: BrokerProcess, count: int, crash_at: int) -> None:
        super().__init__(broker)
        self.accepted: set[int] = set()
        self.in_doubt: list[int] = []
        self._count = count
        self._crash_at = crash_at
        self._waiting = deque(range(count))
        self._under_way: dict[str, int] = {}

    def on_start(self, event: Any) -> None:
        event.container.create_sender(self.connect(event), "orders")

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit and self._waiting and len(self._under_way) < 20:
            number = self._waiting.popleft()
            sent = event.sender.send(message(number))
            self._under_way[sent.tag] = number

    def on_accepted(self, event: Any) -> None:
        self.accepted.add(self._under_way.pop(event.delivery.tag))
        self.on_sendable(event)
        if len(self.accepted) == self._crash_at and not self.disconnections:
            self.crash(event)
        if len(self.accepted) == self._count:
            event.connection.close()

    def on_disconnected(self, event: Any) -> None:
        super().on_disconnected(event)
        self.in_doubt.extend(self._under_way.values())
        self._waiting.extendleft(self._under_way.values())
        self._under_way.clear()


class Consumer(Crashing):
    """Crashes the broker while it holds the first message; accepts what it gets then."""

    def __init__(self, broker: BrokerProcess) -> None:
        # Its own credit: with a prefetch of 1 Proton stops after one message, crash or not.
        super().__init__(broker, prefetch=0, auto_accept=False)
        self.bodies: list[object] = []

    def on_start(self, event: Any) -> None:
        event.container.create_receiver(self.connect(event), "orders")

    def on_link_opened(self, event: Any) -> None:
        event.receiver.flow(1)

    def on_message(self, event: Any) -> None:
        self.bodies.append(event.message.body)
        if len(self.bodies) == 1:
            self.crash(event)
            return
        self.accept(event.delivery)
        if len(self.bodies) == 3:
            event.connection.close()
        else:
            event.receiver.flow(1)


class TestComingBack:
    """The broker is killed and started again; the client goes on by itself."""

    def test_nothing_accepted_is_lost(self, broker: BrokerProcess) -> None:
        producer = Producer(broker, count=2000, crash_at=700)
        reactor.Container(producer).run()
        assert producer.disconnections
        assert producer.accepted == set(range(2000))
        assert producer.in_doubt  # some were under way: those may be there twice
        assert left_in(broker) >= producer.accepted

    def test_what_was_held_comes_again(self, broker: BrokerProcess) -> None:
        with Client(broker.url) as client:
            sender = client.sender("orders")
            for body in ("a", "b"):
                sender.send(message(body))
        consumer = Consumer(broker)
        reactor.Container(consumer).run()
        assert consumer.disconnections
        assert consumer.bodies == ["a", "a", "b"]
        assert left_in(broker) == set()


def left_in(broker: BrokerProcess) -> set[object]:
    """The bodies of what is in the queue."""
    with Client(broker.url) as client:
        receiver = client.receiver("orders", reactor.Copy())
        receiver.link.drain(5000)
        client.wait(lambda: receiver.link.credit == 0 and not receiver.link.draining())
        return {got.body for got, _delivery in receiver.incoming}
