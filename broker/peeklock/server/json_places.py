"""Where in a JSON text a value is: its line, for an error that helps. And its comments."""

import json
import re
from typing import Final

# A string is matched to be passed by: what looks like a comment in it is none.
STRING_OR_COMMENT: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"?|//[^\r\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL
)
DECODER: Final = json.JSONDecoder()
BLANK: Final = " \t\r\n"


def without_comments(text: str) -> str:
    """Blanks in the place of `// …` and `/* … */`: all else stays where it is.

    A comment that does not end is left, for whoever reads the text to complain of.
    """

    def blanked(found: re.Match[str]) -> str:
        whole = found[0]
        if whole.startswith('"') or (whole.startswith("/*") and not whole.endswith("*/")):
            return whole
        return re.sub(r"[^\r\n]", " ", whole)

    return STRING_OR_COMMENT.sub(blanked, text)


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line, from 1, of the value at `path` in a valid text; the nearest one above it
    when there is no such value."""
    at = skip(text, 0)
    for step in path:
        found = below(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def below(text: str, at: int, step: str | int) -> int | None:
    """Where the member or element is, of the object or array at `at`."""
    if text[at] not in "{[":
        return None
    is_object = text[at] == "{"
    place = 0
    at = skip(text, at + 1)
    while text[at] not in "}]":
        key: str | int = place
        if is_object:
            key, at = DECODER.raw_decode(text, at)
            at = skip(text, skip(text, at) + 1)  # past the colon
        if key == step:
            return at
        _value, at = DECODER.raw_decode(text, at)
        at = skip(text, at)
        if text[at] == ",":
            at = skip(text, at + 1)
        place += 1
    return None


def skip(text: str, at: int) -> int:
    """Past white space."""
    while at < len(text) and text[at] in BLANK:
        at += 1
    return at


def shown_path(path: tuple[str | int, ...]) -> str:
    """`UserConfig.Namespaces[0].Queues[2]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
