"""Durations as Service Bus writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import InvalidRequest
from peeklock.management.iso_durations import (
    read_duration,
    read_span,
    write_duration,
    write_span,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("PT30S", 30_000),
        ("PT0.5S", 500),
        ("PT1.0019S", 1001),
        ("PT1M", 60_000),
        ("PT2H48M5.4775807S", 10_085_477),
        ("P1D", 86_400_000),
        ("P1DT1S", 86_401_000),
        ("P2W", 14 * 86_400_000),
        ("P0D", 0),
        (" PT1S\n", 1000),
    ],
)
def test_read(text: str, milliseconds: int) -> None:
    assert read_duration(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "1M", "P1Y", "P1M", "-PT1S", "PT-1S", "PT1S1M", "PT1.S", "PT٣S"],
)
def test_no_duration(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no duration in days, hours"):
        read_duration(text)


def test_a_long_text_is_no_work() -> None:
    with pytest.raises(InvalidRequest):
        read_duration("P" + "9" * 100_000 + "D")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "PT0S"), (90_000, "PT1M30S"), (86_400_000, "P1D"), (86_400_500, "P1DT0.5S")],
)
def test_write(milliseconds: int, text: str) -> None:
    assert write_duration(milliseconds) == text


@given(st.integers(0, 10**15))
def test_what_is_written_is_read(milliseconds: int) -> None:
    assert read_duration(write_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT0.0000019S", timedelta(microseconds=1)),
        ("-PT1.5S", timedelta(seconds=-1.5)),
        ("-P1DT1H", timedelta(days=-1, hours=-1)),
    ],
)
def test_spans_are_finer_and_may_be_negative(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@given(st.timedeltas())
def test_spans_that_are_written_are_read(span: timedelta) -> None:
    assert read_span(write_span(span)) == span


@pytest.mark.parametrize("text", ["P9999999999W", "--PT1S", "P1Y"])
def test_no_span(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_span(text)
