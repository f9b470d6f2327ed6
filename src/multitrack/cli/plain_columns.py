"""Columns of texts without styles, drawn a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

#: Between columns.
GAP: Final = "  "


class PlainColumn(NamedTuple):
    """The cells of a column, all of one line and without styles."""

    cells: list[str]
    width: int
    is_ascii: bool
    right: bool

    def drawn(self, start: int, end: int) -> list[str]:
        """Some of them, each as wide as the column."""
        width, cells = self.width, self.cells[start:end]
        if self.is_ascii:
            return [cell.rjust(width) for cell in cells] if self.right else [cell.ljust(width) for cell in cells]
        blanks = [" " * (width - width_of(cell)) for cell in cells]
        pairs = zip(blanks, cells, strict=True) if self.right else zip(cells, blanks, strict=True)
        return [f"{one}{other}" for one, other in pairs]


def width_of(text: str) -> int:
    """The cells that a text takes on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def widest(texts: Sequence[str]) -> int:
    """The cells that the widest of some texts takes."""
    return max(map(len if "".join(texts).isascii() else width_of, texts))
