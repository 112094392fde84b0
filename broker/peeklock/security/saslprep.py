"""SASLprep (RFC 4013): names and passwords that look alike are alike.

Text of printable ASCII is its own preparation, and so the tables are loaded when somebody
comes with more than that.
"""

import unicodedata

UNICODE_3_2 = unicodedata.ucd_3_2_0  # RFC 3454 knows no later one


def saslprep(text: str, *, is_stored: bool) -> str:
    """The prepared text; raises `ValueError`.

    `is_stored`: characters that Unicode 3.2 had not assigned are refused, since what they are
    normalized to could still change (RFC 3454 §7). In queries they may be.
    """
    if text.isascii() and text.isprintable():
        return text
    import stringprep

    kept = (
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = UNICODE_3_2.normalize("NFKC", "".join(kept))
    if any(is_prohibited(character) for character in prepared):
        raise ValueError("it has a character that SASLprep prohibits (RFC 4013)")
    if is_stored and any(stringprep.in_table_a1(character) for character in prepared):
        raise ValueError("it has a character that SASLprep does not know (RFC 4013)")
    check_direction(prepared)
    return prepared


def is_prohibited(character: str) -> bool:
    """RFC 4013 §2.3."""
    import stringprep

    return (
        stringprep.in_table_c12(character)
        or stringprep.in_table_c21_c22(character)
        or stringprep.in_table_c3(character)
        or stringprep.in_table_c4(character)
        or stringprep.in_table_c5(character)
        or stringprep.in_table_c6(character)
        or stringprep.in_table_c7(character)
        or stringprep.in_table_c8(character)
        or stringprep.in_table_c9(character)
    )


def check_direction(text: str) -> None:
    """RFC 3454 §6: what is written from the right is so from end to end."""
    import stringprep

    from_the_right = [stringprep.in_table_d1(character) for character in text]
    if not any(from_the_right):
        return
    if any(stringprep.in_table_d2(character) for character in text):
        raise ValueError("it is written from the left and from the right (RFC 3454 §6)")
    if not (from_the_right[0] and from_the_right[-1]):
        raise ValueError("it is not written from the right from end to end (RFC 3454 §6)")
