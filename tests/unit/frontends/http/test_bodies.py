"""How much of bodies is in memory."""

import pytest

from peeklock.errors import Busy
from peeklock.frontends.http.bodies import Bodies


def test_no_more_than_there_is_room_for() -> None:
    bodies = Bodies(100)
    bodies.take(60)
    with pytest.raises(Busy, match="bodies of 100 bytes"):
        bodies.take(41)
    bodies.take(40)
    bodies.give_back(60)
    bodies.take(60)
    assert bodies.used_bytes == 100
