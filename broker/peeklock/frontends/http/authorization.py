"""Who a request is from, by its Authorization header (RFC 9110 §11.6.2)."""

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from peeklock.errors import Unauthorized
from peeklock.security.authenticators import Admission, Answer, Authenticator, Login
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.security.rights import Right
from peeklock.security.token_claims import TokenClaims
from peeklock.security.tokens import SIGNATURE_PREFIX, Tokens
from peeklock.types import UnixMs

BASIC: Final = "basic"
BEARER: Final = "bearer"


def token_in(header: str) -> str:
    """A header's token, as Service Bus' clients write it or by RFC 6750; "": it has none."""
    if header.startswith(SIGNATURE_PREFIX):
        return header
    scheme, _separator, rest = header.partition(" ")
    return rest.strip() if scheme.lower() == BEARER else ""


class CheckLogin(Protocol):
    """Checks a password, which takes its time, without holding up anybody else."""

    async def __call__(self, login: Login) -> Answer: ...


class Doorkeeper:
    """Knows a user by password (Basic, RFC 7617), and a token by its signature."""

    def __init__(
        self, authenticator: Authenticator, tokens: Tokens, check_login: CheckLogin
    ) -> None:
        self._authenticator: Final = authenticator
        self._tokens: Final = tokens
        self._check_login: Final = check_login

    @property
    def lets_anybody_in(self) -> bool:
        return not self._authenticator.is_required

    async def principal(self, header: str, path: str, now: UnixMs) -> Principal:
        """Who asks for `path`; raises `Unauthorized`."""
        if self.lets_anybody_in:
            return ANONYMOUS
        token = token_in(header)
        if token:
            return self._by_token(token, path, now)
        scheme, _separator, rest = header.partition(" ")
        if scheme.lower() == BASIC:
            return await self._by_password(rest.strip())
        ways = "a shared access signature, a Bearer token or a user's name and password (Basic)"
        raise Unauthorized(f"the request is to prove who sends it: {ways}, as Authorization")

    def require_send(
        self, principal: Principal, further: Sequence[str], now: UnixMs, path: str
    ) -> None:
        """Raises `Unauthorized` when neither it nor one of further headers' tokens may."""
        for header in further:
            with suppress(Unauthorized):  # it is refused below, in the usual words
                if self._by_token(token_in(header), path, now).has(Right.SEND, path):
                    return
        principal.require_send(path)

    def _by_token(self, token: str, path: str, now: UnixMs) -> Principal:
        # Who makes something at a path may have it send elsewhere, if the token lets him.
        claim = self._tokens.whole_claim(token, path, now)
        claims = TokenClaims()
        claims.put(claim.path, claim)
        return Principal("token", frozenset(), claims)

    async def _by_password(self, given: str) -> Principal:
        try:
            user, separator, password = base64.b64decode(given, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            raise Unauthorized("the name and password are not base64") from None
        if separator and b"\0" not in user + password:
            answer = await self._check_login(Login("PLAIN", b"\0" + user + b"\0" + password))
            if isinstance(answer, Admission):
                return answer.principal
        raise Unauthorized("no user has this name and password")
