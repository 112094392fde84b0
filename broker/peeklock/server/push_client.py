"""Requests to one webhook, over connections of its own: bounded in time, size and direction."""

import asyncio
import socket
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from peeklock.cloudevents.http_binding import Header
from peeklock.limits import PUSH_ANSWER_BYTES_MAX, PUSH_ANSWER_TIMEOUT
from peeklock.server.push_answer import ERROR_CHARACTERS_MAX, Answer, Unanswered
from peeklock.server.push_rules import PushRules
from peeklock.types import Millis

KEEP_ALIVE_SECONDS: Final = 30.0
NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)  # each request has a bound of its own


class PushClient:
    """Redirections are not followed, cookies not kept, proxies of the environment not used."""

    def __init__(
        self, url: str, concurrency: int, rules: PushRules, context: ssl.SSLContext
    ) -> None:
        self._url: Final = URL(url, encoded=True)
        self._rules: Final = rules
        self._session: Final = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=concurrency,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ssl=context,
                socket_factory=self._make_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_TIMEOUT,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def ask(
        self, method: str, headers: list[Header], body: bytes, within: Millis
    ) -> Answer:
        """Raises `Unanswered`."""
        try:
            async with asyncio.timeout(within / 1000):
                response = await self._session.request(
                    method, self._url, headers=headers, data=body, allow_redirects=False
                )
        except TimeoutError:
            raise Unanswered(f"did not answer within {within} ms") from None
        except aiohttp.ClientSSLError as error:
            raise Unanswered(f"has no valid TLS: {shown(error)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unanswered(f"cannot be reached: {shown(error)}") from None
        answer = Answer(response.status, response.reason or "", response.headers.items())
        await finish(response)
        return answer

    async def close(self) -> None:
        await self._session.close()

    def _make_socket(self, found: Any) -> Any:  # as aiohttp has it: getaddrinfo's tuple
        """The one place that each connection comes by, with the address that it will have."""
        family, kind, protocol, _name, address = found
        self._rules.check_address(address[0], is_tls=self._url.scheme == "https")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


@lru_cache(maxsize=8)
def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """One for all webhooks: reading some hundred certificates takes its time.

    Raises `OSError`.
    """
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


async def finish(response: aiohttp.ClientResponse) -> None:
    """A short body is read, so that its connection can be used again; else it is closed."""
    try:
        async with asyncio.timeout(PUSH_ANSWER_TIMEOUT / 1000):
            left = PUSH_ANSWER_BYTES_MAX
            while left > 0 and (part := await response.content.read(left)):
                left -= len(part)
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    finally:
        response.close()  # does nothing to a connection whose answer has been read


def shown(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = str(cause) or type(cause).__name__
    return text[:ERROR_CHARACTERS_MAX]
