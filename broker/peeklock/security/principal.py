"""Who somebody has proved to be, and what that allows."""

from dataclasses import dataclass

from peeklock.errors import Unauthorized
from peeklock.security.rights import ALL_RIGHTS, Right
from peeklock.security.token_claims import TokenClaims


@dataclass(frozen=True)
class Principal:
    """One authenticated peer: rights of its own on everything, and those of its tokens."""

    name: str
    rights: frozenset[Right] = ALL_RIGHTS
    claims: TokenClaims | None = None  # None: it is known by its login, not by tokens

    def has(self, right: Right, path: str) -> bool:
        if right in self.rights:
            return True
        return self.claims is not None and self.claims.allow(right, path)

    def require(self, right: Right, path: str) -> None:
        """Raises `Unauthorized` when it has not got the right."""
        if not self.has(right, path):
            how = "user" if self.claims is None else "no token of user"
            may = "has no right to" if self.claims is None else "allows to"
            raise Unauthorized(f"{how} {self.name!r} {may} {right.value} on {path!r}")

    def require_look(self, path: str) -> None:
        """Users may look at all that there is; of tokens, those that let manage it."""
        if self.claims is not None:
            self.require(Right.MANAGE, path)

    def require_send(self, path: str) -> None:
        self.require(Right.SEND, path)


ANONYMOUS = Principal("anonymous")
