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
from multitrack.cells import names_of
from multitrack.columns import better, parse_column
from multitrack.errors import QueryError, to_install
from multitrack.picked import Picked, closest, qualified
from multitrack.recorded import RecordedRun
from multitrack.terminal import excerpt, safe
from multitrack.thin import Curve, Means, Thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X = Literal["step", "time"]

#: Eight colours that the colour-blind tell apart; further runs have the same with other dashes. The page's, too.
COLOURS: Final = ("#0072b2", "#c75400", "#00805f", "#b8619a", "#b47f00", "#3a96cf", "#3f4650", "#7a3b96")
_DASHES: Final = ("-", "--", ":", "-.")
#: More runs than this have no legend: nobody could tell them apart by it.
_LEGEND: Final = 32
#: Inches of one line of a legend, and of the space around it.
_LINE, _AROUND = 0.2, 0.25
#: Characters of a run's name: in a legend, and as the title of a picture that has no other run.
_NAME, _TITLE = 28, 60
_FORMATS: Final = (".png", ".svg", ".pdf")
#: Characters of a param below its axis, and of a value beside it.
_LABEL: Final = 16
#: Inches of a side, and pixels, at most.
_LARGEST, _PIXELS = 200, 200_000_000
_NOTE: Final[dict[str, Any]] = {"loc": "right", "fontsize": "small", "color": "#57606a"}


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
        metrics: Names of series or list metrics, or their columns (``metrics.loss``, ``"a name: quoted"``).
        x: ``step``, or ``time``: seconds since each run's start.
        log: A logarithmic axis of values; those of 0 and below are gaps.
        smooth: 0 to below 1: the weight of what came before in an exponential mean; the points stand faintly behind.
        size: Inches, width and height of the whole; default: as high as the panels and the legend need.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: No run has a curve of one of the metrics, or none that could be drawn.
        ValueError: ``smooth`` or ``size`` is not in its range.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth must be 0 or more and below 1, got {smooth}")
    if size is not None:
        check_size(size)
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    figure = _figure(size or (7, 0.6 + 3 * len(names)))
    panels = figure.subplots(len(names), squeeze=False)[:, 0]
    known = list(runs)
    picked = Picked(known, names)
    looks: dict[str, dict[str, Any]] = {}  # of the runs that are drawn
    lines: dict[str, Any] = {}
    for name, panel in zip(names, panels, strict=True):
        curves = picked.curves(name)
        if not any(_drawable(thinned, log) for thinned in curves.values()):
            raise QueryError(
                f"no run has a finite value of {excerpt(name)!r}{' above 0' if log else ''}: there is nothing to draw"
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
    labels = ["seconds since start" if x == "time" else picked.counted(name) for name in names]
    for i, panel in enumerate(panels):
        if labels[i] not in labels[i + 1 : i + 2]:
            panel.set_xlabel(labels[i])
    drawn = [run for run in known if run.id in lines]
    if size is None and 1 < len(drawn) <= _LEGEND:
        figure.set_figheight(max(figure.get_figheight(), _AROUND + _LINE * len(drawn)))
    width, height = figure.get_size_inches()
    if len(drawn) == 1:
        panels[0].set_title(_text(_cut(drawn[0].facts.name, _TITLE)), fontsize="medium")
    elif len(drawn) <= min(_LEGEND, (height - _AROUND) / _LINE):
        texts = [_text(label) for label in _labels(drawn, max(8, min(_NAME, int(4 * width))))]
        handles = [lines[run.id] for run in drawn]
        figure.legend(handles, texts, loc="outside right upper", frameon=False, fontsize="small")
    else:
        panels[0].set_title(f"{len(drawn)} runs, too many for a legend", **_NOTE)
    if len(drawn) > _LEGEND:  # fainter: where they crowd, it is darker
        for line in (line for panel in panels for line in panel.lines):
            line.set_alpha((line.get_alpha() or 1.0) * max(0.15, _LEGEND / len(drawn)))
    return figure


def parallel(
    runs: Iterable[RecordedRun],
    objective: str,
    *,
    params: Sequence[str] | None = None,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Parallel coordinates: a line a run through its params to a metric, which colours it.

    Where a run has no such param, its line passes below the axis.

    Args:
        runs: The runs; those without a finite objective are left out, and counted in the picture.
        objective: A column as in filters: ``metrics.score``, ``metrics.loss:min``, or a metric's name alone.
        params: The axes; default: all params in which the runs differ, or that only some runs of one parent have; what
            Keras said of a fit follows from the rest, and has axes only where there is nothing else.
        size: Inches.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: The column says nothing, or fewer than two runs have the objective.
        ValueError: ``size`` is not in its range.
    """
    if size is not None:
        check_size(size)
    column = parse_column(qualified(objective))
    known = list(runs)
    found = [(run, finite(run.get(column))) for run in known]
    drawn = [(run, value) for run, value in found if not math.isnan(value)]
    scored = [(run.get_params(), value) for run, value in drawn]
    if len(scored) < 2:
        there = {name: None for run in known for name in names_of(column.group, run.summary())}
        why = "" if column.name in there else closest(column.name, list(there))
        raise QueryError(
            f"parallel coordinates need two runs with {excerpt(objective)!r} or more, there are {len(scored)}{why}"
        )
    names = list(params) if params is not None else _differing([run for run, _ in drawn])
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
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=better(column.name) == "min")
    for i in order:  # the best on top
        panel.plot(range(len(axes)), [axis.places[i] for axis in axes], color=shades.to_rgba(scores[i]), linewidth=1.4)
    for i, axis in enumerate(axes):
        panel.plot([i, i], [0, 1], color="#57606a", linewidth=0.8, zorder=3)
        for place, text in axis.ticks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
            panel.text(i + 0.04, place, _text(_cut(text, _LABEL)), fontsize="x-small", va="center", zorder=4, bbox=box)
    names = [axis.name if len(axis.name) <= _LABEL else f"…{axis.name[1 - _LABEL :]}" for axis in axes]
    panel.set_xticks(range(len(axes)), [_text(name) for name in names])
    panel.tick_params(length=0)
    panel.set_yticks([])
    panel.set_xlim(-0.1, len(axes) - 0.6)
    panel.spines[:].set_visible(False)
    if len(scored) < len(known):
        left_out = len(known) - len(scored)
        panel.set_title(f"{left_out} of {len(known)} runs left out: no finite {_text(objective)}", **_NOTE)
    figure.colorbar(shades, ax=panel, label=_text(objective), pad=0.01, aspect=30)
    return figure


def _differing(runs: Sequence[RecordedRun]) -> list[str]:
    parents, summaries = [run.facts.parent for run in runs], [run.summary() for run in runs]
    given = differing([summary.given for summary in summaries], parents)
    return given or differing([summary.params for summary in summaries], parents)


def save(figure: Figure, path: str | Path, dpi: int = 150) -> None:
    """Write a figure: PNG, SVG or PDF by the file's name, the same bytes each time.

    Raises:
        ValueError: There is no such format, or the picture would be too large.
        OSError: The file cannot be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - an extra

    suffix = check_format(path)
    width, height = (int(side * dpi) for side in figure.get_size_inches())
    if suffix == ".png" and width * height > _PIXELS:
        raise ValueError(f"the picture would have {width} x {height} pixels, which is too many")
    stamp = {".svg": "Date", ".pdf": "CreationDate"}.get(suffix)
    with rc_context({"svg.hashsalt": "multitrack"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands there instead
        warnings.filterwarnings("ignore", "constrained_layout not applied")  # it is too small for its texts
        figure.savefig(path, dpi=dpi, metadata={stamp: None} if stamp else None)


def check_format(path: str | Path) -> str:
    """The end of a picture's name.

    Raises:
        ValueError: There is no such format.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"{str(path)!r}: pictures are {', '.join(_FORMATS)}")
    return suffix


def check_size(size: tuple[float, float]) -> None:
    """Check a picture's inches.

    Raises:
        ValueError: Nothing could be drawn of this size.
    """
    if not all(1 <= side <= _LARGEST for side in size):
        raise ValueError(f"a picture is 1 to {_LARGEST} inches wide and high, not {size[0]:g} and {size[1]:g}")


def _cut(text: str, most: int) -> str:
    """Cut in the middle: what differs often does at the end."""
    end = most // 2
    return text if len(text) <= most else f"{text[: most - 1 - end]}…{text[-end:]}"


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


def _drawable(thinned: Thinned, log: bool) -> bool:
    return any(not math.isnan(value) and (value > 0 or not log) for value in _ys(thinned.curve))


def _labels(runs: Sequence[RecordedRun], most: int) -> list[str]:
    """The runs' names, cut; those that several have, with the end of the id."""
    shown = [_cut(run.facts.name, most) for run in runs]
    names = Counter(shown)
    return [f"{name} ({run.id[-6:]})" if names[name] > 1 else name for run, name in zip(runs, shown, strict=True)]


def _draw(panel: Axes, thinned: Thinned, started: int, x: X, smooth: float, look: dict[str, Any]) -> Any:
    few: dict[str, Any] = {"marker": "o", "markersize": 3} if len(thinned.curve.values) <= 24 else {}
    if not smooth:
        return panel.plot(_xs(thinned.curve, started, x), _ys(thinned.curve), **look, **few)[0]
    panel.plot(_xs(thinned.curve, started, x), _ys(thinned.curve), **{**look, "alpha": 0.25, "linewidth": 0.8})
    curve, counts = thinned.means or thinned.curve, thinned.means.counts if thinned.means else None
    return panel.plot(_xs(curve, started, x), smoothed(_ys(curve), smooth, counts), **look, zorder=3)[0]


def _xs(curve: Curve | Means, started: int, x: X) -> list[float]:
    return [(time - started) / 1000 for time in curve.times] if x == "time" else [float(step) for step in curve.steps]


def _ys(curve: Curve | Means) -> list[float]:
    """The values as doubles; infinite ones are gaps, as NaN is."""
    return [finite(value) for value in curve.values]


def smoothed(values: Sequence[float], weight: float, counts: Sequence[int] | None = None) -> list[float]:
    """An exponential mean that does not lean on where it starts; NaN stays a gap.

    Args:
        values: Values, or means of several.
        weight: Of what came before each point.
        counts: Of how many points each value is the mean; default: one.
    """
    mean = total = 0.0
    found = []
    for value, count in zip(values, counts or [1] * len(values), strict=True):
        if not math.isnan(value):
            before = weight**count
            mean = before * mean + (1 - before) * value
            total = before * total + (1 - before)
        found.append(math.nan if math.isnan(value) else mean / total)
    return found


def _text(text: object) -> str:
    """A text as matplotlib shows it: a dollar is no formula, and a leading underscore hides nothing."""
    shown = safe(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
