"""What all generated pages are written with."""

from typing import Final

MADE: Final = "<!-- Made by docs/reference/generate.py; `make docs` makes it again. -->\n"


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)
