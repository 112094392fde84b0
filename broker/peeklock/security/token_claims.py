"""What a connection may do by the tokens that it has put: rights on paths, for a time."""

from dataclasses import dataclass
from typing import Final

from peeklock.security.rights import Right
from peeklock.types import NEVER, UnixMs


@dataclass(frozen=True)
class Claim:
    """Rights on an entity and all below it; "" is the whole namespace."""

    path: str  # in lower case
    rights: frozenset[Right]
    expires_at: UnixMs

    def covers(self, path: str) -> bool:
        """Is `path`, in lower case, the claim's or below it?"""
        return self.path in ("", path) or path.startswith(self.path + "/")


class TokenClaims:
    """The claims of one connection. A new token for an audience takes the old one's place."""

    def __init__(self) -> None:
        self._by_audience: Final[dict[str, Claim]] = {}

    def put(self, audience: str, claim: Claim) -> None:
        self._by_audience[audience] = claim

    def drop(self, audience: str) -> None:
        self._by_audience.pop(audience, None)

    def allow(self, right: Right, path: str) -> bool:
        """May it? `lapse` says what time it is."""
        folded = path.casefold()
        return any(
            right in claim.rights and claim.covers(folded)
            for claim in self._by_audience.values()
        )

    def lapse(self, now: UnixMs) -> bool:
        """Forget what has run out; says whether anything had."""
        over = [
            audience for audience, claim in self._by_audience.items() if claim.expires_at <= now
        ]
        for audience in over:
            del self._by_audience[audience]
        return bool(over)

    def next_expiry(self) -> UnixMs:
        """When the next one runs out; NEVER when there is none."""
        found = [claim.expires_at for claim in self._by_audience.values()]
        return min(found) if found else NEVER
