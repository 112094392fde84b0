"""What a connection may do by the tokens that it has put: rights on paths, for a time."""

from dataclasses import dataclass
from typing import Final

from peeklock.security.rights import Right
from peeklock.types import NEVER, ElapsedMs, UnixMs, next_timeout


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
        self.by_audience: Final[dict[str, Claim]] = {}

    def put(self, audience: str, claim: Claim) -> None:
        self.by_audience[audience] = claim

    def replace_by(self, others: "TokenClaims") -> None:
        """Those of a token that was given in the place of the last one."""
        self.by_audience.clear()
        self.by_audience.update(others.by_audience)

    def drop(self, audience: str) -> None:
        self.by_audience.pop(audience, None)

    def allow(self, right: Right, path: str) -> bool:
        """May it? `lapse` says what time it is."""
        folded = path.casefold()
        return any(
            right in claim.rights and claim.covers(folded)
            for claim in self.by_audience.values()
        )

    def lapse(self, now: UnixMs) -> bool:
        """Forget what has run out; says whether anything had."""
        over = [
            audience for audience, claim in self.by_audience.items() if claim.expires_at <= now
        ]
        for audience in over:
            del self.by_audience[audience]
        return bool(over)

    def next_deadline(self, at: ElapsedMs, now: UnixMs, elapsed: ElapsedMs) -> ElapsedMs:
        """`at`, or when the next one runs out if that is sooner, by the clock of `elapsed`.

        An instant: should the machine's clock be set meanwhile, the next tick knows better.
        """
        expiry = self.next_expiry()
        if expiry == NEVER:
            return at
        return next_timeout(at, ElapsedMs(elapsed + max(0, expiry - now)))

    def next_expiry(self) -> UnixMs:
        """When the next one runs out; NEVER when there is none."""
        found = [claim.expires_at for claim in self.by_audience.values()]
        return min(found) if found else NEVER
