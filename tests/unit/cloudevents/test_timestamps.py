"""Timestamps: which texts are some, and which numbers say as much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.timestamps import (
    SECONDS_MAX,
    SECONDS_MIN,
    from_milliseconds,
    from_seconds,
    instant,
    is_timestamp,
    milliseconds,
)


@pytest.mark.parametrize(
    "text",
    [
        *("2018-04-05T17:31:00Z", "2018-04-05t17:31:00z", "2018-04-05T17:31:00.1234567890Z"),
        *("2020-02-29T00:00:00Z", "2000-02-29T23:59:59-23:59", "0000-02-29T00:00:00+00:00"),
        *("1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00", "1991-01-01T05:29:60.5+05:30"),
    ],
)
def test_rfc_3339(text: str) -> None:
    assert is_timestamp(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2018-04-05", "2018-04-05T17:31Z", "2018-04-05 17:31:00Z", "2018-04-05T17:31:00"),
        *("2018-13-05T17:31:00Z", "2018-00-05T17:31:00Z", "2018-04-31T17:31:00Z"),
        *("1900-02-29T00:00:00Z", "2019-02-29T00:00:00Z", "2018-04-00T00:00:00Z"),
        *("2018-04-05T24:00:00Z", "2018-04-05T17:60:00Z", "2018-04-05T17:31:61Z"),
        *("2018-04-05T17:31:60Z", "2018-04-05T17:31:00.Z", "2018-04-05T17:31:00+24:00"),
        *("2018-04-05T17:31:00+02:60", "2018-04-05T17:31:00+0200", "2018-04-05T17:31:00Z\n"),
        "\uff12018-04-05T17:31:00Z",
    ],
)
def test_what_is_none(text: str) -> None:
    assert not is_timestamp(text)


def test_an_instant_to_the_nanosecond() -> None:
    assert instant("1970-01-01T02:00:01.1234567899+02:00") == (1, 123_456_789)
    assert instant("1969-12-31T23:59:59.5Z") == (-1, 500_000_000)
    assert instant("1990-12-31T23:59:60Z") == instant("1991-01-01T00:00:00Z")
    assert instant("0000-12-31T23:59:59Z") is None
    assert instant("0001-01-01T00:00:00+00:01") is None
    assert instant("9999-12-31T23:59:59-00:01") is None


@given(st.integers(SECONDS_MIN * 1000, SECONDS_MAX * 1000 + 999))
def test_milliseconds_come_back(ms: int) -> None:
    text = from_milliseconds(ms)
    assert text is not None
    assert is_timestamp(text)
    assert milliseconds(text) == ms


@given(st.integers(SECONDS_MIN, SECONDS_MAX), st.integers(0, 999_999_999))
def test_nanoseconds_come_back(seconds: int, nanos: int) -> None:
    text = from_seconds(seconds, nanos)
    assert text is not None
    assert instant(text) == (seconds, nanos)


def test_numbers_beyond_the_years_that_texts_have() -> None:
    assert from_milliseconds(SECONDS_MIN * 1000 - 1) is None
    assert from_milliseconds(SECONDS_MAX * 1000 + 1000) is None
    assert from_seconds(SECONDS_MAX + 1, 0) is None
    assert from_seconds(0, -1) is None
    assert from_seconds(0, 1_000_000_000) is None
