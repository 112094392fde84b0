"""Wills as the journal has them."""

import pytest

from peeklock.engine.signal_desk import SignalDesk
from peeklock.frontends.mqtt_topics import Finder
from peeklock.frontends.mqtt_wills import (
    delay_of,
    last_will_in,
    last_will_of,
    resume_wills,
)
from peeklock.limits import MQTT_WILL_GRACE
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connect, Will
from peeklock.protocols.mqtt.properties import CONTENT_TYPE, WILL_DELAY_INTERVAL, Properties
from peeklock.security.principal import ANONYMOUS
from peeklock.types import Millis
from tests.support.house import House

FOUND = Properties({CONTENT_TYPE: "a/b", WILL_DELAY_INTERVAL: 7}, (("n", "1"), ("n", "2")))


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5_0])
def test_what_is_kept_is_the_same_again(version: int, qos: int) -> None:
    house = House()
    finder = Finder(house.engine, ANONYMOUS, creates=False)
    will = Will("a/b", bytes(300), qos, True, FOUND if version == MQTT_5_0 else Properties())
    left = last_will_of(Connect("c", version, will=will), house.engine, finder)
    assert left is not None
    kept = left.kept()
    assert kept[0] == version
    assert last_will_in(kept, house.engine, finder).kept() == kept
    assert b"n\0\x012" in kept or version == MQTT_3_1_1
    assert delay_of(will) == (7000 if version == MQTT_5_0 else 0)


def test_there_need_not_be_one() -> None:
    house = House()
    finder = Finder(house.engine, ANONYMOUS, creates=False)
    assert last_will_of(Connect("c"), house.engine, finder) is None
    assert delay_of(None) == 0


def test_one_that_cannot_be_read_is_let_go() -> None:
    """A QoS of 3, say. The broker starts all the same."""
    house = House()
    desk = SignalDesk(house.engine)
    hour = Millis(3_600_000)
    desk.enter(
        house.peer, "u", "c", hour, house.now, is_clean=False, will=b"\x05\x36\x03\0\x01a"
    )
    house.engine.start(house.now)
    resume_wills(house.engine, SignalDesk(house.engine), house.now, creates_queues=False)
    assert house.namespace.links.sessions["c"].will
    house.advance(MQTT_WILL_GRACE)
    assert house.namespace.links.sessions["c"].will == b""
