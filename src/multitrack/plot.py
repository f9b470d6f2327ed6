"""Pictures of runs for papers and CI: a series or list of many runs over each other, and parallel coordinates.

Figures of matplotlib, drawn without a display. Long series are thinned to what can be seen, without losing extremes.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from multitrack.axis import Axis, differing, finite
from multitrack.columns import better, parse_column
from multitrack.curves import curves_of
from multitrack.errors import QueryError, to_install
from multitrack.recorded import RecordedRun
from multitrack.terminal import safe
from multitrack.thin import Curve, Thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X = Literal["step", "time"]

#: Eight colours that the colour-blind tell apart; further runs have the same with other dashes. The page's, too.
COLOURS: Final = ("#0072b2", "#c75400", "#00805f", "#b8619a", "#b47f00", "#3a96cf", "#3f4650", "#7a3b96")
_DASHES: Final = ("-", "--", ":", "-.")
#: More runs than this have no legend: nobody could tell them apart by it.
_LEGEND: Final = 32
_CURVED: Final = ("metrics.", "lists.")
_FORMATS: Final = (".png", ".svg", ".pdf")
#: Characters of a param below its axis, and of a value beside it.
_LABEL: Final = 16


def overlay(
    runs: Iterable[RecordedRun],
    metrics: str | Sequence[str],
    *,
    x: X = "step",
    log: bool = False,
    smooth: float = 0.0,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Series or lists of several runs over each other, a panel a metric.

    Args:
        runs: The runs, in the order of their colours; those without the metric are left out.
        metrics: Names of series or list metrics.
        x: ``step``, or ``time``: seconds since each run's start.
        log: A logarithmic axis of values; those of 0 and below are gaps.
        smooth: 0 to below 1: the weight of what came before in an exponential mean; the points stand faintly behind.
        size: Inches, width and height of the whole.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: No run has a curve of one of the metrics, or none that could be drawn.
        ValueError: ``smooth`` is not in its range.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth must be 0 or more and below 1, got {smooth}")
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    figure = _figure(size or (7, 0.6 + 3 * len(names)))
    panels = figure.subplots(len(names), squeeze=False)[:, 0]
    known = list(runs)
    held = {run.id: _held(run, names) for run in known}
    looks: dict[str, dict[str, Any]] = {}  # of the runs that are drawn
    lines: dict[str, Any] = {}
    for name, panel in zip(names, panels, strict=True):
        curves = _curves(name, known, held)
        if not any(_drawable(thinned, log) for thinned in curves.values()):
            raise QueryError(
                f"no run has a finite value of {name!r}{' above 0' if log else ''}: there is nothing to draw"
            )
        for run in known:
            if run.id in curves:
                look = looks.setdefault(run.id, _look(len(looks)))
                lines[run.id] = _draw(panel, curves[run.id], run.facts.created, x, smooth, look)
        panel.set_ylabel(_text(name))
        panel.set_yscale("log" if log else "linear")
        panel.grid(visible=True, color="#dfe3e8", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        if x == "step":
            panel.locator_params("x", integer=True)
    panels[-1].set_xlabel("seconds since start" if x == "time" else "step")
    if 1 < len(lines) <= _LEGEND:
        labels = [_text(label) for label in _labels([run for run in known if run.id in lines])]
        handles = [lines[run.id] for run in known if run.id in lines]
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize="small")
    elif len(lines) > _LEGEND:
        panels[0].set_title(f"{len(lines)} runs, too many for a legend", loc="right", fontsize="small", color="#57606a")
        for line in (line for panel in panels for line in panel.lines):
            line.set_alpha(
                (line.get_alpha() or 1.0) * max(0.15, _LEGEND / len(lines))
            )  # where they crowd, it is darker
    return figure


def parallel(
    runs: Iterable[RecordedRun],
    objective: str,
    *,
    params: Sequence[str] | None = None,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Parallel coordinates: a line a run through its params to a metric, which colours it.

    Args:
        runs: The runs; those without the objective are left out.
        objective: A column as in filters: ``metrics.score``, ``metrics.loss:min``, or a metric's name alone.
        params: The axes; default: all params in which the runs differ.
        size: Inches.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: The column says nothing, or fewer than two runs have the objective.
    """
    column = objective if objective.startswith(_CURVED) else f"metrics.{objective}"
    found = [(run, run.get(column)) for run in runs]
    scored = [(run.get_params(), float(value)) for run, value in found if value is not None and math.isfinite(value)]
    if len(scored) < 2:
        raise QueryError(f"parallel coordinates need two runs with {objective!r} or more, there are {len(scored)}")
    names = list(params) if params is not None else differing([values for values, _ in scored])
    scores = [score for _, score in scored]
    axes = [Axis(name, [values.get(name) for values, _ in scored]) for name in names]
    axes.append(Axis(objective, scores))
    figure = _figure(size or (max(5.0, 1.3 * len(axes)), 3.6))
    panel = figure.subplots()
    low, high = min(scores), max(scores)
    from matplotlib import colormaps  # noqa: PLC0415 - an extra
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import Normalize  # noqa: PLC0415

    shades: Any = ScalarMappable(Normalize(low, high if high > low else low + 1), colormaps["cividis"])
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=better(objective) == "min")
    for i in order:  # the best on top
        panel.plot(range(len(axes)), [axis.places[i] for axis in axes], color=shades.to_rgba(scores[i]), linewidth=1.4)
    for i, axis in enumerate(axes):
        panel.axvline(i, color="#57606a", linewidth=0.8, zorder=3)
        for place, text in axis.ticks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
            panel.text(
                i + 0.04,
                place,
                _text(_cut(text)),
                fontsize="x-small",
                va="center",
                zorder=4,
                bbox=box,
            )
    names = [axis.name if len(axis.name) <= _LABEL else f"…{axis.name[1 - _LABEL :]}" for axis in axes]
    panel.set_xticks(range(len(axes)), [_text(name) for name in names])
    panel.tick_params(length=0)
    panel.set_yticks([])
    panel.set_xlim(-0.1, len(axes) - 0.6)
    panel.spines[:].set_visible(False)
    figure.colorbar(shades, ax=panel, label=_text(objective), pad=0.01, aspect=30)
    return figure


