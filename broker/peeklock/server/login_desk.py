"""Where logins are decided: passwords one after the other in a thread of their own, since each
takes its time; all else at once. Those that were verified lately are known again (ADR 0035).
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from peeklock.clock import Clock
from peeklock.limits import LOGIN_MEMORY_COUNT_MAX, LOGIN_MEMORY_LIFETIME
from peeklock.security.authenticators import Admission, Answer, Authenticator, Login, Rejection
from peeklock.types import ElapsedMs

KEY_BYTES: Final = 32
GONE: Final = Rejection("the client has gone before its password was looked at")


@dataclass(frozen=True)
class Verified:
    """A name and password that were right, as nobody can read them, and who that is."""

    digest: bytes
    admission: Admission


class LoginMemory:
    """What was verified lately. Nothing is in it of logins that were refused.

    A digest is keyed by what this process alone knows and forgets with its end; so whoever
    reads it somewhere cannot try passwords on it, and a change of the users, which takes a
    restart, begins with an empty one.
    """

    def __init__(self) -> None:
        self._key: Final = secrets.token_bytes(KEY_BYTES)
        # The one that was used longest ago is first, and ends first.
        self._known: Final[OrderedDict[bytes, tuple[Admission, ElapsedMs]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def digest(self, login: Login) -> bytes:
        """Of a PLAIN response: U+0000 is in neither of its parts (RFC 4616)."""
        return hashlib.blake2b(login.response, digest_size=KEY_BYTES, key=self._key).digest()

    def find(self, digest: bytes, now: ElapsedMs) -> Verified | None:
        """It is used now, and so it is kept for longer."""
        self._drop_old(now)
        found = self._known.get(digest)
        if found is None:
            return None
        verified = Verified(digest, found[0])
        self.keep(verified, now)
        return verified

    def keep(self, verified: Verified, now: ElapsedMs) -> None:
        self._known[verified.digest] = (verified.admission, now)
        self._known.move_to_end(verified.digest)
        if len(self._known) > LOGIN_MEMORY_COUNT_MAX:
            self._known.popitem(last=False)

    def _drop_old(self, now: ElapsedMs) -> None:
        known = self._known
        while known:
            digest, (_admission, used_at) = next(iter(known.items()))
            if now - used_at < LOGIN_MEMORY_LIFETIME:
                return
            del known[digest]


def never() -> bool:
    return False


class LoginDesk:
    """Decides one login after the other, and holds nobody up with it."""

    def __init__(self, authenticator: Authenticator, clock: Clock) -> None:
        self._authenticator: Final = authenticator
        self._clock: Final = clock
        self._memory: Final = LoginMemory()
        self._turn: Final = asyncio.Lock()
        self._thread: Final = ThreadPoolExecutor(1, "peeklock-login")

    async def answer(self, login: Login) -> Answer:
        """For who has no connection that stays."""
        answer = await self.check(login)
        return answer.admission if isinstance(answer, Verified) else answer

    async def check(
        self, login: Login, is_gone: Callable[[], bool] = never
    ) -> Answer | Verified:
        """Who that is, or what to ask next; `Verified` for a password that is right.

        Who waits for its turn behind others with the same name and password finds them known.
        For who `is_gone` by then nothing is done.
        """
        answer = self._authenticator.check_at_once(login, self._clock.now())
        if answer is not None:
            return answer
        digest = self._memory.digest(login)
        found = self._memory.find(digest, self._clock.elapsed())
        if found is not None:
            return found
        async with self._turn:
            found = self._memory.find(digest, self._clock.elapsed())
            if found is not None:
                return found
            if is_gone():
                return GONE
            answer = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._authenticator.check, login, self._clock.now()
            )
        if isinstance(answer, Admission):
            return self.keep(Verified(digest, answer))
        return answer

    def keep(self, verified: Verified) -> Verified:
        """It is known for a while from now: also when the connection by it has ended."""
        self._memory.keep(verified, self._clock.elapsed())
        return verified
