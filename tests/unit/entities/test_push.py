"""Where a queue's messages are pushed to: what is a target, and what another one inherits."""

import json
from dataclasses import replace

import pytest

from peeklock.entities.push import Push, PushStatus, origin_of, renewed
from peeklock.entities.settings import QueueSettings
from peeklock.entities.settings_map import settings_as_map, with_changes
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    PUSH_HEADERS_CHARACTERS_MAX,
    PUSH_HEADERS_MAX,
    PUSH_URL_CHARACTERS_MAX,
)
from peeklock.types import UnixMs

HERE = Push(
    to="https://erp.example/a", authorization="Bearer t", granted=True, granted_per_minute=60
)


@pytest.mark.parametrize(
    "url",
    [
        "erp.example", "//erp.example/", "file:///etc/passwd", "gopher://erp.example/",
        "https://", "https:///a", "https://u@erp.example/", "https://erp.example/#f",
        "https://erp.example:0/", "https://erp.example:x/", "https://[::1/", "https://ü.example/",
        "https://erp.example/\r\nX: 1", "https://erp.example/" + "x" * PUSH_URL_CHARACTERS_MAX,
    ],
)  # fmt: skip
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(InvalidRequest, match="push_to"):
        Push(to=url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ERP.example", "https://erp.example:443"),
        ("https://erp.example:8443/a?b=c", "https://erp.example:8443"),
        ("http://[::1]/", "http://::1:80"),
    ],
)
def test_the_origin_of_one(url: str, origin: str) -> None:
    assert Push(to=url).to == url
    assert origin_of(url) == origin


def test_the_secret_is_one_line_and_is_not_shown() -> None:
    assert "Bearer" not in repr(HERE)
    for wrong in ("a\nb", " a", "ü", "x" * 5000):
        with pytest.raises(InvalidRequest, match="push_authorization"):
            Push(authorization=wrong)


@pytest.mark.parametrize(
    ("asked", "granted", "rate"),
    [(0, 0, 0), (60, 0, 60), (0, 30, 30), (60, 30, 30), (9, 30, 9)],
)
def test_the_rate_is_what_both_ends_say(asked: int, granted: int, rate: int) -> None:
    assert Push(per_minute=asked, granted_per_minute=granted).rate == rate


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ("X-Tenant: 7", "no JSON object"),
        ("[]", "is a JSON object"),
        (json.dumps({f"x-{n}": "" for n in range(PUSH_HEADERS_MAX + 1)}), "up to 16 names"),
        (json.dumps({"x": "y" * PUSH_HEADERS_CHARACTERS_MAX}), "allowed are 4096"),
        ('{"X Y": "1"}', "no header field's name"),
        ('{"": "1"}', "no header field's name"),
        ('{"x": 1}', "x is not a text"),
        ('{"x": ""}', "x is not a text"),
        ('{"x": "a\\r\\nb: c"}', "x is not a text"),
        ('{"Authorization": "a"}', "Authorization is a field that the broker writes"),
        ('{"CE-Id": "a"}', "CE-Id is a field that the broker writes"),
        ('{"Webhook-Request-Origin": "a"}', "a field that the broker writes"),
        ('{"Content-Length": "1"}', "a field that the broker writes"),
        ('{"x-a": "1", "X-A": "2"}', "a name twice"),
    ],
)
def test_headers_that_are_none(headers: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match="push_headers") as refused:
        Push(headers=headers)
    assert why in str(refused.value)


def test_what_it_says_who_asks_lapses() -> None:
    assert HERE.lapses_in(UnixMs(1)) is None
    lapsing = replace(HERE, authorized_until=1000)
    assert [lapsing.lapses_in(UnixMs(at)) for at in (1, 1000, 2000)] == [999, 0, 0]
    assert replace(lapsing, authorization="").lapses_in(UnixMs(2000)) is None


class TestAnotherTarget:
    def test_at_another_host_has_leave_and_secret_of_its_own(self) -> None:
        wanted = replace(HERE, to="https://other.example/a")
        found = renewed(HERE, wanted, {"push_to"})
        assert (found.granted, found.granted_per_minute, found.authorization) == (False, 0, "")

    def test_and_keeps_the_secret_that_comes_with_it(self) -> None:
        wanted = replace(HERE, to="https://other.example/a")
        found = renewed(HERE, wanted, {"push_to", "push_authorization"})
        assert found.authorization == "Bearer t"

    def test_of_the_same_host_keeps_the_secret(self) -> None:
        found = renewed(HERE, replace(HERE, to="https://erp.example/b"), {"push_to"})
        assert (found.granted, found.authorization) == (False, "Bearer t")

    def test_has_headers_and_an_end_of_its_own(self) -> None:
        before = replace(HERE, authorized_until=1000, headers='{"x": "1"}')
        wanted = replace(before, to="https://other.example/a")
        found = renewed(before, wanted, {"push_to"})
        assert (found.authorized_until, found.headers) == (0, "")
        found = renewed(before, wanted, {"push_to", "push_headers"})
        assert found.headers == before.headers
        another = renewed(before, before, {"push_authorization"})
        assert another.authorized_until == 0, "it lapsed with the one before"

    def test_plain_http_is_another_host(self) -> None:
        found = renewed(HERE, replace(HERE, to="http://erp.example/a"), {"push_to"})
        assert found.authorization == ""

    def test_none_takes_the_secret_along(self) -> None:
        assert renewed(HERE, replace(HERE, to=""), {"push_to"}).authorization == ""

    def test_is_not_gone(self) -> None:
        gone = replace(HERE, status=PushStatus.GONE)
        other = replace(gone, to="https://other.example/")
        assert renewed(gone, other, {"push_to"}).status is PushStatus.ACTIVE
        assert renewed(gone, gone, {"push_mode"}).status is PushStatus.GONE
        paused = replace(HERE, status=PushStatus.PAUSED)
        elsewhere = replace(paused, to="https://other.example/")
        assert renewed(paused, elsewhere, {"push_to"}).status is PushStatus.PAUSED


def test_another_rate_is_asked_for_anew() -> None:
    assert not renewed(HERE, replace(HERE, per_minute=5), {"push_per_minute"}).granted
    assert renewed(HERE, replace(HERE, concurrency=5), {"push_concurrency"}).granted


def test_it_is_flat_in_a_map() -> None:
    settings = QueueSettings(push=HERE)
    flat = settings_as_map(settings)
    assert flat["push_to"] == HERE.to
    assert flat["push_mode"] == "binary"
    assert with_changes(QueueSettings(), flat) == settings
    assert with_changes(settings, {"push_mode": "structured"}).push.mode == "structured"
    with pytest.raises(TypeError, match="push_concurrency is a whole number"):
        with_changes(settings, {"push_concurrency": "2"})


@pytest.mark.parametrize("other", [{"requires_session": True}, {"forward_to": "elsewhere"}])
def test_what_it_does_not_go_with(other: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="push_to goes neither"):
        QueueSettings(push=HERE, **other)  # type: ignore[arg-type]
