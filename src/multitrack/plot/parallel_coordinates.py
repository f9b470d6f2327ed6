"""Draw parallel coordinates: the params of runs, coloured by a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from multitrack._hints import closest
from multitrack.errors import QueryError
from multitrack.plot.curves import qualified
from multitrack.plot.figures import METRIC, NOTE, check_size, new_figure, plain_text
from multitrack.plot.lines import HUGE, NAME, ODD, cut, labels_of, some
from multitrack.plot.parallel_axis import Axis, differing, finite
from multitrack.plot.scales import Scale
from multitrack.query.cells import names_of
from multitrack.query.columns import better, parse_column
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt, safe
from multitrack.summaries.doubles import RANGE, is_beyond

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Maximum number of characters of a param below its axis, and of a value beside it.
_LABEL: Final = 16
#: Maximum number of axes; more would be illegible.
_AXES: Final = 100


def parallel(
    runs: Iterable[RecordedRun],
    objective: str,
    *,
    params: Sequence[str] | None = None,
    size: tuple[float, float] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Figure:
    """Draw parallel coordinates: a line per run through its params to a metric, which colours it.

    If a run lacks a param, or has a non-finite number among finite ones, its line passes below the axis.

    Args:
        runs: The runs; those without a finite objective are left out, and counted in the picture.
        objective: A column as in filters: ``metrics.score``, ``metrics.loss:min``, or a metric's name alone.
        params: The axes, by name or pattern (``model/*``); default: all params in which the runs differ, or that only
            some runs of one parent have. Params recorded by Keras follow from the others, and get axes only if there
            are no others.
        size: Width and height in inches.
        notice: Called with a message about runs that are left out, and values that are below an axis because they are
            not finite, which names the runs.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: The column is invalid, fewer than two runs have the objective, no run has one of the params, there
            are too many, or ``params`` is empty.
        ValueError: ``size`` is out of range.
    """
    if size is not None:
        check_size(size)
    if params is not None and not params:
        raise QueryError("params is empty, and parallel coordinates have an axis for each: name some, or leave it out")
    column = parse_column(qualified(objective))
    known = list(runs)
    values = [run.get(column) for run in known]
    found = [(run, finite(value)) for run, value in zip(known, values, strict=True)]
    drawn = [(run, value) for run, value in found if not math.isnan(value)]
    scored = [(run.get_params(), value) for run, value in drawn]
    if len(scored) < 2:
        there = {name: None for run in known for name in names_of(column.group, run.summary())}
        why = "" if column.name in there else closest(column.name, list(there))
        raise QueryError(
            f"parallel coordinates need at least two runs with {excerpt(objective)!r}, there are {len(scored)}{why}"
        )
    names = (
        _differing([run for run, _ in drawn]) if params is None else _chosen(params, [values for values, _ in scored])
    )
    if len(names) > _AXES:
        raise _too_many(names, "differ between these runs" if params is None else "are chosen")
    scores = [score for _, score in scored]
    axes = [Axis(name, [values.get(name) for values, _ in scored]) for name in names]
    within = f" within {RANGE}" if any(value is not None and is_beyond(value) for value in values) else ""
    if notice is not None:
        for sentence in _sentences(known, [run for run, _ in drawn], objective, within, axes):
            notice(sentence)
    axes.append(Axis(objective, scores))
    figure = new_figure(size or (max(5.0, 1.3 * len(axes)), 3.6))
    panel = figure.subplots()
    scale = Scale([scores])
    places = scale.places(scores)
    low, high = min(places), max(places)
    from matplotlib import colormaps  # noqa: PLC0415 - an extra
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import Normalize  # noqa: PLC0415

    shades: Any = ScalarMappable(Normalize(low, high if high > low else low + 1), colormaps["cividis"])
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=better(column.name) == "min")
    for i in order:  # the best on top
        panel.plot(range(len(axes)), [axis.places[i] for axis in axes], color=shades.to_rgba(places[i]), linewidth=1.4)
    for i, axis in enumerate(axes):
        panel.plot([i, i], [0, 1], color="#57606a", linewidth=0.8, zorder=3)
        for place, text in axis.ticks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
            panel.text(
                i + 0.04, place, plain_text(cut(text, _LABEL)), fontsize="x-small", va="center", zorder=4, bbox=box
            )
    names = [axis.name if len(axis.name) <= _LABEL else f"…{axis.name[1 - _LABEL :]}" for axis in axes]
    panel.set_xticks(range(len(axes)), [plain_text(name) for name in names])
    panel.tick_params(length=0)
    panel.set_yticks([])
    panel.set_xlim(-0.1, len(axes) - 0.6)
    panel.spines[:].set_visible(False)
    called = plain_text(cut(objective, METRIC))
    if len(scored) < len(known):
        left_out = len(known) - len(scored)
        panel.set_title(f"{left_out} of {len(known)} runs left out: no finite {called}{within}", **NOTE)
    bar = figure.colorbar(shades, ax=panel, label=called, pad=0.01, aspect=30)
    scale.tell(bar.ax.yaxis)
    return figure


def _sentences(
    runs: Sequence[RecordedRun], drawn: Sequence[RecordedRun], objective: str, within: str, axes: Sequence[Axis]
) -> Iterator[str]:
    """Yield messages about values that are not shown, with their runs; ``axes`` hold the values of the drawn runs."""
    labels = {run.directory: safe(label) for run, label in zip(runs, labels_of(runs, NAME), strict=True)}
    there = {run.directory for run in drawn}
    left_out = [label for run, label in labels.items() if run not in there]
    if left_out:
        has = "has" if len(left_out) == 1 else "have"
        yield (
            f"{excerpt(objective)}: {len(left_out):,} of {len(runs):,} runs {has} no finite value{within}, left out "
            f"({some(left_out)})"
        )
    for axis in axes:
        for what, places in ((ODD, axis.odd), (HUGE, axis.huge)):
            if places:
                noun = "value that is" if len(places) == 1 else "values that are"
                named = some([labels[drawn[place].directory] for place in places])
                yield f"{excerpt(axis.name)}: {len(places):,} {noun} {what}, below the axis ({named})"


def _differing(runs: Sequence[RecordedRun]) -> list[str]:
    parents, summaries = [run.parent for run in runs], [run.summary() for run in runs]
    given = differing([summary.given for summary in summaries], parents)
    return given or differing([summary.params for summary in summaries], parents)


def _chosen(wanted: Sequence[str], params: Sequence[dict[str, Any]]) -> list[str]:
    """Return the params that match names and patterns, each once, in order."""
    there = dict.fromkeys(name for values in params for name in values)
    found: dict[str, None] = {}
    for text in wanted:
        name = text.removeprefix("params.")
        named = (
            [text] if text in there else [name] if name in there else [one for one in there if fnmatchcase(one, name)]
        )
        if not named:
            raise QueryError(f"no run has a param {excerpt(text)!r}{closest(name, list(there))}")
        found |= dict.fromkeys(named)
    return list(found)


def _too_many(names: Sequence[str], how: str) -> QueryError:
    some = ", ".join(excerpt(name, 24) for name in names[:3])
    return QueryError(
        f"{len(names):,} params {how}, and a picture has room for {_AXES}: choose some with --params (params=), by "
        f"name or pattern; there are {some}, …"
    )
