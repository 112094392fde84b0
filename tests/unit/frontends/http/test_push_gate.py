"""When a webhook may be asked: after a pause that grows, by its rate, as long as it wants."""

from peeklock.frontends.http.push_gate import PushGate
from peeklock.limits import PUSH_ASK_FIRST, PUSH_ASK_MAX, PUSH_PAUSE_FIRST, PUSH_PAUSE_MAX
from peeklock.types import ElapsedMs, Millis, UnixMs

START = ElapsedMs(1_000_000)
AT = UnixMs(1_700_000_000_000)
NONE = Millis(0)


def test_it_is_open_at_first() -> None:
    gate = PushGate()
    assert gate.wait(START) == 0
    assert not gate.is_held_up


def test_each_failure_in_a_row_pauses_twice_as_long() -> None:
    gate, now = PushGate(), START
    pauses = []
    for _ in range(40):
        gate.failed(now, AT, "503", NONE)
        assert gate.is_held_up
        pauses.append(gate.wait(now))
        now = ElapsedMs(now + gate.wait(now))
        assert gate.wait(now) == 0
        assert not gate.is_held_up
    assert pauses[:3] == [PUSH_PAUSE_FIRST, 2 * PUSH_PAUSE_FIRST, 4 * PUSH_PAUSE_FIRST]
    assert pauses[-1] == PUSH_PAUSE_MAX
    gate.went_well()
    gate.failed(now, AT, "503", NONE)
    assert gate.wait(now) == PUSH_PAUSE_FIRST


def test_a_receiver_is_left_alone_as_long_as_it_wants() -> None:
    gate = PushGate()
    gate.failed(START, AT, "429", Millis(90_000))
    gate.failed(START, AT, "503", NONE)
    assert gate.wait(START) == 90_000, "one that says less does not shorten it"


def test_a_success_does_not_end_what_another_failure_wants() -> None:
    gate = PushGate()
    gate.failed(START, AT, "429", Millis(90_000))
    gate.went_well()
    assert gate.wait(START) == 90_000
    assert gate.error == ""


def test_requests_are_spread_over_the_minute() -> None:
    gate = PushGate()
    gate.began(START, 120)
    assert gate.wait(START) == 500
    assert not gate.is_held_up, "nothing has failed"
    gate.began(START, 120)
    assert gate.wait(START) == 1000
    gate.began(ElapsedMs(START + 90_000), 120)
    assert gate.wait(ElapsedMs(START + 90_000)) == 500, "idle time is not saved up"
    gate.began(START, 0)
    assert PushGate().wait(START) == 0


def test_leave_is_asked_for_less_and_less_often() -> None:
    gate, now = PushGate(), START
    gate.not_allowed(now, AT, "405", NONE)
    assert gate.wait(now) == PUSH_ASK_FIRST
    for _ in range(20):
        now = ElapsedMs(now + gate.wait(now))
        gate.not_allowed(now, AT, "405", NONE)
    assert gate.wait(now) == PUSH_ASK_MAX
    assert (gate.error, gate.error_at) == ("405", AT)
    gate.allowed()
    assert (gate.wait(now), gate.error, gate.is_held_up) == (0, "", False)
