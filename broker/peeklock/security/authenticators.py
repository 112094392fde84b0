"""Ways to prove who one is, by SASL mechanism."""

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from peeklock.clock import IdSource
from peeklock.errors import Unauthorized
from peeklock.security.passwords import is_password
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.security.rights import Right
from peeklock.security.scram import (
    SCRAM,
    Dialogue,
    Proved,
    ScramRefused,
    Verifier,
    dialogue,
    made_up_verifier,
)
from peeklock.security.token_claims import TokenClaims
from peeklock.security.tokens import Tokens
from peeklock.types import UnixMs

WRONG: Final = "the user name or the password is wrong"
# By this name other MQTT brokers take tokens in AUTH.
TOKEN: Final = "OAUTH2-JWT"  # noqa: S105 (it is no secret)


@dataclass(frozen=True)
class Login:
    """What a client says of itself, and what TLS has proved of it.

    `dialogue` is that of the `Challenge` which `response` answers; None: it says this first.
    """

    mechanism: str
    response: bytes
    certificate_name: str = ""  # of the verified client certificate; "" for none
    dialogue: Dialogue | None = None
    # A signature or a JSON Web Token. With TOKEN it is all that there is, with PLAIN it may be
    # the password; "": none.
    token: str = ""


@dataclass(frozen=True)
class Challenge:
    """The client is to be sent `data`; its response is a `Login` with this dialogue."""

    data: bytes
    dialogue: Dialogue


@dataclass(frozen=True)
class Admission:
    """Who it is; `data` is for the client to see that we are who we should be."""

    principal: Principal
    data: bytes | None = None


@dataclass(frozen=True)
class Rejection:
    """It is not so. `why` is for the client, and tells it nothing of who has what password."""

    why: str = WRONG


Answer: TypeAlias = Challenge | Admission | Rejection


class Authenticator(Protocol):
    """Decides about logins."""

    @property
    def is_required(self) -> bool:
        """May nobody go without SASL?"""
        ...

    @property
    def takes_tokens(self) -> bool:
        """May tokens be given as passwords, or by TOKEN?"""
        ...

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        """What a client with this certificate ("" for none) is offered, best first."""
        ...

    def check_at_once(self, login: Login, now: UnixMs) -> Answer | None:
        """None: it is a password, which takes its time. `check` does that."""
        ...

    def check(self, login: Login, now: UnixMs) -> Answer:
        """As above, but may block for a while: call it off the loop."""
        ...


class AnyoneIn:
    """`--dev`: everybody is anonymous and may do everything; loopback only."""

    # MSSBCBS is what Service Bus' .NET client wants: anonymous here, its token comes later.
    OFFERED: Final = ("MSSBCBS", "PLAIN", "ANONYMOUS")
    MECHANISMS: Final = (*OFFERED, "EXTERNAL")
    is_required: Final = False
    takes_tokens: Final = False

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        """EXTERNAL is taken of anybody, but only who has proved something is offered it: Cyrus'
        SASL library would try nothing else."""
        return self.MECHANISMS if certificate_name else self.OFFERED

    def check_at_once(self, login: Login, now: UnixMs) -> Answer:
        if login.mechanism not in self.MECHANISMS:
            return Rejection()
        user = login.response.split(b"\0")[1:2] if login.mechanism == "PLAIN" else []
        return Admission(Principal(user[0].decode("utf-8", "replace")) if user else ANONYMOUS)

    def check(self, login: Login, now: UnixMs) -> Answer:
        return self.check_at_once(login, now)


@dataclass(frozen=True)
class User:
    """A name, its rights, and what is known of its password.

    Without a hash ("") nobody comes in as it by PLAIN, without a verifier nobody by SCRAM.
    """

    name: str
    password_hash: str
    rights: frozenset[Right]
    verifier: Verifier | None = None


