"""Look up the curves of a picture by names or columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from multitrack._hints import closest
from multitrack.errors import QueryError
from multitrack.query.columns import Column, parse_column
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt
from multitrack.summaries.curves import curves_of
from multitrack.summaries.downsample import Thinned

_CURVED: Final = ("metrics.", "lists.")


class Picked:
    """The series and lists of runs that match names, given as plain names or as columns.

    Args:
        runs: The runs.
        names: Names or columns: ``loss``, ``metrics.loss``, ``lists.latency``, ``"a name: quoted"``.
    """

    def __init__(self, runs: Sequence[RecordedRun], names: Sequence[str]) -> None:
        self._runs = runs
        wanted = {*names, *(column.name for column in map(_column, names) if column is not None)}
        self._held: dict[Path, dict[str, Thinned]] = {}
        for run in runs:
            found = curves_of(run.directory)
            every = {**found.series, **found.lists}
            self._held[run.directory] = {name: curve for name, curve in every.items() if name in wanted}

    def curves(self, name: str) -> dict[Path, Thinned]:
        """Return the points to draw, by the run's directory, since runs of two journals may share an id.

        Raises:
            QueryError: No run has such a curve, or the column has a reduction.
        """
        if not self._runs:
            raise QueryError(f"there are no runs to draw {excerpt(name)!r} of")
        meant = self.meant(name)
        found = {run: curves[meant] for run, curves in self._held.items() if meant in curves}
        if not found:
            raise QueryError(f"no run has a series or list called {excerpt(meant)!r}{self._why(meant)}")
        column = _column(name)
        if meant != name and column is not None and column.reduction is not None:
            raise QueryError(
                f"{excerpt(name)!r}: a curve shows all its points and cannot be reduced; say {excerpt(meant)!r}"
            )
        return found

    def counted(self, name: str) -> Literal["step", "index"]:
        """Return the x axis of a curve: ``index`` for a list, else ``step``."""
        meant = self.meant(name)
        holding = [run for run in self._runs if meant in self._held[run.directory]]
        return "index" if all(meant in run.summary().lists for run in holding) else "step"

    def meant(self, name: str) -> str:
        """Return the name itself if a curve has it, else the name in the column."""
        column = None if any(name in curves for curves in self._held.values()) else _column(name)
        return name if column is None else column.name

    def _why(self, name: str) -> str:
        """Return the end of an error message: the reason why there is no such curve."""
        summaries = [run.summary() for run in self._runs]
        if any(name in summary.simple for summary in summaries):
            return "; it is a simple metric, which has no curve; use compare or --parallel"
        return closest(name, list(dict.fromkeys(one for s in summaries for one in (*s.series, *s.lists))))


def qualified(name: str) -> str:
    """Return a metric's name as a column."""
    return name if name.startswith(_CURVED) else f"metrics.{name}"


def _column(name: str) -> Column | None:
    try:
        return parse_column(qualified(name))
    except QueryError:
        return None
