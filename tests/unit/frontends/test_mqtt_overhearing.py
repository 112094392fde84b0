"""A signal is converted once a version, and encoded once for all who are told alike."""

from peeklock.cloudevents.amqp_binding import write_amqp_binary
from peeklock.entities.arrivals import NamedSignal
from peeklock.entities.listeners import Hearing, Listener
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.mqtt_overhearing import STALE_MS, contents_of_signal, encoded_of
from peeklock.message import Message
from peeklock.types import NEVER, UnixMs
from tests.support.events import event

NOW = UnixMs(1_000_000)
EVENT = Message(bare_of(write_amqp_binary(event())))


def hearing(*identifiers: int) -> Hearing:
    one = Hearing(Listener(None))
    one.identifiers = identifiers
    return one


def is_same(one: tuple[object, object], two: tuple[object, object]) -> bool:
    """Compiled, the pair itself is none that is kept; what is in it is."""
    return one[0] is two[0] and one[1] is two[1]


def test_an_event_is_converted_once_for_all_subscribers_of_a_version() -> None:
    signal = NamedSignal("a", EVENT, NOW, NEVER)
    for is_v5 in (True, False):
        contents = contents_of_signal(signal, is_v5=is_v5)
        first = encoded_of(signal, hearing(1), NOW, is_v5=is_v5)
        second = encoded_of(signal, hearing(2), NOW, is_v5=is_v5)
        assert (first is second, contents[0] in first.tail) == (False, True)
        assert encoded_of(signal, hearing(1), NOW, is_v5=is_v5) is first
        assert is_same(contents_of_signal(signal, is_v5=is_v5), contents)


def test_what_is_left_of_its_time_is_told_anew() -> None:
    """And the event is not converted again for that."""
    signal = NamedSignal("a", EVENT, NOW, UnixMs(NOW + 60_000))
    first = encoded_of(signal, hearing(), NOW, is_v5=True)
    contents = contents_of_signal(signal, is_v5=True)
    later = UnixMs(NOW + STALE_MS)
    assert first.tail != encoded_of(signal, hearing(), later, is_v5=True).tail
    assert is_same(contents_of_signal(signal, is_v5=True), contents)
