"""Draw a lineage from left to right: data, runs, models, and the runs that used them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from multitrack.errors import QueryError
from multitrack.lineage.layout import layout
from multitrack.lineage.nodes import ModelNode, Node, RunNode
from multitrack.lineage.text import facts_of, title, version_of
from multitrack.lineage.walk import Lineage
from multitrack.plot.figures import NOTE, check_size, new_figure, plain_text
from multitrack.plot.lines import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a column and height of a row in inches, and the part of each that a box fills.
_WIDTH, _HEIGHT = 2.3, 0.62
_FILLED: Final = (0.78, 0.68)
#: Characters of the two lines of a box.
_TITLE, _FACT = 24, 30
#: The outline of data, models, and runs by status.
_COLOURS: Final = {
    "data": "#0072b2", "model": "#00805f", "finished": "#57606a", "running": "#3a96cf", "failed": "#b42318",
    "killed": "#b47f00",
}  # fmt: skip
_LINE: Final = "#9aa5b1"


class _Box(NamedTuple):
    """A box in the picture: its place, its two lines and its outline."""

    column: float
    row: float
    lines: tuple[str, str]
    colour: str
    round: bool = False
    strong: bool = False


def lineage(
    found: Lineage, *, size: tuple[float, float] | None = None, notice: Callable[[str], None] | None = None
) -> Figure:
    """Draw a lineage: data and models as boxes, runs as rounded boxes, the target with a thick outline.

    A picture has room for 12 columns of 24 nodes. It says how many nodes it leaves out: the columns that are farthest
    from the target, and the nodes of a column that have the fewest edges.

    Args:
        found: The lineage, from :meth:`multitrack.JournalReader.lineage`.
        size: Width and height of the figure in inches; default: as large as the boxes need.
        notice: Called with a message about what is left out.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: There is nothing to draw.
        ValueError: ``size`` is out of range.
    """
    graph = found.graph
    if size is not None:
        check_size(size)
    if not graph.edges and not found.targets:
        raise QueryError("no run has a reference: there is nothing to draw; run.log_artifact_ref records them")
    placed = layout(graph, found.targets)
    most = max(len(column) + bool(rest) for column, rest in zip(placed.columns, placed.left_out, strict=True))
    figure = new_figure(size or (max(4.0, _WIDTH * len(placed.columns)), 0.4 + _HEIGHT * most))
    panel = figure.subplots()
    panel.set_axis_off()
    panel.set_xlim(-0.5, len(placed.columns) - 0.5)
    panel.set_ylim(most - 0.5, -0.5)
    boxes: dict[str, _Box] = {}
    for i, (column, rest) in enumerate(zip(placed.columns, placed.left_out, strict=True)):
        above = (most - len(column) - bool(rest)) / 2
        for j, node in enumerate(column):
            boxes[node] = _box(graph.nodes[node], i, above + j, strong=node in found.targets)
        if rest:
            more = _Box(i, above + len(column), (f"… {len(rest):,} more", ""), _LINE)
            boxes |= dict.fromkeys(rest, more)
    for source, target in dict.fromkeys(
        (boxes[edge.source], boxes[edge.target])
        for edge in graph.edges
        if edge.source in boxes and edge.target in boxes
    ):
        _connect(panel, source, target)
    for box in dict.fromkeys(boxes.values()):
        _draw(panel, box)
    left_out = placed.beyond + sum(map(len, placed.left_out))
    if left_out:
        message = f"{left_out:,} of {len(graph.nodes):,} nodes are not shown"
        panel.set_title(message, **NOTE)
        if notice is not None:
            notice(f"{message}; multitrack lineage --json has all")
    return figure


def _box(node: Node, column: float, row: float, *, strong: bool) -> _Box:
    if isinstance(node, RunNode):
        fact = "  ".join(facts_of(node)[-1:]) or node.status
        return _Box(column, row, (cut(node.name, _TITLE), cut(fact, _FACT)), _COLOURS[node.status], True, strong)
    colour = _COLOURS["model" if isinstance(node, ModelNode) else "data"]
    return _Box(column, row, (cut(title(node), _TITLE), cut(version_of(node), _FACT)), colour, False, strong)


def _draw(panel: Axes, box: _Box) -> None:
    from matplotlib.patches import FancyBboxPatch  # noqa: PLC0415 - an extra

    width, height = _FILLED
    panel.add_patch(
        FancyBboxPatch(
            (box.column - width / 2, box.row - height / 2), width, height, facecolor="white", edgecolor=box.colour,
            linewidth=2.2 if box.strong else 1.1, zorder=2, mutation_aspect=_WIDTH / _HEIGHT,
            boxstyle=f"{'round' if box.round else 'square'},pad=0{',rounding_size=0.06' if box.round else ''}",
        )
    )  # fmt: skip
    first, second = (plain_text(line) if line else "" for line in box.lines)
    weight = "bold" if box.strong else "normal"
    panel.text(
        box.column,
        box.row - (0.13 if second else 0),
        first,
        ha="center",
        va="center",
        fontsize=8,
        weight=weight,
        zorder=3,
    )
    if second:
        panel.text(
            box.column, box.row + 0.16, second, ha="center", va="center", fontsize=6.5, color="#57606a", zorder=3
        )


def _connect(panel: Axes, source: _Box, target: _Box) -> None:
    from matplotlib.patches import FancyArrowPatch  # noqa: PLC0415 - an extra
    from matplotlib.path import Path as Curve  # noqa: PLC0415 - an extra

    begin, end = source.column + _FILLED[0] / 2, target.column - _FILLED[0] / 2
    bend = max(0.1, abs(end - begin) / 2)
    points = [(begin, source.row), (begin + bend, source.row), (end - bend, target.row), (end, target.row)]
    curve = Curve(points, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    panel.add_patch(
        FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=7, color=_LINE, linewidth=0.9, zorder=1)
    )
