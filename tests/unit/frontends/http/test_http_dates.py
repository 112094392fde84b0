"""Instants of headers."""

import pytest

from peeklock.frontends.http.http_dates import read_date, read_instant, write_date
from peeklock.limits import INSTANT_MAX


def test_there_and_back() -> None:
    assert write_date(784_111_777_999) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert read_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777_000
    assert write_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_beyond_the_calendar() -> None:
    assert write_date(INSTANT_MAX) == "Fri, 31 Dec 9999 23:59:59 GMT"
    assert read_instant("Fri, 31 Dec 9999 23:59:59 GMT") is not None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1994-11-06T08:49:37Z", 784_111_777_000),
        ("1994-11-06T09:49:37.5+01:00", 784_111_777_500),
        ("1994-11-06T08:49:37", 784_111_777_000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000),
        ("1969-12-31T23:59:59Z", None),
        ("Sun, 06 Nov 1994", None),
        ("soon", None),
        ("", None),
    ],
)
def test_instants(text: str, at: int | None) -> None:
    assert read_instant(text) == at
