"""Draw a metric over time: a panel for each statistic of its windows, and a line for each deployment."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import QueryError
from multitrack.monitor.monitored import Monitored
from multitrack.monitor.windows import Window, label
from multitrack.plot.figures import LARGEST, METRIC, NOTE, new_figure, plain_text
from multitrack.plot.lines import NAME, cut, look
from multitrack.plot.parallel_axis import finite
from multitrack.plot.scales import Scale
from multitrack.security.terminal import excerpt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Maximum number of groups with a legend; more could not be told apart.
_LEGEND: Final = 32
#: Height of a panel in inches, and of what is around them.
_PANEL, _AROUND = 2.0, 0.6


def over_time(found: Monitored) -> Figure:
    """Draw windows over time, in local time. An empty window interrupts its line.

    Args:
        found: The windows by group.

    Raises:
        ImportError: matplotlib is not installed.
        QueryError: There are no values, or too many statistics.
    """
    if not found.groups:
        raise QueryError(f"there are no values of {excerpt(found.metric)} to draw")
    if len(found.statistics) * _PANEL + _AROUND > LARGEST:
        raise QueryError(f"{len(found.statistics):,} statistics are too many for one picture")
    figure = new_figure((8, _AROUND + _PANEL * len(found.statistics)))
    panels = figure.subplots(len(found.statistics), squeeze=False, sharex=True)[:, 0]
    lines: list[Any] = []
    for panel, name in zip(panels, found.statistics, strict=True):
        drawn = {value: [_place(window, name) for window in windows] for value, windows in found.groups.items()}
        scale = Scale(drawn.values())
        lines = []
        for i, (value, windows) in enumerate(found.groups.items()):
            times = [datetime.datetime.fromtimestamp(window.start / 1000) for window in windows]
            places = scale.places(drawn[value])
            marked: dict[str, Any] = {"marker": "o", "markersize": 2.5} if _alone(places) else {}
            lines += panel.plot(times, places, **look(i), **marked)
        panel.set_ylabel("per second" if name == "rate" else name)
        scale.tell(panel.yaxis)
        panel.grid(visible=True, color="#dfe3e8", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_title(plain_text(cut(found.metric, METRIC)), loc="left", fontsize="medium")
    figure.autofmt_xdate()
    if len(found.groups) > _LEGEND:
        panels[0].set_title(f"{len(found.groups)} groups, too many for a legend", **NOTE)
    elif len(found.groups) > 1:
        texts = [plain_text(cut(label(value, found.by), NAME)) for value in found.groups]
        figure.legend(lines, texts, loc="outside right upper", frameon=False, fontsize="small")
    return figure


def _place(window: Window, name: str) -> float:
    value = window.statistics[name] if window.count else None
    return math.nan if value is None else finite(value)


def _alone(places: list[float]) -> bool:
    """Return True if a point has no neighbour, so that a line alone would not show it."""
    gaps = [True, *map(math.isnan, places), True]
    return any(before and not here and after for before, here, after in zip(gaps, gaps[1:], gaps[2:], strict=False))
