"""What a webhook's connection may be: with a certificate that holds, and where it may lead."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from peeklock.server.push_answer import Unanswered
from peeklock.server.push_client import PushClient, tls_context
from peeklock.server.push_rules import LOOPBACK, PushRules
from peeklock.types import Millis
from tests.support.certificates import make_certificate
from tests.support.webhook_receiver import WebhookReceiver, answer

ENOUGH = Millis(10_000)


def rules(*networks: object, ca: Path | None = None) -> PushRules:
    return PushRules("broker.example", "", networks, frozenset(), ca)  # type: ignore[arg-type]


class Asking:
    """Makes clients, and closes them."""

    def __init__(self) -> None:
        self.clients: list[PushClient] = []

    async def ask(self, url: str, chosen: PushRules) -> str:
        client = PushClient(url, 1, chosen, tls_context(chosen.authorities))
        self.clients.append(client)
        return str(await client.ask("POST", [("content-type", "text/x")], b"x", ENOUGH))


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    made = Asking()
    yield made
    for client in made.clients:
        await client.close()


async def test_a_certificate_that_nobody_vouches_for(asking: Asking, tmp_path: Path) -> None:
    with WebhookReceiver(certificate=make_certificate(tmp_path)) as receiver:
        with pytest.raises(Unanswered, match="has no valid TLS"):
            await asking.ask(receiver.url, rules(*LOOPBACK))
        assert receiver.asked == []


async def test_one_that_the_operator_vouches_for(asking: Asking, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with WebhookReceiver(certificate=made) as receiver:
        told = await asking.ask(receiver.url, rules(*LOOPBACK, ca=made[0]))
        assert told == "answered 204 as scripted"


async def test_one_of_another_name(asking: Asking, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with WebhookReceiver(certificate=made) as receiver:
        url = receiver.url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(Unanswered, match=r"has no valid TLS|cannot be reached"):
            await asking.ask(url, rules(*LOOPBACK, ca=made[0]))
        assert receiver.asked == []


async def test_no_tls_where_there_should_be(asking: Asking) -> None:
    with WebhookReceiver() as receiver:
        with pytest.raises(Unanswered):
            await asking.ask(receiver.url.replace("http:", "https:"), rules(*LOOPBACK))
        assert receiver.posted == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0.0.0.0"])
async def test_this_machine_by_any_name(asking: Asking, host: str) -> None:
    with WebhookReceiver() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        with pytest.raises(Unanswered, match=r"is not public|is not a canonical"):
            await asking.ask(url, rules(ip_network("10.0.0.0/8")))
        assert receiver.asked == []


async def test_a_network_that_is_allowed(asking: Asking) -> None:
    with WebhookReceiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        assert await asking.ask(url, rules(*LOOPBACK)) == "answered 204 as scripted"


async def test_a_redirection_is_not_followed(asking: Asking) -> None:
    with WebhookReceiver() as elsewhere:
        with WebhookReceiver(answer(307, Location=elsewhere.url)) as receiver:
            assert (
                await asking.ask(receiver.url, rules(*LOOPBACK)) == "answered 307 as scripted"
            )
        assert elsewhere.asked == []


async def test_no_proxy_is_used(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookReceiver() as receiver, WebhookReceiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await asking.ask(receiver.url, rules(*LOOPBACK))
        assert len(receiver.posted) == 1
        assert proxy.asked == []


async def test_cookies_are_not_kept_and_a_connection_is(asking: Asking) -> None:
    with WebhookReceiver(answer(200, Set_Cookie="a=b")) as receiver:
        client = PushClient(receiver.url, 1, rules(*LOOPBACK), tls_context(None))
        asking.clients.append(client)
        for _ in range(2):
            await client.ask("POST", [], b"x", ENOUGH)
        assert "cookie" not in receiver.posted[1].headers
        assert receiver.connection_count == 1


async def test_an_answer_that_is_zipped_is_not_unzipped(asking: Asking) -> None:
    script = answer(200, b"\x1f\x8b no zip", Content_Encoding="gzip")
    with WebhookReceiver(script) as receiver:
        assert await asking.ask(receiver.url, rules(*LOOPBACK)) == "answered 200 as scripted"


async def test_a_time_is_kept_while_it_connects(asking: Asking) -> None:
    """A listener whose queue is full, or that never shakes hands."""
    with WebhookReceiver() as receiver:
        receiver.script = [receiver.hang]
        client = PushClient(receiver.url, 1, rules(*LOOPBACK), tls_context(None))
        asking.clients.append(client)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(Unanswered, match="within 200 ms"):
            await client.ask("POST", [], b"x", Millis(200))
        assert loop.time() - began < 10
