"""Logins against known users: PLAIN, EXTERNAL with client certificates (part 5 §5.3)."""

import asyncio
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import peeklock_client
from peeklock.security.passwords import hash_password
from peeklock.security.scram import make_verifier
from tests.support.amqp_bytes import AMQP_HEADER, SASL_HEADER, composite, frame
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerFailed, BrokerProcess
from tests.support.mqtt_peer import mqtt_peer
from tests.support.scram_client import ScramClient
from tests.support.socket_peer import PeerClosed

OPEN = frame(composite("open", container_id="peer"))
BEGIN = frame(composite("begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))


def init(mechanism: str, response: bytes | None) -> bytes:
    return frame(composite("sasl-init", mechanism=mechanism, initial_response=response), kind=1)


def response(data: bytes) -> bytes:
    return frame(composite("sasl-response", response=data), kind=1)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(dev=False, data_dir=tmp_path_factory.mktemp("strict")) as process:
        yield process


@pytest.fixture
def secret(strict: BrokerProcess) -> bytes:
    """The right response to PLAIN."""
    found = json.loads((strict.data_dir / "credentials.json").read_text())
    return f"\0{found['user']}\0{found['password']}".encode()


@pytest.fixture
def client(strict: BrokerProcess) -> Iterator[AmqpPeer]:
    with AmqpPeer(strict.amqp_port) as one:
        yield one


class TestPlain:
    """§5.3.3, RFC 4616"""

    def test_the_right_password(self, client: AmqpPeer, secret: bytes) -> None:
        assert client.sasl("PLAIN", secret) == 0
        client.open()

    @pytest.mark.parametrize(
        "wrong",
        [b"", b"\0", b"\0peeklock\0wrong", b"peeklock", b"\0nobody\0x", b"\0a\0b\0c", b"\0\0"],
        ids=repr,
    )
    def test_anything_else(self, client: AmqpPeer, wrong: bytes) -> None:
        """§5.3.3.6 code 1: the credentials are wrong."""
        assert client.sasl("PLAIN", wrong) == 1
        client.expect_end()

    @pytest.mark.parametrize("mechanism", ["ANONYMOUS", "MSSBCBS", "EXTERNAL", "plain", ""])
    def test_mechanisms_that_are_not_offered(self, client: AmqpPeer, mechanism: str) -> None:
        """§5.3.3.2: MSSBCBS is anonymous, and so is welcome only where ANONYMOUS is."""
        assert client.sasl(mechanism, None) == 1
        client.expect_end()

    def test_only_what_is_welcome_is_offered(self, client: AmqpPeer) -> None:
        """§5.3.3.1"""
        client.send_bytes(SASL_HEADER)
        assert client.take(8) == SASL_HEADER
        assert client.expect("sasl-mechanisms")["sasl-server-mechanisms"] == ["PLAIN"]

    def test_without_sasl_nobody_gets_in(self, client: AmqpPeer) -> None:
        """§5.3.1: the server says which layer it wants, and closes."""
        client.send_bytes(AMQP_HEADER + OPEN)
        assert client.take(8) == SASL_HEADER
        client.expect_end()

    def test_the_response_may_come_when_asked_for(
        self, client: AmqpPeer, secret: bytes
    ) -> None:
        """§5.3.2, RFC 4422 §3: a client that sends no initial response gets a challenge."""
        client.send_bytes(SASL_HEADER)
        assert client.take(8) == SASL_HEADER
        client.expect("sasl-mechanisms")
        client.send_bytes(init("PLAIN", None))
        client.expect("sasl-challenge", challenge=b"")
        client.send_bytes(response(secret))
        client.expect("sasl-outcome", code=0)
        client.open()

    def test_a_response_that_nobody_asked_for(self, client: AmqpPeer, secret: bytes) -> None:
        """§5.3.2"""
        client.send_bytes(SASL_HEADER + init("PLAIN", secret) + response(secret))
        assert client.take(8) == SASL_HEADER
        client.expect("sasl-mechanisms")
        client.expect("sasl-outcome", code=0)
        assert client.take(8) == AMQP_HEADER  # of the one that is right here
        client.expect_end()

    def test_everything_may_be_pipelined_piece_by_piece(
        self, client: AmqpPeer, secret: bytes
    ) -> None:
        """§5.3.2, §2.4.1: what comes while the password is checked waits for the outcome."""
        for piece in (SASL_HEADER, init("PLAIN", secret), AMQP_HEADER[:3], AMQP_HEADER[3:]):
            client.send_bytes(piece)
            time.sleep(0.002)
        for piece in (OPEN, BEGIN[:5], BEGIN[5:]):
            client.send_bytes(piece)
            time.sleep(0.002)
        assert client.take(8) == SASL_HEADER
        client.expect("sasl-mechanisms")
        client.expect("sasl-outcome", code=0)
        assert client.take(8) == AMQP_HEADER
        client.expect("open")
        client.expect("begin")
        client.ping()

    def test_pipelining_behind_a_wrong_password_helps_nobody(self, client: AmqpPeer) -> None:
        """§5.3.3.6"""
        client.send_bytes(SASL_HEADER + init("PLAIN", b"\0a\0b") + AMQP_HEADER + OPEN + BEGIN)
        assert client.take(8) == SASL_HEADER
        client.expect("sasl-mechanisms")
        client.expect("sasl-outcome", code=1)
        client.expect_end()

    def test_a_flood_before_the_outcome_ends_it(
        self, strict: BrokerProcess, client: AmqpPeer
    ) -> None:
        """§5.3.2: who has not logged in fills no memory (but for what argon2 takes, 64 MiB)."""
        before = strict.rss_bytes
        piece = OPEN * 40_000
        client.send_bytes(SASL_HEADER + init("PLAIN", b"\0a\0b") + AMQP_HEADER)
        try:
            for _ in range(300):
                client.send_bytes(piece)
        except OSError:
            pass
        with pytest.raises(PeerClosed):
            client.take(1000)
        assert strict.rss_bytes - before < 100 * 1024 * 1024


def openssl(folder: Path, *args: str) -> None:
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )  # fmt: skip


def make_certificate(folder: Path, authority: str, file: str, subject: str) -> None:
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", subject, "-keyout", f"{file}.key", "-out", f"{file}.csr",
    )  # fmt: skip
    openssl(
        folder, "x509", "-req", "-days", "2", "-in", f"{file}.csr", "-out", f"{file}.pem",
        "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
    )  # fmt: skip