class KnownUsers:
    """SASL PLAIN (RFC 4616), SCRAM-SHA-256 (RFC 7677) and EXTERNAL (RFC 4422 appendix A) for
    the users of a list.

    EXTERNAL is offered to a client whose certificate's common name is a user's name; which
    authorities sign such certificates is the listener's business. SCRAM is offered where any
    user has a verifier. Where tokens are taken, one may come in anonymously, too, and may do
    what its tokens allow.
    """

    is_required: Final = True

    def __init__(
        self,
        users: list[User],
        ids: IdSource,
        salt_key: bytes = b"",
        tokens: Tokens | None = None,
    ) -> None:
        """`salt_key` makes up the salts of those who have no verifier. It outlives restarts:
        salts that change are those of nobody."""
        self._tokens: Final = tokens or Tokens([])
        self._ids: Final = ids
        self._salt_key: Final = salt_key
        self._users: Final = {user.name: user for user in users}
        # For a name that nobody has: checked all the same, so that time tells nothing.
        self._nobody: Final = next((u.password_hash for u in users if u.password_hash), "")
        verifiers = [user.verifier for user in users if user.verifier is not None]
        self._example: Final = verifiers[0] if verifiers else None

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        offered: tuple[str, ...] = ("EXTERNAL",) if certificate_name in self._users else ()
        offered += (SCRAM, "PLAIN") if self._example is not None else ("PLAIN",)
        return (*offered, "MSSBCBS", "ANONYMOUS") if self.takes_tokens else offered

    @property
    def takes_tokens(self) -> bool:
        return self._tokens.are_taken

    def check_at_once(self, login: Login, now: UnixMs) -> Answer | None:
        mechanism = login.mechanism
        if mechanism == TOKEN and self.takes_tokens:
            return self._by_token(login.token, now)
        if mechanism == "PLAIN":
            answer = self._by_token(login.token, now) if login.token else None
            return answer if isinstance(answer, Admission) else None
        if mechanism == "EXTERNAL":
            return self._by_certificate(login.certificate_name, login.response)
        if mechanism == SCRAM and self._example is not None:
            return self._by_dialogue(login)
        if self.takes_tokens and mechanism in ("MSSBCBS", "ANONYMOUS"):
            return Admission(Principal("anonymous", frozenset(), TokenClaims()))
        return Rejection(f"there is no mechanism {mechanism!r}")

    def check(self, login: Login, now: UnixMs) -> Answer:
        """A token that is none may be a password that looks so: that is found out for whatever
        user name, so time tells nothing."""
        answer = self.check_at_once(login, now) or self._by_password(login.response)
        if isinstance(answer, Rejection) and login.token:
            return self._by_token(login.token, now)
        return answer

    def _by_token(self, text: str, now: UnixMs) -> Answer:
        try:
            token = self._tokens.read(text, now)
        except Unauthorized as error:
            return Rejection(str(error))
        claims = TokenClaims()
        claims.put(token.claim.path, token.claim)
        return Admission(Principal(token.holder, frozenset(), claims))

    def _by_password(self, response: bytes) -> Answer:
        parts = response.split(b"\0")
        if len(parts) != 3:
            return Rejection()
        name = parts[1].decode("utf-8", "replace")
        password = parts[2].decode("utf-8", "replace")
        user = self._users.get(name)
        hashed = user.password_hash if user is not None else ""
        fits = is_password(hashed or self._nobody, password)
        return admission_of(user) if fits and hashed else Rejection()

    def _by_certificate(self, name: str, response: bytes) -> Answer:
        """The response may name whom to act as: oneself, or nobody in particular."""
        if response not in (b"", name.encode()):
            return Rejection()
        return admission_of(self._users.get(name) if name else None)

    def _by_dialogue(self, login: Login) -> Answer:
        """One step of SCRAM. Whatever is wrong with a name or a password is told alike."""
        try:
            if login.dialogue is None:
                begun = dialogue(login.response, self._ids.name(), self._find_verifier)
                return Challenge(next(begun), begun)
            login.dialogue.send(login.response)
        except ScramRefused as refused:
            if refused.error == "invalid-proof":
                return Rejection()
            return Rejection(f"{SCRAM}: {refused.error}")
        except StopIteration as end:
            proved: Proved = end.value
            return admission_of(self._users.get(proved.name), proved.signature)
        raise AssertionError("SCRAM has one challenge")

    def _find_verifier(self, name: str) -> Verifier:
        """What is made up is so in any case: time tells nothing."""
        assert self._example is not None
        made_up = made_up_verifier(self._salt_key, name, self._example)
        user = self._users.get(name)
        return made_up if user is None or user.verifier is None else user.verifier


def admission_of(user: User | None, data: bytes | None = None) -> Answer:
    return Rejection() if user is None else Admission(Principal(user.name, user.rights), data)
