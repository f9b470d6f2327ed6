"""Draw the curves of a picture: their points, breaks and smoothing, and notes on values that cannot be shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from multitrack.plot.parallel_axis import finite
from multitrack.plot.scales import MOST, Scale
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt, safe
from multitrack.summaries.doubles import RANGE
from multitrack.summaries.downsample import Curve, Means, Thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The x axis of a curve: the steps, or seconds since the run's start.
X = Literal["step", "time"]

#: Eight colours that are safe for colour blindness; further runs reuse them with other dashes. The page has the same.
COLOURS: Final = ("#0072b2", "#c75400", "#00805f", "#b8619a", "#b47f00", "#3a96cf", "#3f4650", "#7a3b96")
_DASHES: Final = ("-", "--", ":", "-.")
#: Maximum number of points of a curve with markers.
_FEW: Final = 24
#: Descriptions of numbers that are not finite doubles.
ODD, HUGE = "NaN or infinite", f"beyond {RANGE}"
#: Maximum number of runs that a message names, and of characters of a name.
_NAMED, NAME = 5, 28


def look(place: int) -> dict[str, Any]:
    """Return the line style of a run by its place: a colour, and dashes for more runs than colours."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": _DASHES[place // len(COLOURS) % len(_DASHES)],
        "linewidth": 1.3,
    }


def drawable(thinned: Thinned, scale: Scale) -> bool:
    """Return True if any point of a curve can be shown."""
    return not all(math.isnan(place) for place in scale.places(thinned.curve.values))


def draw(panel: Axes, thinned: Thinned, started: int, x: X, smooth: float, scale: Scale, look: dict[str, Any]) -> Any:
    """Draw a curve, and return its line for the legend."""

    def line(curve: Curve | Means, values: Sequence[float], **more: Any) -> Any:
        return panel.plot(*broken(_xs(curve, started, x), scale.places(values)), **{**look, **more})[0]

    values = [finite(value) for value in thinned.curve.values]
    if not smooth:
        few: dict[str, Any] = {"marker": "o", "markersize": 3} if len(values) <= _FEW else {}
        return line(thinned.curve, values, **few)
    line(thinned.curve, values, alpha=0.25, linewidth=0.8)
    curve, counts = thinned.means or thinned.curve, thinned.means.counts if thinned.means else None
    return line(curve, smoothed([finite(value) for value in curve.values], smooth, counts), zorder=3)


def _xs(curve: Curve | Means, started: int, x: X) -> list[float]:
    return [(time - started) / 1000 for time in curve.times] if x == "time" else [float(step) for step in curve.steps]


def broken(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the points with a gap wherever x goes back, as in a run that was resumed at an earlier step."""
    broken_xs, broken_ys = list(xs[:1]), list(ys[:1])
    for before, x, y in zip(xs, xs[1:], ys[1:], strict=False):
        if x < before:
            broken_xs.append(math.nan)
            broken_ys.append(math.nan)
        broken_xs.append(x)
        broken_ys.append(y)
    return broken_xs, broken_ys


def smoothed(values: Sequence[float], weight: float, counts: Sequence[int] | None = None) -> list[float]:
    """Return the exponential moving average, corrected for the bias of its start; NaN stays a gap.

    Args:
        values: Values, or means of several points.
        weight: Weight of the earlier points.
        counts: Number of points in each mean; default: 1.
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


class Gaps(NamedTuple):
    """Numbers of values of a curve that are not shown.

    Attributes:
        odd: Number of values that are NaN or infinite.
        huge: Number of integers beyond the doubles.
        below: Number of values of 0 and below, on a logarithmic axis.
        beyond: Number of values so large that they would flatten other runs; in a thinned curve, among its points only.
    """

    odd: int
    huge: int
    below: int
    beyond: int


def gaps_of(thinned: Thinned, scale: Scale) -> Gaps:
    """Count the values of a curve that are not shown; all but ``beyond`` over all its points."""
    beyond = sum(scale.is_beyond(value) for value in thinned.curve.values)
    return Gaps(thinned.odd - thinned.huge, thinned.huge, thinned.below if scale.log else 0, beyond)


def gaps_note(gaps: Mapping[Path, Gaps]) -> str:
    """Return a panel's note on its gaps, given by run; empty if there are none."""
    parts = []
    for what, counts in _by_kind(gaps).items():
        runs = f" in {len(counts)} runs" if len(counts) > 1 else ""
        parts.append(f"{sum(counts.values()):,} {what}{runs}")
    return f"not shown: {'; '.join(parts)}" if parts else ""


def gaps_sentences(metric: str, gaps: Mapping[Path, Gaps], labels: Mapping[Path, str]) -> list[str]:
    """Return a message for each kind of gap, which names the runs.

    Args:
        metric: The panel's metric.
        gaps: The gaps of each run, by its directory.
        labels: The runs' labels, by directory.
    """
    sentences = []
    for what, counts in _by_kind(gaps).items():
        named = some([f"{safe(labels[run])} {count:,}" for run, count in counts.items()])
        total = sum(counts.values())
        noun = "value that is" if total == 1 else "values that are"
        sentences.append(f"{excerpt(metric)}: {total:,} {noun} {what}, not shown ({named})")
    return sentences


def some(runs: Sequence[str]) -> str:
    """Join the first runs, and the number of further ones."""
    left = len(runs) - _NAMED
    more = [f"{left:,} more run{'s' if left > 1 else ''}"] if left > 0 else []
    return ", ".join([*runs[:_NAMED], *more])


def _by_kind(gaps: Mapping[Path, Gaps]) -> dict[str, dict[Path, int]]:
    kinds = (ODD, HUGE, "0 or below on a logarithmic axis", f"beyond ±{MOST:g} beside other runs")
    found = {what: {run: each[i] for run, each in gaps.items() if each[i]} for i, what in enumerate(kinds)}
    return {what: counts for what, counts in found.items() if counts}


def cut(text: str, most: int) -> str:
    """Cut a text in the middle, since names often differ at the end."""
    end = most // 2
    return text if len(text) <= most else f"{text[: most - 1 - end]}…{text[-end:]}"


def labels_of(runs: Sequence[RecordedRun], most: int) -> list[str]:
    """Return the runs' names, cut; equal names get the end of the run id."""
    shown = [cut(run.facts.name, most) for run in runs]
    names = Counter(shown)
    return [f"{name} ({run.id[-6:]})" if names[name] > 1 else name for run, name in zip(runs, shown, strict=True)]