CONFIG = """
tls_cert = "server.pem"
tls_key = "server.key"
tls_client_ca = "clients.pem"

[[users]]
name = "erp"
rights = ["send"]

[[queues]]
name = "orders"
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for authority in ("server", "clients", "strangers"):
        make_authority(folder, authority)
    make_certificate(folder, "clients", "erp", "/CN=erp")
    make_certificate(folder, "clients", "mallory", "/CN=mallory")
    make_certificate(folder, "clients", "two", "/CN=erp/CN=admin")
    make_certificate(folder, "strangers", "forged", "/CN=erp")
    config = CONFIG
    for file in ("server.pem", "server.key", "clients.pem"):
        config = config.replace(file, str(folder / file))
    (folder / "peeklock.toml").write_text(config)
    return folder


@pytest.fixture(scope="module")
def secure(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrokerProcess]:
    config = str(certificates / "peeklock.toml")
    data = tmp_path_factory.mktemp("secure")
    with BrokerProcess("--config", config, dev=False, data_dir=data) as process:
        yield process


def connect(broker: BrokerProcess, folder: Path, certificate: str | None) -> AmqpPeer:
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    peer = AmqpPeer(broker.amqp_port)
    peer.socket = context.wrap_socket(peer.socket)
    return peer


def offered(peer: AmqpPeer) -> object:
    peer.send_bytes(SASL_HEADER)
    assert peer.take(8) == SASL_HEADER
    return peer.expect("sasl-mechanisms")["sasl-server-mechanisms"]


SCRAM = f"""
[[users]]
name = "device"
scram_verifier = "{make_verifier("pencil", b"0123456789abcdef", 4096)}"
rights = ["send"]

[[users]]
name = "old"
password_hash = "{hash_password("pencil")}"

[[queues]]
name = "orders"
"""


@pytest.fixture(scope="module")
def scrambled() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=SCRAM, dev=False) as process:
        yield process


class TestScram:
    """§5.3.3.3, RFC 5802, RFC 7677: the same mechanism as MQTT's."""

    @pytest.fixture
    def peer(self, scrambled: BrokerProcess) -> Iterator[AmqpPeer]:
        with AmqpPeer(scrambled.amqp_port) as one:
            assert offered(one) == ["SCRAM-SHA-256", "PLAIN"]
            yield one

    def challenge(self, peer: AmqpPeer) -> bytes:
        found = peer.expect("sasl-challenge")["challenge"]
        assert isinstance(found, bytes)
        return found

    @pytest.mark.parametrize("asks", [False, True])
    def test_the_right_password(self, peer: AmqpPeer, asks: bool) -> None:
        """§5.3.3.5: the server's last word is the outcome's additional data."""
        client = ScramClient(b"device", b"pencil")
        if asks:
            peer.send_bytes(init("SCRAM-SHA-256", None))
            assert self.challenge(peer) == b""
            peer.send_bytes(response(client.first))
        else:
            peer.send_bytes(init("SCRAM-SHA-256", client.first))
        peer.send_bytes(response(client.final(self.challenge(peer))))
        outcome = peer.expect("sasl-outcome", code=0)
        last = outcome["additional-data"]
        assert isinstance(last, bytes)
        client.check(last)
        peer.open()
        peer.begin()
        peer.attach_sender("orders")

    @pytest.mark.parametrize("name", [b"device", b"old", b"nobody"])
    def test_anything_else(self, peer: AmqpPeer, name: bytes) -> None:
        """§5.3.3.6 code 1: a wrong password, a user without a verifier, no user."""
        client = ScramClient(name, b"pen")
        peer.send_bytes(init("SCRAM-SHA-256", client.first))
        peer.send_bytes(response(client.final(self.challenge(peer))))
        assert peer.expect("sasl-outcome", code=1)["additional-data"] is None
        peer.expect_end()

    @pytest.mark.parametrize(
        "first", [b"", b"p=tls-unique,,n=device,r=a", b"n,,n=device", b"\xff"], ids=repr
    )
    def test_a_first_message_that_is_none(self, peer: AmqpPeer, first: bytes) -> None:
        """§5.3.3.6"""
        peer.send_bytes(init("SCRAM-SHA-256", first))
        peer.expect("sasl-outcome", code=1)
        peer.expect_end()

    def test_a_response_too_many(self, peer: AmqpPeer) -> None:
        """§5.3.2: what comes behind the last one is no AMQP."""
        client = ScramClient(b"device", b"pencil")
        peer.send_bytes(init("SCRAM-SHA-256", client.first))
        final = response(client.final(self.challenge(peer)))
        peer.send_bytes(final + final)
        peer.expect("sasl-outcome", code=0)
        assert peer.take(8) == AMQP_HEADER  # of the one that is right here
        peer.expect_end()


