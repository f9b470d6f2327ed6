"""Pictures of runs for papers and CI: overlaid series or lists of many runs, and parallel coordinates.

The matplotlib figures need no display. Long series are thinned to the visible resolution, without losing extremes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import QueryError
from multitrack.plot.curves import Picked
from multitrack.plot.figures import (
    LARGEST,
    METRIC,
    NOTE,
    check_format,
    check_pixels,
    check_size,
    new_figure,
    note_gaps,
    plain_text,
    save,
)
from multitrack.plot.lines import (
    COLOURS,
    NAME,
    X,
    cut,
    draw,
    drawable,
    gaps_note,
    gaps_of,
    gaps_sentences,
    labels_of,
    look,
    smoothed,
)
from multitrack.plot.parallel_coordinates import parallel
from multitrack.plot.scales import Scale
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt
from multitrack.summaries.doubles import RANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "X", "check_format", "check_pixels", "check_size", "overlay", "parallel", "save", "smoothed"]

#: Maximum number of runs with a legend; more could not be told apart.
_LEGEND: Final = 32
#: Height of one line of a legend, and of the space around it, in inches.
_LINE, _AROUND = 0.2, 0.25
#: Maximum number of characters of the name of a picture's only run.
_TITLE: Final = 60


def overlay(
    runs: Iterable[RecordedRun],
    metrics: str | Sequence[str],
    *,
    x: X = "step",
    log: bool = False,
    smooth: float = 0.0,
    size: tuple[float, float] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Figure:
    """Draw the series or lists of several runs over each other, in a panel per metric.

    If steps go back, as in a run that was resumed from a checkpoint, the line is interrupted. Values that are not
    finite, and on a logarithmic axis those of 0 and below, are gaps. Their number is shown above the panel.

    Args:
        runs: The runs, in the order of their colours; those without anything to draw are left out.
        metrics: Names of series or list metrics, or their columns (``metrics.loss``, ``"a name: quoted"``).
        x: ``step``, or ``time`` for seconds since each run's start.
        log: True for a logarithmic y axis.
        smooth: Weight of the earlier points in an exponential moving average, from 0 to below 1. The points are drawn
            faintly behind it.
        size: Width and height of the figure in inches; default: as high as the panels and the legend need.
        notice: Called with a message for each kind of value that is not shown, which names the runs.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: No run has a drawable curve of one of the metrics, or there are too many panels.
        ValueError: ``smooth`` or ``size`` is out of range.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth must be 0 or more and below 1, got {smooth}")
    if size is not None:
        check_size(size)
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if size is None and (most := int((LARGEST - 0.6) / 3)) < len(names):
        raise QueryError(
            f"{len(names):,} metrics are too many for one picture, which has room for {most}: draw several"
        )
    figure = new_figure(size or (7, 0.6 + 3 * len(names)))
    panels = figure.subplots(len(names), squeeze=False)[:, 0]
    known = list(runs)
    picked = Picked(known, names)
    looks: dict[Path, dict[str, Any]] = {}  # by the directories of the drawn runs
    lines: dict[Path, Any] = {}
    notes: dict[Any, str] = {}
    for name, panel in zip(names, panels, strict=True):
        curves = picked.curves(name)
        scale = Scale((thinned.curve.values for thinned in curves.values()), log=log)
        shown = [run for run in known if run.directory in curves and drawable(curves[run.directory], scale)]
        if not shown:
            within = f" within {RANGE}" if any(thinned.huge for thinned in curves.values()) else ""
            above = " above 0" if log else ""
            raise QueryError(f"no run has a finite value of {excerpt(name)!r}{within}{above}: there is nothing to draw")
        for run in shown:
            style = looks.setdefault(run.directory, look(len(looks)))
            lines[run.directory] = draw(panel, curves[run.directory], run.facts.created, x, smooth, scale, style)
        gaps = {run.directory: gaps_of(curves[run.directory], scale) for run in known if run.directory in curves}
        notes[panel] = gaps_note(gaps)
        if notice is not None:
            called = dict(zip(gaps, labels_of([run for run in known if run.directory in gaps], NAME), strict=True))
            for sentence in gaps_sentences(name, gaps, called):
                notice(sentence)
        panel.set_ylabel(plain_text(cut(name, METRIC)))
        panel.set_yscale(scale.kind)
        scale.tell(panel.yaxis)
        panel.grid(visible=True, color="#dfe3e8", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        if x == "step":
            panel.locator_params("x", integer=True)
    labels = ["seconds since start" if x == "time" else picked.counted(name) for name in names]
    for i, panel in enumerate(panels):
        if labels[i] not in labels[i + 1 : i + 2]:
            panel.set_xlabel(labels[i])
    drawn = [run for run in known if run.directory in lines]
    if size is None and 1 < len(drawn) <= _LEGEND:
        figure.set_figheight(max(figure.get_figheight(), _AROUND + _LINE * len(drawn)))
    width, height = figure.get_size_inches()
    if 1 < len(drawn) <= min(_LEGEND, (height - _AROUND) / _LINE):
        texts = [plain_text(label) for label in labels_of(drawn, max(8, min(NAME, int(4 * width))))]
        handles = [lines[run.directory] for run in drawn]
        figure.legend(handles, texts, loc="outside right upper", frameon=False, fontsize="small")
        title: tuple[str, dict[str, Any]] = "", {}
    elif len(drawn) == 1:
        title = plain_text(cut(drawn[0].facts.name, _TITLE)), {"fontsize": "medium"}
    else:
        title = f"{len(drawn)} runs, too many for a legend", NOTE
    pad = note_gaps(figure, notes)[panels[0]]
    panels[0].set_title(title[0], pad=pad, **title[1])
    if len(drawn) > _LEGEND:  # fainter, so that crowded regions appear darker
        for line in (line for panel in panels for line in panel.lines):
            line.set_alpha((line.get_alpha() or 1.0) * max(0.15, _LEGEND / len(drawn)))
    return figure
