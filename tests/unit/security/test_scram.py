"""SCRAM-SHA-256 (RFC 5802, RFC 7677): the test vector, the messages, and what tells nothing."""

import base64

import pytest

from peeklock.security.scram import (
    Proved,
    ScramRefused,
    Verifier,
    dialogue,
    made_up_verifier,
    make_verifier,
    parse_verifier,
    read_client_final,
    read_client_first,
)
from tests.support.scram_client import ScramClient

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = make_verifier("pencil", SALT, 4096)
PROOF = "p=" + base64.b64encode(bytes(32)).decode()
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def found(_name: str) -> Verifier:
    return PENCIL


def proved_by(client: ScramClient, nonce: str = NONCE) -> Proved:
    one = dialogue(client.first, nonce, found)
    with pytest.raises(StopIteration) as end:
        one.send(client.final(next(one)))
    proved = end.value.value
    assert isinstance(proved, Proved)
    return proved


def test_the_vector_of_rfc_7677() -> None:
    """§3"""
    one = dialogue(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", NONCE, found)
    both = b"r=rOprNGfwEbeRWgbNEkqO" + NONCE.encode()
    assert next(one) == both + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    with pytest.raises(StopIteration) as end:
        one.send(b"c=biws," + both + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert end.value.value == Proved("user", signature)


@pytest.mark.parametrize("header", [b"n,,", b"y,,", b"n,a=user,"])
def test_a_client_without_channel_binding(header: bytes) -> None:
    """RFC 5802 §6: we offer none, so `y` is true."""
    client = ScramClient(b"user", b"pencil", header=header)
    client.check(proved_by(client).signature)


def test_a_name_with_commas_and_equals_signs() -> None:
    """RFC 5802 §5.1 `n`"""
    client = ScramClient(b"a=2Cb=3Dc", b"pencil")
    assert proved_by(client).name == "a,b=c"


@pytest.mark.parametrize("name", ["I\u00adX", "\u2168"])
def test_a_name_is_prepared(name: str) -> None:
    """RFC 5802 §5.1"""
    assert proved_by(ScramClient(name.encode(), b"pencil")).name == "IX"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ((b"p=d", b"p=A"), "invalid-proof"),
        ((b"r=rO", b"r=rP"), "invalid-proof"),
        ((b"k0,p", b"k1,p"), "invalid-proof"),
        ((b"k0,p", b"k0,x=1,p"), "invalid-proof"),
        ((b"c=biws", b"c=eSws"), "channel-bindings-dont-match"),
        ((b"c=biws", b"c=biws="), "invalid-encoding"),
        ((b"c=biws", b"c="), "channel-bindings-dont-match"),
    ],
    ids=str,
)
def test_a_last_message_that_was_changed(change: tuple[bytes, bytes], error: str) -> None:
    one = dialogue(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", NONCE, found)
    both = b"r=rOprNGfwEbeRWgbNEkqO" + NONCE.encode()
    next(one)
    right = b"c=biws," + both + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert change[0] in right
    with pytest.raises(ScramRefused) as refused:
        one.send(right.replace(*change))
    assert refused.value.error == error


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", "other-error"),
        (b"n,,n=user", "other-error"),
        (b"x,,n=user,r=a", "other-error"),
        (b"N,,n=user,r=a", "other-error"),
        (b"p,,n=user,r=a", "other-error"),
        (b"p=tls-unique,,n=user,r=a", "channel-binding-not-supported"),
        (b"n,,m=x,n=user,r=a", "extensions-not-supported"),
        (b"n,,n=user,r=a,m=x", "extensions-not-supported"),
        (b"n,,n=user,r=a,x", "other-error"),
        (b"n,,r=a,n=user", "other-error"),
        (b"n,,n=user,r=", "other-error"),
        (b"n,,n=user,r=a b", "other-error"),
        (b"n,,n=user,r=\xc3\xa9", "other-error"),
        (b"n,,n=,r=a", "invalid-username-encoding"),
        (b"n,,n=a=b,r=a", "invalid-username-encoding"),
        (b"n,,n=a=2c,r=a", "invalid-username-encoding"),
        (b"n,,n=a\x07,r=a", "invalid-username-encoding"),
        (b"n,,n=\xc2\xad,r=a", "invalid-username-encoding"),
        (b"n,,n=\xff,r=a", "invalid-encoding"),
        (b"n,a=other,n=user,r=a", "other-error"),
        (b"n,user,n=user,r=a", "other-error"),
        (b"n,,n=user,r=" + b"a" * 5000, "other-error"),
    ],
    ids=repr,
)
def test_a_first_message_that_is_refused(message: bytes, error: str) -> None:
    """RFC 5802 §7"""
    with pytest.raises(ScramRefused) as refused:
        read_client_first(message)
    assert refused.value.error == error


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("", "other-error"),
        (f"c=biws,{PROOF}", "other-error"),
        (f"r=a,c=biws,{PROOF}", "other-error"),
        ("c=biws,r=a", "other-error"),
        (f"c=biws,r=a,{PROOF},x=1", "other-error"),
        (f"c=biws,r=a,m=1,{PROOF}", "extensions-not-supported"),
        (f"c=biws,r=a,x,{PROOF}", "other-error"),
        (f"c=b,r=a,{PROOF}", "invalid-encoding"),
        ("c=biws,r=a,p=A", "invalid-encoding"),
        ("c=biws,r=a,p=\u00e9", "invalid-encoding"),
        ("c=biws,r=a,p=", "invalid-proof"),
        ("c=biws,r=a,p=AAAA", "invalid-proof"),
    ],
)
def test_a_last_message_that_is_refused(message: str, error: str) -> None:
    """RFC 5802 §7"""
    with pytest.raises(ScramRefused) as refused:
        read_client_final(message.encode())
    assert refused.value.error == error


