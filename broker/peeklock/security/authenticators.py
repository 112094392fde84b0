"""Ways to prove who one is, by SASL mechanism."""

from typing import Final, Protocol

from peeklock.security.passwords import is_password
from peeklock.security.principal import ANONYMOUS, Principal, Right


class Authenticator(Protocol):
    """Decides about one SASL initial response."""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What is offered, best first."""
        ...

    @property
    def is_required(self) -> bool:
        """May nobody go without SASL?"""
        ...

    def check(self, mechanism: str, response: bytes) -> Principal | None:
        """Who that is, None when it is not so. May block for a while: call it off the loop."""
        ...


class AnyoneIn:
    """`--dev`: everybody is anonymous and may do everything; loopback only."""

    # MSSBCBS is what Service Bus' .NET client wants: anonymous here, its token comes later.
    mechanisms: Final = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
    is_required: Final = False

    def check(self, mechanism: str, response: bytes) -> Principal | None:
        if mechanism == "PLAIN":
            user = response.split(b"\0")[1:2]
            return Principal(user[0].decode("utf-8", "replace")) if user else ANONYMOUS
        return ANONYMOUS if mechanism in self.mechanisms else None


class User:
    """A name, the hash of its password, its rights."""

    def __init__(self, name: str, password_hash: str, rights: frozenset[Right]) -> None:
        self.name: Final = name
        self.password_hash: Final = password_hash
        self.rights: Final = rights


class PasswordUsers:
    """SASL PLAIN (RFC 4616) against known users."""

    mechanisms: Final = ("PLAIN",)
    is_required: Final = True

    def __init__(self, users: list[User]) -> None:
        self._users: Final = {user.name: user for user in users}
        # For a name that nobody has: checked all the same, so that time tells nothing.
        self._nobody: Final = users[0].password_hash if users else ""

    def check(self, mechanism: str, response: bytes) -> Principal | None:
        parts = response.split(b"\0")
        if mechanism != "PLAIN" or len(parts) != 3:
            return None
        name = parts[1].decode("utf-8", "replace")
        password = parts[2].decode("utf-8", "replace")
        user = self._users.get(name)
        fits = is_password(user.password_hash if user else self._nobody, password)
        if user is None or not fits:
            return None
        return Principal(user.name, user.rights)
