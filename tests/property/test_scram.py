"""SCRAM's messages: any name and password come through, and nonsense is refused."""

import unicodedata

from hypothesis import assume, example, given
from hypothesis import strategies as st

from peeklock.security.saslprep import saslprep
from peeklock.security.scram import (
    Proved,
    ScramRefused,
    Verifier,
    dialogue,
    make_verifier,
    parse_verifier,
)
from tests.support.scram_client import ScramClient

# Letters from the left, with and without accents, that most have a preparation.
LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=("Cc",))
TEXTS = st.text(LETTERS, min_size=1, max_size=12)
CLOSE = st.lists(
    st.sampled_from(
        [b"n", b"y", b"p=x", b",", b"n=", b"r=", b"c=", b"biws", b"p=", b"=2C", b"m="]
    )
    | st.binary(max_size=4),
    max_size=12,
).map(b"".join)


def prepared(text: str) -> str:
    try:
        return saslprep(text, is_stored=True)
    except ValueError:
        return ""


def run(first: bytes, final: bytes | ScramClient, verifier: Verifier) -> Proved | None:
    one = dialogue(first, "servernonceservernonce", lambda _name: verifier)
    try:
        challenge = next(one)
        one.send(final.final(challenge) if isinstance(final, ScramClient) else final)
    except StopIteration as end:
        proved: Proved = end.value
        return proved
    except ScramRefused:
        return None
    raise AssertionError("a second challenge")


@given(name=TEXTS, password=TEXTS, salt=st.binary(min_size=8, max_size=20))
@example(name="a,=2C", password="=,p=", salt=b"saltsalt")
def test_whatever_can_be_prepared_comes_through(name: str, password: str, salt: bytes) -> None:
    assume(prepared(name) and prepared(password))
    verifier = make_verifier(password, salt, 4096)
    assert parse_verifier(str(verifier)) == verifier
    written = name.replace("=", "=3D").replace(",", "=2C").encode()
    client = ScramClient(written, prepared(password).encode())
    proved = run(client.first, client, verifier)
    assert proved is not None
    assert proved.name == prepared(name)
    client.check(proved.signature)
    wrong = ScramClient(written, prepared(password).encode() + b"x")
    assert run(wrong.first, wrong, verifier) is None


@given(first=CLOSE, final=CLOSE)
@example(first=b"n,,n=user,r=a", final=b"c=biws,r=a,p=")
def test_nonsense_is_refused(first: bytes, final: bytes) -> None:
    verifier = Verifier(b"saltsalt", 4096, bytes(32), bytes(32))
    assert run(first, final, verifier) is None
    assert run(b"n,,n=user,r=a", final, verifier) is None


@given(text=st.text(max_size=12))
def test_what_is_prepared_stays_so(text: str) -> None:
    found = prepared(text)
    assert prepared(found) == found
    assert unicodedata.is_normalized("NFKC", found) or not found.isascii()