def test_optional_extensions_are_passed_over() -> None:
    """RFC 5802 §5.1: those but `m`."""
    assert read_client_first(b"n,,n=user,r=a,x=1").bare == "n=user,r=a,x=1"
    assert read_client_final(f"c=biws,r=a,x=1,{PROOF}".encode()).without_proof.endswith("x=1")


class TestVerifiers:
    def test_there_and_back(self) -> None:
        """RFC 5803 §2"""
        assert str(PENCIL).startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
        assert parse_verifier(str(PENCIL)) == PENCIL

    def test_passwords_that_look_alike_are_alike(self) -> None:
        """RFC 5802 §2.2 Normalize"""
        assert make_verifier("I\u00adX", SALT, 4096) == make_verifier("\u2168", SALT, 4096)

    @pytest.mark.parametrize("password", ["", "\u00ad", "a\x07", "\U0001f511"], ids=ascii)
    def test_passwords_that_cannot_be(self, password: str) -> None:
        with pytest.raises(ValueError, match="it"):
            make_verifier(password, SALT, 4096)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "pencil",
            str(PENCIL).replace("256", "1"),
            str(PENCIL).replace("4096", "4095"),
            str(PENCIL).replace("4096", "99999999"),
            str(PENCIL).replace("4096", "-1"),
            str(PENCIL).replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22Z"),
            str(PENCIL)[:-4],
            str(PENCIL)[:-1] + "!",
            str(PENCIL) + ":x",
        ],
        ids=repr,
    )
    def test_texts_that_are_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"it is|iterations|salt"):
            parse_verifier(text)

    def test_one_that_is_made_up_stays_the_same(self) -> None:
        like = make_verifier("pencil", b"0123456789abcdef", 4096)
        one = made_up_verifier(b"key", "nobody", like)
        assert one == made_up_verifier(b"key", "nobody", like)
        assert len(one.salt) == 16
        others = [
            made_up_verifier(b"key", "no one", like),
            made_up_verifier(b"k", "nobody", like),
        ]
        assert len({one.salt, *(other.salt for other in others)}) == 3
        assert parse_verifier(str(one)) == one
