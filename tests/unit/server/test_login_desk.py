"""Passwords that were verified are known again for a while; those that were not never are."""

import asyncio
import threading

import pytest

from peeklock.limits import LOGIN_MEMORY_COUNT_MAX, LOGIN_MEMORY_LIFETIME
from peeklock.security.authenticators import Admission, Answer, Login, Rejection
from peeklock.security.principal import Principal
from peeklock.server.login_desk import GONE, LoginDesk, LoginMemory, Verified
from peeklock.types import ElapsedMs, UnixMs
from tests.support.fake_clock import FakeClock
from tests.support.loop import settled

ANNA = Principal("anna")


def plain(name: str, password: str) -> Login:
    return Login("PLAIN", f"\0{name}\0{password}".encode())


class Counting:
    """Anna's password is right; it counts what it is asked, and may be made to wait."""

    is_required = True
    takes_tokens = False

    def __init__(self) -> None:
        self.checked: list[bytes] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def mechanisms(self, certificate_name: str) -> tuple[str, ...]:
        return ("PLAIN",)

    def check_at_once(self, login: Login, now: UnixMs) -> Answer | None:
        return None if login.mechanism == "PLAIN" else Admission(ANNA)

    def check(self, login: Login, now: UnixMs) -> Answer:
        assert self.may_go_on.wait(20)
        self.checked.append(login.response)
        return Admission(ANNA) if login.response == b"\0anna\0right" else Rejection()


@pytest.fixture
def authenticator() -> Counting:
    return Counting()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk(authenticator: Counting, clock: FakeClock) -> LoginDesk:
    return LoginDesk(authenticator, clock)


RIGHT = plain("anna", "right")
WRONG = plain("anna", "wrong")


async def test_a_login_is_known_again(desk: LoginDesk, authenticator: Counting) -> None:
    for _ in range(3):
        answer = await desk.check(RIGHT)
        assert isinstance(answer, Verified)
        assert answer.admission == await desk.answer(RIGHT) == Admission(ANNA)
    assert len(authenticator.checked) == 1


async def test_a_refusal_costs_as_much_each_time(
    desk: LoginDesk, authenticator: Counting
) -> None:
    for _ in range(3):
        assert await desk.check(WRONG) == Rejection()
    found = await asyncio.gather(*(desk.check(WRONG) for _ in range(3)))
    assert found == [Rejection()] * 3
    assert len(authenticator.checked) == 6


@pytest.mark.parametrize(
    "other", [WRONG, plain("ann", "aright"), plain("anna\0right", ""), Login("PLAIN", b"")]
)
async def test_nothing_else_is_known_by_it(
    desk: LoginDesk, authenticator: Counting, other: Login
) -> None:
    await desk.check(RIGHT)
    assert await desk.check(other) == Rejection()
    assert len(authenticator.checked) == 2


async def test_many_at_once_are_looked_at_once(
    desk: LoginDesk, authenticator: Counting
) -> None:
    authenticator.may_go_on.clear()
    waiting = [asyncio.ensure_future(desk.check(RIGHT)) for _ in range(20)]
    await settled()
    authenticator.may_go_on.set()
    assert all(isinstance(one, Verified) for one in await asyncio.gather(*waiting))
    assert len(authenticator.checked) == 1


async def test_what_is_no_password_waits_for_none(
    desk: LoginDesk, authenticator: Counting
) -> None:
    """Nor does one that is known."""
    await desk.check(RIGHT)
    authenticator.may_go_on.clear()
    waiting = asyncio.ensure_future(desk.check(WRONG))
    await settled()
    assert await desk.check(Login("EXTERNAL", b"")) == Admission(ANNA)
    assert isinstance(await desk.check(RIGHT), Verified)
    assert not waiting.done()
    authenticator.may_go_on.set()
    assert await waiting == Rejection()


async def test_nothing_is_done_for_who_has_gone(
    desk: LoginDesk, authenticator: Counting
) -> None:
    authenticator.may_go_on.clear()
    first = asyncio.ensure_future(desk.check(WRONG))
    await settled()
    second = asyncio.ensure_future(desk.check(RIGHT, lambda: True))
    await settled()
    authenticator.may_go_on.set()
    assert await first == Rejection()
    assert await second == GONE
    assert len(authenticator.checked) == 1


async def test_it_is_forgotten(
    desk: LoginDesk, authenticator: Counting, clock: FakeClock
) -> None:
    """Some time after it was used last, or after its connection's end."""
    verified = await desk.check(RIGHT)
    assert isinstance(verified, Verified)
    for _ in range(3):
        clock.advance(LOGIN_MEMORY_LIFETIME - 1)
        await desk.check(RIGHT)
    assert len(authenticator.checked) == 1
    clock.advance(3 * LOGIN_MEMORY_LIFETIME)
    desk.keep(verified)
    clock.advance(LOGIN_MEMORY_LIFETIME - 1)
    await desk.check(RIGHT)
    assert len(authenticator.checked) == 1
    clock.advance(LOGIN_MEMORY_LIFETIME)
    await desk.check(RIGHT)
    assert len(authenticator.checked) == 2


class TestMemory:
    NOW = ElapsedMs(0)

    def test_it_is_bounded(self) -> None:
        memory = LoginMemory()
        for number in range(LOGIN_MEMORY_COUNT_MAX + 3):
            memory.keep(Verified(b"%d" % number, Admission(ANNA)), self.NOW)
            memory.find(b"0", self.NOW)  # who is used stays
        assert len(memory) == LOGIN_MEMORY_COUNT_MAX
        assert memory.find(b"0", self.NOW) is not None
        assert memory.find(b"1", self.NOW) is None

    def test_what_is_over_takes_no_room(self) -> None:
        memory = LoginMemory()
        for number in range(9):
            memory.keep(Verified(b"%d" % number, Admission(ANNA)), ElapsedMs(number))
        memory.find(b"x", ElapsedMs(LOGIN_MEMORY_LIFETIME + 6))
        assert len(memory) == 2

    def test_digests_are_of_one_process(self) -> None:
        one, other = LoginMemory(), LoginMemory()
        assert one.digest(RIGHT) == one.digest(plain("anna", "right")) != other.digest(RIGHT)
        assert one.digest(RIGHT) != one.digest(WRONG)
        assert b"right" not in one.digest(RIGHT)