class TestExternal:
    """§5.3.3.1, RFC 4422 appendix A: TLS has proved who the client is."""

    @pytest.mark.parametrize("response", [None, b"", b"erp"])
    def test_a_users_certificate_lets_in(
        self, secure: BrokerProcess, certificates: Path, response: bytes | None
    ) -> None:
        with connect(secure, certificates, "erp") as peer:
            assert peer.sasl("EXTERNAL", response) == 0
            peer.open()
            peer.begin()

    def test_the_users_rights_are_its_own(
        self, secure: BrokerProcess, certificates: Path
    ) -> None:
        """§2.8.15 unauthorized-access"""
        with connect(secure, certificates, "erp") as peer:
            assert peer.sasl("EXTERNAL") == 0
            peer.open()
            peer.begin()
            source = composite("source", address="orders")
            peer.send("attach", name="r", handle=0, role=True, source=source)
            peer.expect("attach", source=None)
            words = peer.expect_error("detach", "amqp:unauthorized-access")
            assert "'erp'" in words
            assert "listen" in words

    def test_nobody_acts_as_another(self, secure: BrokerProcess, certificates: Path) -> None:
        with connect(secure, certificates, "erp") as peer:
            assert peer.sasl("EXTERNAL", b"admin") == 1
            peer.expect_end()

    @pytest.mark.parametrize("certificate", [None, "mallory", "two"])
    def test_it_is_offered_to_users_only(
        self, secure: BrokerProcess, certificates: Path, certificate: str | None
    ) -> None:
        """Neither without a certificate, nor for one of no user, nor of who knows whom."""
        with connect(secure, certificates, certificate) as peer:
            assert offered(peer) == ["PLAIN"]
            peer.send_bytes(init("EXTERNAL", None))
            peer.expect("sasl-outcome", code=1)
            peer.expect_end()

    def test_our_client_comes_by_its_certificate(
        self, secure: BrokerProcess, certificates: Path
    ) -> None:
        """§5.3.3.1: it takes EXTERNAL where that is offered."""
        context = ssl.create_default_context(cafile=str(certificates / "server.pem"))
        context.check_hostname = False
        context.load_cert_chain(certificates / "erp.pem", certificates / "erp.key")

        async def send() -> None:
            url = f"amqps://127.0.0.1:{secure.amqp_port}"
            async with peeklock_client.connect(url, tls=context) as client:
                await client.queue("orders").send({"order": 4711})

        asyncio.run(send())

    def test_an_mqtt_client_comes_by_it_too(
        self, secure: BrokerProcess, certificates: Path
    ) -> None:
        context = ssl.create_default_context(cafile=str(certificates / "server.pem"))
        context.check_hostname = False
        context.load_cert_chain(certificates / "erp.pem", certificates / "erp.key")
        with mqtt_peer(secure.mqtt_port, context=context) as one:
            one.put("$queue/orders", b"1")
            assert one.subscribe("$queue/orders").suback.reason_codes == (0x87,)

    def test_a_forged_certificate_ends_the_handshake(
        self, secure: BrokerProcess, certificates: Path
    ) -> None:
        with (
            connect(secure, certificates, "forged") as peer,
            pytest.raises((OSError, PeerClosed)),
        ):
            offered(peer)

    def test_a_user_without_a_password_has_none(
        self, secure: BrokerProcess, certificates: Path
    ) -> None:
        with connect(secure, certificates, None) as peer:
            assert peer.sasl("PLAIN", b"\0erp\0") == 1
            peer.expect_end()

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("tls_client_ca = 'x.pem'\n", "needs tls_cert"),
            ("[[users]]\nname = 'erp'\n", "'erp' has no password_hash"),
        ],
    )
    def test_a_configuration_that_lets_nobody_in(
        self, tmp_path: Path, text: str, word: str
    ) -> None:
        with pytest.raises(BrokerFailed, match=word):
            BrokerProcess(config=text, dev=False, data_dir=tmp_path).start()
