"""What is a duplicate, and for how long."""

from peeklock.entities.deduplication import Deduplication
from peeklock.types import Millis, UnixMs

WINDOW = Millis(20_000)


def test_an_id_is_remembered_for_the_window_and_no_longer() -> None:
    seen = Deduplication()
    seen.add(b"a", UnixMs(1_000), WINDOW)
    assert seen.is_duplicate(b"a", WINDOW, UnixMs(20_999))
    assert not seen.is_duplicate(b"a", WINDOW, UnixMs(21_000))
    assert not seen.is_duplicate(b"b", WINDOW, UnixMs(1_000))


def test_what_is_too_old_takes_no_memory() -> None:
    seen = Deduplication()
    for second in range(100):
        seen.add(b"%d" % second, UnixMs(second * 1_000), WINDOW)
    assert len(seen) == 20
    assert [at for _key, at in seen.items()] == [s * 1_000 for s in range(80, 100)]


def test_an_id_taken_again_counts_from_then() -> None:
    seen = Deduplication()
    seen.add(b"a", UnixMs(0), WINDOW)
    seen.add(b"b", UnixMs(5_000), WINDOW)
    seen.add(b"a", UnixMs(21_000), WINDOW)
    assert seen.is_duplicate(b"a", WINDOW, UnixMs(40_000))
    assert [key for key, _at in seen.items()] == [b"b", b"a"]


def test_only_so_many_are_remembered_the_newest() -> None:
    seen = Deduplication()
    for at, key in enumerate((b"a", b"b", b"a", b"c"), 1):
        seen.add(key, UnixMs(at), Millis(1000), 2)
    assert [key for key, _at in seen.items()] == [b"a", b"c"]
