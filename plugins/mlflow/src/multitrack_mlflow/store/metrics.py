"""The history of metrics, read from the journal."""

from __future__ import annotations

from typing import Any

from mlflow.entities import Metric
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils

from multitrack.journal.cursor import Cursor
from multitrack_mlflow.store.points import Point, Points, read_on
from multitrack_mlflow.store.run_state import RunState


class Histories:
    """Reads histories; remembers the last one, because MLflow's clients ask for one page after the other."""

    def __init__(self) -> None:
        self._last: tuple[tuple[str, str, int], list[Point]] | None = None

    def page(self, state: RunState, key: str, max_results: int | None, page_token: str | None) -> PagedList[Any]:
        """Return points of a metric in the order in which they were logged.

        Args:
            state: The run.
            key: The metric.
            max_results: Largest number of points; None for all from the page token on.
            page_token: The token of the page.
        """
        points = self._points(state, key)
        if max_results is None:
            points, token = points[SearchUtils.parse_start_offset_from_page_token(page_token) :], None
        else:
            points, token = SearchUtils.paginate(points, page_token, max_results)
        return PagedList([metric_of(key, point, state.id) for point in points], token)

    def _points(self, state: RunState, key: str) -> list[Point]:
        if key not in state.latest:
            return []
        asked = (str(state.directory), key, state.position)
        last = self._last
        if last is not None and last[0] == asked:
            return last[1]
        points = _read(state, key)
        self._last = (asked, points)
        return points


def _read(state: RunState, key: str) -> list[Point]:
    points = Points()
    records = read_on(Cursor(state.directory, resolved=False))
    return [point for record in records for name, point in points.of(record) if name == key]


def metric_of(key: str, point: Point, run_id: str) -> Metric:
    """A point as MLflow's object."""
    step, time, value = point
    try:
        return Metric(key, value, time, step, run_id=run_id)
    except TypeError:  # MLflow 2
        return Metric(key, value, time, step)
