"""Azure's SDKs with keys and tokens, over TLS, against a broker that checks them."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import jwt
import pytest

from tests.interop.azure_client import WAIT_SECONDS, Message, exceptions, servicebus
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

credentials = pytest.importorskip("azure.core.credentials", reason="no azure-core")

pytestmark = [
    pytest.mark.interop,
    # The SDK leaves sockets of broken connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KEY = "0123456789abcdef"
TOKEN_KEY = "a secret that only the broker and the issuer know"
CONFIG = f"""
[[queues]]
name = "orders"

[[queues]]
name = "bills"

[[access_keys]]
name = "Root"
key = "{KEY}"

[[access_keys]]
name = "worker"
key = "{KEY}"
rights = ["listen"]
entity = "orders"

[jwt]
key = "{TOKEN_KEY}"
"""


class Guarded(NamedTuple):
    process: BrokerProcess
    certificate: Path

    def client(self, name: str = "Root", key: str = KEY) -> Any:
        """As with Azure: TLS, and no word of an emulator."""
        text = f"Endpoint=sb://localhost;SharedAccessKeyName={name};SharedAccessKey={key}"
        return servicebus.ServiceBusClient.from_connection_string(text, **self._options())

    def client_by(self, credential: Any) -> Any:
        return servicebus.ServiceBusClient("localhost", credential, **self._options())

    def _options(self) -> dict[str, Any]:
        """The SDK's port for TLS is 5671, unless an address is given beside the endpoint."""
        return {
            "retry_total": 0,
            "connection_verify": str(self.certificate),
            "custom_endpoint_address": f"localhost:{self.process.amqp_port}",
            "transport_type": servicebus.TransportType.Amqp,
        }


class Issuer:
    """A credential as `azure.identity` has them; its tokens are JSON Web Tokens."""

    def __init__(self, **claims: Any) -> None:
        self._claims = claims

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        until = int(time.time()) + 600
        token = jwt.encode({"sub": "erp", "exp": until, **self._claims}, TOKEN_KEY, "HS256")
        return credentials.AccessToken(token, until)


def signature(uri: str) -> str:
    """A shared access signature by the key `Root`, as Azure documents how to make one."""
    what, until = quote_plus(uri), int(time.time()) + 600
    made = hmac.new(KEY.encode(), f"{what}\n{until}".encode(), hashlib.sha256).digest()
    signed = quote_plus(base64.b64encode(made))
    return f"SharedAccessSignature sr={what}&sig={signed}&se={until}&skn=Root"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "peeklock.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture(scope="module")
def guarded(config: Path) -> Iterator[Guarded]:
    certificate, key = make_certificate(config.parent)
    files = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with BrokerProcess("--config", str(config), *files, dev=False) as process:
        yield Guarded(process, certificate)


@pytest.fixture(scope="module")
def plain(config: Path) -> Iterator[BrokerProcess]:
    """Without TLS: with an address beside the endpoint the SDK tells no error by its name."""
    with BrokerProcess("--config", str(config), dev=False) as process:
        yield process


def plain_client(broker: BrokerProcess, name: str, key: str = KEY) -> Any:
    text = (
        f"Endpoint=sb://localhost:{broker.amqp_port};SharedAccessKeyName={name};"
        f"SharedAccessKey={key};UseDevelopmentEmulator=true"
    )
    return servicebus.ServiceBusClient.from_connection_string(text, retry_total=0)


def send(bus: Any, queue: str) -> None:
    with bus, bus.get_queue_sender(queue) as sender:
        sender.send_messages(Message("job"))


def receive(bus: Any, queue: str) -> str:
    with bus, bus.get_queue_receiver(queue) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        receiver.complete_message(got)
        return str(got)


@pytest.mark.shows("access", "a shared access key, over TLS")
def test_a_key_over_tls(guarded: Guarded) -> None:
    send(guarded.client(), "orders")
    assert receive(guarded.client(), "orders") == "job"


@pytest.mark.shows("access", "`AzureNamedKeyCredential`")
def test_a_key_as_a_credential(guarded: Guarded) -> None:
    send(guarded.client_by(credentials.AzureNamedKeyCredential("Root", KEY)), "orders")
    assert receive(guarded.client("worker"), "orders") == "job"


@pytest.mark.shows("access", "a shared access signature, as `AzureSasCredential`")
def test_a_signature_as_a_credential(guarded: Guarded) -> None:
    send(
        guarded.client_by(credentials.AzureSasCredential(signature("sb://localhost"))), "orders"
    )
    assert receive(guarded.client("worker"), "orders") == "job"


@pytest.mark.shows("access", "a `TokenCredential` that gives JSON Web Tokens")
def test_a_token_as_a_credential(guarded: Guarded) -> None:
    send(guarded.client_by(Issuer(rights=["send"], entity="bills")), "bills")
    assert receive(guarded.client_by(Issuer(rights=["listen"])), "bills") == "job"


@pytest.mark.shows("access", "a wrong key is refused")
def test_a_wrong_key(plain: BrokerProcess) -> None:
    with pytest.raises(exceptions.ServiceBusAuthenticationError):
        send(plain_client(plain, "Root", "fedcba9876543210"), "orders")


@pytest.mark.shows("access", "a key without the right to send is refused")
def test_a_key_without_the_right(plain: BrokerProcess) -> None:
    with pytest.raises(exceptions.ServiceBusAuthorizationError):
        send(plain_client(plain, "worker"), "orders")


@pytest.mark.shows("access", "a key of another queue is refused")
def test_a_key_for_another_queue(plain: BrokerProcess) -> None:
    with pytest.raises(exceptions.ServiceBusAuthenticationError):
        receive(plain_client(plain, "worker"), "bills")