def save(figure: Figure, path: str | Path, dpi: int = 150) -> None:
    """Write a figure: PNG, SVG or PDF by the file's name, the same bytes each time.

    Raises:
        ValueError: There is no such format.
        OSError: The file cannot be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - an extra

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"{str(path)!r}: pictures are {', '.join(_FORMATS)}")
    stamp = {".svg": "Date", ".pdf": "CreationDate"}.get(suffix)
    with rc_context({"svg.hashsalt": "multitrack"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands there instead
        figure.savefig(path, dpi=dpi, metadata={stamp: None} if stamp else None)


def _cut(text: str) -> str:
    """Cut in the middle: what differs often does at the end."""
    end = _LABEL // 2
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1 - end]}…{text[-end:]}"


def _figure(size: tuple[float, float]) -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and half a second
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {to_install('plot')}", name="matplotlib") from error
    return Figure(figsize=size, layout="constrained")


def _look(place: int) -> dict[str, Any]:
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": _DASHES[place // len(COLOURS) % len(_DASHES)],
        "linewidth": 1.3,
    }


def _held(run: RecordedRun, names: Sequence[str]) -> dict[str, Thinned]:
    """The series and lists that names can mean."""
    found, qualified = curves_of(run.directory), any(name.startswith(_CURVED) for name in names)
    every = {**found.series, **found.lists}
    return {name: curve for name, curve in every.items() if qualified or name in names}


def _curves(name: str, runs: Sequence[RecordedRun], held: dict[str, dict[str, Thinned]]) -> dict[str, Thinned]:
    """The points to draw, by the run's id: of the series or list of a name, or of a column (``metrics.loss``)."""
    if not any(name in curves for curves in held.values()) and name.startswith(_CURVED):
        column = parse_column(name)
        if column.reduction is not None:
            raise QueryError(f"{name!r}: a curve has all its points, nothing is reduced; say {column.name!r}")
        name = column.name
    found = {id_: curves[name] for id_, curves in held.items() if name in curves}
    if not runs:
        raise QueryError(f"there is no run to draw {name!r} of")
    if not found:
        simple = any(name in run.summary().simple for run in runs)
        why = "; it is a simple metric, which has no curve: compare shows it, and --parallel" if simple else ""
        raise QueryError(f"no run has a series or list called {name!r}{why}")
    return found


def _drawable(thinned: Thinned, log: bool) -> bool:
    return any(not math.isnan(value) and (value > 0 or not log) for value in _ys(thinned.curve))


def _labels(runs: Sequence[RecordedRun]) -> list[str]:
    """The runs' names; those that several have, with the end of the id."""
    names = Counter(run.facts.name for run in runs)
    return [f"{run.facts.name} ({run.id[-6:]})" if names[run.facts.name] > 1 else run.facts.name for run in runs]


def _draw(panel: Axes, thinned: Thinned, started: int, x: X, smooth: float, look: dict[str, Any]) -> Any:
    few: dict[str, Any] = {"marker": "o", "markersize": 3} if len(thinned.curve.values) <= 24 else {}
    if not smooth:
        return panel.plot(_xs(thinned.curve, started, x), _ys(thinned.curve), **look, **few)[0]
    panel.plot(_xs(thinned.curve, started, x), _ys(thinned.curve), **{**look, "alpha": 0.25, "linewidth": 0.8})
    curve = thinned.means or thinned.curve
    return panel.plot(_xs(curve, started, x), smoothed(_ys(curve), smooth), **look, zorder=3)[0]


def _xs(curve: Curve, started: int, x: X) -> list[float]:
    return [(time - started) / 1000 for time in curve.times] if x == "time" else [float(step) for step in curve.steps]


def _ys(curve: Curve) -> list[float]:
    """The values as doubles; infinite ones are gaps, as NaN is."""
    return [finite(value) for value in curve.values]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """An exponential mean that does not lean on where it starts; NaN stays a gap."""
    mean = total = 0.0
    found = []
    for value in values:
        if not math.isnan(value):
            mean = weight * mean + (1 - weight) * value
            total = weight * total + (1 - weight)
        found.append(math.nan if math.isnan(value) else mean / total)
    return found


def _text(text: object) -> str:
    """A text as matplotlib shows it: a dollar is no formula, and a leading underscore hides nothing."""
    shown = safe(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
