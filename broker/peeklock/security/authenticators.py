"""Ways to prove who one is, by SASL mechanism."""

from dataclasses import dataclass
from typing import Final, Protocol

from peeklock.security.passwords import is_password
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.security.rights import Right
from peeklock.security.token_claims import TokenClaims


@dataclass(frozen=True)
class Login:
    """What a client says of itself, and what TLS has proved of it."""

    mechanism: str
    response: bytes
    certificate_name: str = ""  # of the verified client certificate; "" for none


class Authenticator(Protocol):
    """Decides about logins."""

    @property
    def is_required(self) -> bool:
        """May nobody go without SASL?"""
        ...

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        """What a client with this certificate ("" for none) is offered, best first."""
        ...

    def check(self, login: Login) -> Principal | None:
        """Who that is, None when it is not so. May block for a while: call it off the loop."""
        ...


class AnyoneIn:
    """`--dev`: everybody is anonymous and may do everything; loopback only."""

    # MSSBCBS is what Service Bus' .NET client wants: anonymous here, its token comes later.
    MECHANISMS: Final = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
    is_required: Final = False

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        return self.MECHANISMS

    def check(self, login: Login) -> Principal | None:
        if login.mechanism == "PLAIN":
            user = login.response.split(b"\0")[1:2]
            return Principal(user[0].decode("utf-8", "replace")) if user else ANONYMOUS
        return ANONYMOUS if login.mechanism in self.MECHANISMS else None


class User:
    """A name, the hash of its password ("": it comes by certificate only), its rights."""

    def __init__(self, name: str, password_hash: str, rights: frozenset[Right]) -> None:
        self.name: Final = name
        self.password_hash: Final = password_hash
        self.rights: Final = rights


class KnownUsers:
    """SASL PLAIN (RFC 4616) and EXTERNAL (RFC 4422 appendix A) for the users of a list.

    EXTERNAL is offered to a client whose certificate's common name is a user's name; which
    authorities sign such certificates is the listener's business. Where tokens are taken, one
    may come in anonymously, too, and may do what its tokens allow.
    """

    is_required: Final = True

    def __init__(self, users: list[User], *, takes_tokens: bool = False) -> None:
        self._takes_tokens: Final = takes_tokens
        self._users: Final = {user.name: user for user in users}
        # For a name that nobody has: checked all the same, so that time tells nothing.
        self._nobody: Final = next((u.password_hash for u in users if u.password_hash), "")

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        offered = ("EXTERNAL", "PLAIN") if certificate_name in self._users else ("PLAIN",)
        return (*offered, "MSSBCBS", "ANONYMOUS") if self._takes_tokens else offered

    def check(self, login: Login) -> Principal | None:
        if self._takes_tokens and login.mechanism in ("MSSBCBS", "ANONYMOUS"):
            return Principal("anonymous", frozenset(), TokenClaims())
        user: User | None = None
        if login.mechanism == "PLAIN":
            user = self._by_password(login.response)
        elif login.mechanism == "EXTERNAL":
            user = self._by_certificate(login.certificate_name, login.response)
        return None if user is None else Principal(user.name, user.rights)

    def _by_password(self, response: bytes) -> User | None:
        parts = response.split(b"\0")
        if len(parts) != 3:
            return None
        name = parts[1].decode("utf-8", "replace")
        password = parts[2].decode("utf-8", "replace")
        user = self._users.get(name)
        hashed = user.password_hash if user is not None else ""
        fits = is_password(hashed or self._nobody, password)
        return user if fits and hashed else None

    def _by_certificate(self, name: str, response: bytes) -> User | None:
        """The response may name whom to act as: oneself, or nobody in particular."""
        if response not in (b"", name.encode()):
            return None
        return self._users.get(name) if name else None
