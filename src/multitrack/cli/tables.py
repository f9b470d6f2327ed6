"""Tables on a terminal or in a pipe, drawn here: rich takes half a millisecond a row, and there are thousands.

What a terminal can show, how wide it is and which characters are wide there is rich's to say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from multitrack.cli.plain_columns import GAP, PlainColumn, widest, width_of
from multitrack.security.terminal import safe

#: A text and the style that it is shown in.
Piece = tuple[str, str]
#: A text; or parts of one, each in a style of its own.
Cell = str | Sequence[Piece]

#: Characters that a column which folds has at least: others are left out for it, and without room the table has none.
_FOLDED: Final = 14
#: Rows that are drawn at once where nothing has a style.
_AT_ONCE: Final = 4096
#: What stands before the cells of a row that are below each other.
_INDENT: Final = "  "
#: Ends of lines; words with the spaces after them.
_WORDS: Final = re.compile(r"\n|[^ \n]+ *| +")


class Heading(NamedTuple):
    """Title and layout of a column.

    Attributes:
        title: What stands above them.
        right: Whether they are flush right.
        fold: Whether one that is too wide goes on below; else it is cut, and ends with ``…``.
        style: What all are shown in.
        widest: The most that it takes of a line.
        spare: Above 0: it is left out of a terminal that is too narrow, the highest first.
    """

    title: str
    right: bool = False
    fold: bool = False
    style: str = ""
    widest: int = sys.maxsize
    spare: int = 0


class Screen:
    """Standard output.

    Attributes:
        width: A terminal's; ``None``: no terminal, which takes lines of any length.
        is_plain: Whether it is no terminal and has no styles.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self.width = self._console.width if self._console.is_terminal else None
        self._codes: dict[str, tuple[str, str]] = {"": ("", "")}
        self._encoding = self._console.encoding
        self.is_plain = self.width is None and self.styled("x", "bold") == "x"

    def shown(self, text: str) -> str:
        """A text with an escape for each character that the encoding here lacks, as it will be written."""
        if text.isascii() or self._encoding.startswith("utf"):
            return text
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def all_shown(self, texts: list[str]) -> list[str]:
        """Texts as :meth:`shown`."""
        return texts if self._encoding.startswith("utf") else [self.shown(text) for text in texts]

    def line(self, text: str = "", style: str = "") -> None:
        """Print a line, as long as it is."""
        sys.stdout.write(f"{self.styled(text, style)}\n")

    def note(self, text: str, style: str = "") -> None:
        """Print a sentence, on as many lines as a terminal needs for it."""
        for pieces in [[(text, "")]] if self.width is None else _folded([(text, "")], self.width):
            self.line("".join(piece for piece, _ in pieces).rstrip(), style)

    def styled(self, text: str, style: str) -> str:
        """A text, between what turns a style on and off here, where anything does."""
        if style not in self._codes:
            with self._console.capture() as shown:
                self._console.print(Text("x", style=style), end="")
            before, _, after = shown.get().partition("x")
            self._codes[style] = before, after
        before, after = self._codes[style]
        return f"{before}{text}{after}" if before and text else text


class Table:
    """Rows of texts in which nothing is active any more: :func:`~multitrack.security.terminal.safe`.

    Args:
        columns: What they stand in.
        header: Whether titles stand above.
    """

    def __init__(self, columns: Sequence[Heading], *, header: bool = True) -> None:
        self._columns = columns
        self._rows: list[tuple[Sequence[Cell], str]] = []
        self._header = int(header)
        if header:
            self.add([column.title for column in columns], "bold")

    def add(self, cells: Sequence[Cell], style: str = "") -> None:
        """A row; with a style beside those of its columns and parts."""
        self._rows.append((cells, style))

    def print(self, screen: Screen) -> list[str]:
        """Draw it, as wide as it takes; on a terminal at most as wide as that, without the columns that are empty.

        A terminal that is very narrow has the cells of a row below each other.

        Returns:
            The titles of the columns that were left out.
        """
        if screen.is_plain and self._print_plain(screen):
            return []
        rows = [([_shown(screen, cell) for cell in cells], style) for cells, style in self._rows]
        columns = list(zip(*(cells for cells, _ in rows), strict=True))
        widths = [min(max(map(_width, cells)), each.widest) for each, cells in zip(self._columns, columns, strict=True)]
        shown, left_out = list(range(len(widths))), []
        if screen.width is not None:
            told = [i for i, cells in enumerate(columns) if any(map(_width, cells[self._header :]))] or shown
            shown = _fitting(widths, self._columns, told, screen.width)
            left_out = [self._columns[i].title for i in told if i not in shown]
            widths = [widths[i] for i in shown]
            fold = [self._columns[i].fold for i in shown]
            if any(fold) and len(shown) > 1 and _least(widths, fold) > screen.width:
                self._print_below(screen, rows)
                return []
            _narrow(widths, fold, screen.width)
        blank = [" " * width for width in widths]
        for cells, style in rows:
            drawn = [
                _drawn(screen, cells[i], self._columns[i], width, f"{self._columns[i].style} {style}".strip())
                for i, width in zip(shown, widths, strict=True)
            ]
            for i in range(max(map(len, drawn))):
                screen.line(GAP.join([lines[i] if i < len(lines) else blank[at] for at, lines in enumerate(drawn)]))
        return left_out

    def _print_plain(self, screen: Screen) -> bool:
        """Draw it a column at a time where nothing has a style, and return True, unless a cell has several lines.

        There may be a hundred thousand rows, and a call for each cell takes longer than all else.
        """
        texts = [
            [cell if isinstance(cell, str) else "".join([text for text, _ in cell]) for cell in cells]
            for cells in zip(*(cells for cells, _ in self._rows), strict=True)
        ]
        columns: list[PlainColumn] = []
        for heading, cells in zip(self._columns, texts, strict=True):
            shown = screen.all_shown(cells)
            joined = "".join(shown)
            width = widest(shown)
            if "\n" in joined or width > heading.widest:
                return False
            columns.append(PlainColumn(shown, width, joined.isascii(), heading.right))
        for start in range(0, len(self._rows), _AT_ONCE):
            drawn = [column.drawn(start, start + _AT_ONCE) for column in columns]
            sys.stdout.write("".join([f"{GAP.join(cells)}\n" for cells in zip(*drawn, strict=True)]))
        return True

    def _print_below(self, screen: Screen, rows: Sequence[tuple[Sequence[Cell], str]]) -> None:
        """The cells of each row below each other, where there is no room for them beside each other."""
        width = max(2, (screen.width or 0) - len(_INDENT))
        for cells, style in rows[self._header :]:
            for i, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
                pieces = [(cell, "")] if isinstance(cell, str) else [*cell]
                if not any(text for text, _ in pieces):
                    continue
                title = [(f"{column.title} ", "dim")] if i and column.title else []
                for at, line in enumerate(_folded([*title, *pieces], width)):
                    shown = "".join(screen.styled(text, f"{own} {style}".strip()) for text, own in line)
                    screen.line(f"{_INDENT if i or at else ''}{shown}".rstrip())


