"""By which names the HTTP port may be called, and by which web pages."""

from typing import Final

from peeklock.server.config import Config, is_loopback

ANY_PAGE: Final = "*"


class HostNames:
    """By which names a request may call the broker, in its Host header.

    Where nobody has to prove anything, a web page could else reach the broker: its own name
    may lead to 127.0.0.1, if whoever owns the name wants so.
    """

    def __init__(self, config: Config) -> None:
        self._any: Final = not config.dev or config.emulator
        self._pages: Final = frozenset(one.lower() for one in config.http_origins)

    def is_expected_page(self, origin: str) -> bool:
        """May a page of this origin ask for something?"""
        host = origin.partition("://")[2]
        return self.is_expected(host) or not self._pages.isdisjoint((origin.lower(), ANY_PAGE))

    def is_expected(self, authority: str) -> bool:
        if self._any:
            return True
        has_port = ":" in authority and not authority.endswith("]")
        name = authority.rpartition(":")[0] if has_port else authority
        return is_loopback(name.strip("[]").lower())
