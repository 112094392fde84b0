"""SASLprep (RFC 4013)."""

import pytest

from peeklock.security.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("e\u0301", "\u00e9"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("", ""),
        ("\u00ad", ""),
    ],
)
@pytest.mark.parametrize("is_stored", [True, False])
def test_the_examples_of_the_rfc_and_more(text: str, prepared: str, is_stored: bool) -> None:
    """§3, §2.1, §2.2"""
    assert saslprep(text, is_stored=is_stored) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "\u0007",
        "\u0627\u0031",
        "a\x7f",
        "\u0627a\u0628",
        "a\ufffd",
        "\ue000",
        "\ud800",
        "\u2ff0",
        "\u200e",
        "\U000e0001",
        "\ufdd0",
        "a\u06dd",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("is_stored", [True, False])
def test_what_is_prohibited(text: str, is_stored: bool) -> None:
    """§2.3, §2.4, §3"""
    with pytest.raises(ValueError, match="RFC"):
        saslprep(text, is_stored=is_stored)


def test_what_was_not_assigned_is_for_queries() -> None:
    """§2.5"""
    assert saslprep("\u0221", is_stored=False) == "\u0221"
    with pytest.raises(ValueError, match="does not know"):
        saslprep("\u0221", is_stored=True)