def _shown(screen: Screen, cell: Cell) -> Cell:
    return screen.shown(cell) if isinstance(cell, str) else [(screen.shown(text), style) for text, style in cell]


def _drawn(screen: Screen, cell: Cell, column: Heading, width: int, style: str) -> list[str]:
    """A cell's lines, each as wide as the column."""
    if isinstance(cell, str):
        room = width - width_of(cell)
        if room >= 0:  # as nearly all are
            shown = screen.styled(cell, style)
            return [" " * room + shown if column.right else shown + " " * room]
        cell = [(cell, "")]
    lines = [cell]
    if _width(cell) > width or any("\n" in text for text, _ in cell):
        lines = [*_folded(cell, width)] if column.fold else [_cut(cell, width)]
    drawn = []
    for line in lines:
        blank = " " * (width - sum([width_of(text) for text, _ in line]))
        shown = "".join([screen.styled(text, f"{own} {style}".strip()) for text, own in line])
        drawn.append(blank + shown if column.right else shown + blank)
    return drawn


def _width(cell: Cell) -> int:
    if isinstance(cell, str):
        return width_of(cell)
    return max(map(width_of, "".join([text for text, _ in cell]).split("\n")))


def _fitting(widths: Sequence[int], columns: Sequence[Heading], told: Sequence[int], room: int) -> list[int]:
    """The places of the columns that are shown: of those that tell anything, all but the spare there is no room for."""
    shown = [*told]
    for i in sorted(told, key=lambda i: columns[i].spare, reverse=True):
        if columns[i].spare and _least([widths[j] for j in shown], [columns[j].fold for j in shown]) > room:
            shown.remove(i)
    return shown


def _least(widths: Sequence[int], fold: Sequence[bool]) -> int:
    """The room that columns need at least."""
    least = [min(width, _FOLDED) if folds else width for width, folds in zip(widths, fold, strict=True)]
    return sum(least) + len(GAP) * (len(least) - 1)


def _narrow(widths: list[int], fold: Sequence[bool], room: int) -> None:
    """Make columns narrower until they fit, each time the widest: of those that fold, and then of all."""
    room -= len(GAP) * (len(widths) - 1)
    for among in ([i for i, folds in enumerate(fold) if folds], range(len(widths))):
        while among and sum(widths) > room:
            widest = max(among, key=widths.__getitem__)
            if widths[widest] == 1:
                break
            widths[widest] = max(1, min(widths[widest] - 1, room))


def _cut(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """The beginning, which ends with ``…``, in the style of its first part."""
    return [(f"{set_cell_size(''.join([text for text, _ in pieces]), width - 1)}…", pieces[0][1])]


def _folded(pieces: Sequence[Piece], width: int) -> list[list[Piece]]:
    """Lines of a width, which end between words where they can."""
    lines: list[list[Piece]] = [[]]
    room = width
    for text, style in pieces:
        for word in _WORDS.findall(text):
            bare = word.rstrip(" \n")
            if word == "\n" or width_of(bare) > room < width:
                lines.append([])
                room = width
            *full, rest = chop_cells(bare, width) or [""]
            for part in full:
                lines[-1].append((part, style))
                lines.append([])
            spaces = word.count(" ", len(bare))
            room -= width_of(rest)
            lines[-1].append((rest + " " * min(spaces, room), style))
            room = max(0, room - spaces)
    return lines


def text_table(*titles: str) -> Table:
    """A table of these columns; all but the narrow ones fold."""
    return Table([Heading(title, fold=title not in {"run", "status", "started"}) for title in titles])


def add_row(table: Table, *cells: Cell) -> None:
    """A row of a table; a text may hold anything, and what has styles is ours."""
    table.add([safe(cell) if isinstance(cell, str) else cell for cell in cells])


def print_section(
    screen: Screen, title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Print a table of named rows, if there are any."""
    if not rows:
        return
    table = text_table(title, *columns)
    for name, values in rows:
        add_row(table, name, *values)
    table.print(screen)
