"""The links that a connection has by its tokens: they end when no token allows them."""

from typing import Final, final

from peeklock.protocols.amqp10.conditions import UNAUTHORIZED_ACCESS
from peeklock.protocols.amqp10.link import Link
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import UnixMs


@final
class Grants:
    """Each link with the right that it needs, and on what."""

    def __init__(self) -> None:
        self._needs: Final[dict[Link, tuple[Right, str]]] = {}

    def note(self, link: Link, right: Right, path: str) -> None:
        self._needs[link] = (right, path)

    def forget(self, link: Link) -> None:
        self._needs.pop(link, None)

    def lapse(self, principal: Principal, now: UnixMs) -> bool:
        """Let tokens run out, and end the links that nothing else allows: were there any?"""
        if principal.claims is None or not principal.claims.lapse(now):
            return False
        count = len(self._needs)
        for link, (right, path) in list(self._needs.items()):
            if not principal.has(right, path):
                what = f"the token to {right.value} on {path!r} has run out"
                self.forget(link)
                link.fail(UNAUTHORIZED_ACCESS, what)
        return len(self._needs) < count
