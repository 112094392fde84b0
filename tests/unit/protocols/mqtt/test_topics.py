"""Topic names and filters (§4.7), and shared ones (§4.8)."""

import pytest

from peeklock.protocols.mqtt.reason_codes import MqttViolation
from peeklock.protocols.mqtt.topics import (
    check_shared,
    check_topic_filter,
    check_topic_name,
    has_wildcard,
    shared_filter,
)


@pytest.mark.parametrize("name", ["a", "/", "a//b", " ", "$SYS/x", "é/😀", "a" * 65_535])
def test_names_one_may_publish_to(name: str) -> None:
    check_topic_name(name)


@pytest.mark.parametrize("name", ["", "+", "a/#", "a+b"])
def test_names_one_may_not(name: str) -> None:
    with pytest.raises(MqttViolation):
        check_topic_name(name)


@pytest.mark.parametrize(
    "one", ["#", "+", "/+", "+/+", "a/#", "a/+/b", "/", "//#", "$share", "é"]
)
def test_filters(one: str) -> None:
    check_topic_filter(one)
    check_shared(one)


@pytest.mark.parametrize(
    "one", ["", "a#", "#/", "#/a", "a/#/b", "++", "a+", "+a/b", "##", "a/b#"]
)
def test_no_filters(one: str) -> None:
    with pytest.raises(MqttViolation):
        check_topic_filter(one)


def test_a_shared_filter_has_two_parts() -> None:
    parts = shared_filter("$share/workers/a/+/#")
    assert parts is not None
    assert (parts.share_name, parts.topic_filter) == ("workers", "a/+/#")
    check_shared("$share/workers/a/+/#")
    absolute = shared_filter("$share/g//a")
    assert absolute is not None
    assert absolute.topic_filter == "/a"


@pytest.mark.parametrize("one", ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a"])
def test_what_only_looks_shared(one: str) -> None:
    """5.0 refuses it; in 3.1.1 it is a filter like any."""
    assert shared_filter(one) is None
    with pytest.raises(MqttViolation, match=r"\[MQTT-4\.8\.2-"):
        check_shared(one)


def test_what_does_not_even_look_shared() -> None:
    for one in ("$sharex/g/a", "share/g/a", "/$share/g/a"):
        assert shared_filter(one) is None
        check_shared(one)


def test_wildcards() -> None:
    assert has_wildcard("a/+")
    assert has_wildcard("#")
    assert not has_wildcard("a/b")
