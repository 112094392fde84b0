"""Who is let in by what, and what a refusal tells."""

import pytest

from peeklock.security.authenticators import (
    WRONG,
    Admission,
    Answer,
    AnyoneIn,
    Challenge,
    KnownUsers,
    Login,
    Rejection,
    User,
)
from peeklock.security.rights import ALL_RIGHTS, Right
from peeklock.security.scram import make_verifier
from peeklock.types import UnixMs
from tests.support.fake_ids import FakeIds
from tests.support.scram_client import ScramClient, fields

SCRAM = "SCRAM-SHA-256"
NOW = UnixMs(1_000)
DEVICE = User(
    "device", "", frozenset([Right.SEND]), make_verifier("pencil", b"0123456789abcdef", 4096)
)
OLD = User("old", "", ALL_RIGHTS)
USERS = KnownUsers([OLD, DEVICE], FakeIds(), b"key")


def challenged(client: ScramClient, users: KnownUsers = USERS) -> Challenge:
    answer = users.check_at_once(Login(SCRAM, client.first), NOW)
    assert isinstance(answer, Challenge)
    return answer


def answered(client: ScramClient, users: KnownUsers = USERS) -> Answer | None:
    asked = challenged(client, users)
    return users.check_at_once(Login(SCRAM, client.final(asked.data), "", asked.dialogue), NOW)


def test_the_right_password() -> None:
    client = ScramClient(b"device", b"pencil")
    answer = answered(client)
    assert isinstance(answer, Admission)
    assert (answer.principal.name, answer.principal.rights) == ("device", DEVICE.rights)
    client.check(answer.data)


@pytest.mark.parametrize("name", [b"device", b"old", b"nobody"])
def test_whatever_is_wrong_is_told_alike(name: bytes) -> None:
    client = ScramClient(name, b"pen")
    assert answered(client) == Rejection(WRONG)
    first, second = (fields(challenged(client).data) for _ in range(2))
    assert first[b"s"] == second[b"s"]
    assert first[b"i"] == second[b"i"] == b"4096"
    assert first[b"r"] != second[b"r"]


def test_a_salt_from_elsewhere_tells_nobody_from_nobody() -> None:
    """Verifiers may come from another server, whose salts are longer or shorter."""
    verifier = make_verifier("pencil", bytes(48), 5000)
    users = KnownUsers([User("device", "", ALL_RIGHTS, verifier)], FakeIds(), b"key")
    told = [fields(challenged(ScramClient(n, b"pen"), users).data) for n in (b"device", b"no")]
    assert len(told[0][b"s"]) == len(told[1][b"s"]) == 64
    assert told[0][b"i"] == told[1][b"i"] == b"5000"


def test_mistakes_of_the_dialogue_are_named() -> None:
    answer = USERS.check_at_once(Login(SCRAM, b"p=tls-unique,,n=device,r=a"), NOW)
    assert answer == Rejection("SCRAM-SHA-256: channel-binding-not-supported")


def test_it_is_offered_where_somebody_has_a_verifier() -> None:
    assert USERS.mechanisms("") == (SCRAM, "PLAIN")
    assert USERS.mechanisms("device") == ("EXTERNAL", SCRAM, "PLAIN")
    without = KnownUsers([OLD], FakeIds())
    assert without.mechanisms("") == ("PLAIN",)
    assert isinstance(without.check_at_once(Login(SCRAM, b"n,,n=old,r=a"), NOW), Rejection)
    assert isinstance(AnyoneIn().check_at_once(Login(SCRAM, b"n,,n=old,r=a"), NOW), Rejection)


def test_external_is_offered_to_who_has_a_certificate() -> None:
    """RFC 4422 appendix A: without one there is nothing external. It is taken all the same."""
    assert "EXTERNAL" not in AnyoneIn().mechanisms("")
    assert "EXTERNAL" in AnyoneIn().mechanisms("erp")
    assert isinstance(AnyoneIn().check_at_once(Login("EXTERNAL", b""), NOW), Admission)


def test_a_password_takes_its_time() -> None:
    assert USERS.check_at_once(Login("PLAIN", b"\0device\0pencil"), NOW) is None
    assert USERS.check(Login("PLAIN", b"\0device\0pencil"), NOW) == Rejection(WRONG)
