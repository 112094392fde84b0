"""LIKE: `%` is any text, `_` any one character; the rest stands for itself, in its case.

Matching takes time linear in the text, whatever the pattern: no regular expression, no going
back. A pattern is cut at its `%`; the first piece must be at the text's beginning, the last at
its end, and each piece between is taken at the first place where it fits, which leaves the
most for those after it.
"""

from typing import Final, final

ANY: Final = ""  # the place of a `_` in a piece; the others hold one character each


@final
class Piece:
    """A run of a pattern without `%`."""

    __slots__ = ("_characters", "_everywhere", "_masks", "length", "text")

    def __init__(self, characters: list[str]) -> None:
        self.length: Final = len(characters)
        self.text: Final = None if ANY in characters else "".join(characters)
        self._characters: Final = characters
        # Bit i of a mask: this character may stand at place i. `_` is in all of them.
        self._everywhere: int = 0
        self._masks: dict[str, int] | None = None  # until they are needed

    def _make_masks(self) -> dict[str, int]:
        for place, character in enumerate(self._characters):
            if character == ANY:
                self._everywhere |= 1 << place
        masks: dict[str, int] = {}
        for place, character in enumerate(self._characters):
            if character != ANY:
                masks[character] = masks.get(character, self._everywhere) | 1 << place
        self._masks = masks
        return masks

    def fits(self, value: str, at: int) -> bool:
        """Does the piece stand at `value[at:]`? There is room for it."""
        if self.text is not None:
            return value.startswith(self.text, at)
        for place, character in enumerate(self._characters):
            if character != ANY and value[at + place] != character:
                return False
        return True

    def end_of_first(self, value: str, start: int, end: int) -> int:
        """Where the first occurrence in `value[start:end]` ends, or -1."""
        if self.text is not None:
            found = value.find(self.text, start, end)
            return -1 if found < 0 else found + self.length
        # Shift-and: bit i of `open_runs` says that the piece's first i + 1 places fit the text
        # that ends here. One step a character, all places at once.
        masks = self._masks
        if masks is None:
            masks = self._make_masks()
        last = 1 << (self.length - 1)
        open_runs = 0
        for place in range(start, end):
            mask = masks.get(value[place], self._everywhere)
            open_runs = (open_runs << 1 | 1) & mask
            if open_runs & last:
                return place + 1
        return -1


@final
class LikePattern:
    """A pattern, ready to match."""

    __slots__ = ("_first", "_last", "_least", "_middle", "_whole")

    def __init__(self, pattern: str, escape: str = "") -> None:
        pieces = cut(pattern, escape)
        self._whole: Final = len(pieces) == 1  # no % in it
        self._first: Final = Piece(pieces[0])
        self._last: Final = Piece(pieces[-1])
        self._middle: Final = [Piece(piece) for piece in pieces[1:-1] if piece]
        self._least: Final = sum(len(piece) for piece in pieces)

    def matches(self, value: str) -> bool:
        size = len(value)
        if self._whole:
            return size == self._least and self._first.fits(value, 0)
        if size < self._least or not self._first.fits(value, 0):
            return False
        at = self._first.length
        end = size - self._last.length
        if not self._last.fits(value, end):
            return False
        for piece in self._middle:
            at = piece.end_of_first(value, at, end)
            if at < 0:
                return False
        return True


def cut(pattern: str, escape: str) -> list[list[str]]:
    """The pieces between the `%`, at least one; ANY for each `_`.

    `escape` before `%`, `_` or itself makes that character stand for itself; before anything
    else, and at the end, the escape character is one like any other.
    """
    pieces: list[list[str]] = [[]]
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if escape and character == escape:
            following = pattern[place : place + 1]
            if following and (following in "%_" or following == escape):
                character = following
                place += 1
            pieces[-1].append(character)
        elif character == "%":
            pieces.append([])
        else:
            pieces[-1].append(ANY if character == "_" else character)
    return pieces
