"""A comparison of runs: a row a run, a column for whatever is asked for, chosen when looking and not when logging."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from multitrack.compare import exports
from multitrack.compare.html import comparison_html
from multitrack.compare.ranking import as_recorded, best_of, sorted_by
from multitrack.compare.rerun import Rerun
from multitrack.compare.rows import Best, Cells, Row, differ, with_kind
from multitrack.errors import QueryError
from multitrack.query.columns import Column, listed, parse_column
from multitrack.query.criteria import parse_criterion
from multitrack.query.selection import Known, chosen
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reading.run_table import RunTable
from multitrack.security.terminal import excerpt
from multitrack.summaries.statistics import REDUCTIONS
from multitrack.summaries.summary import Summary

#: What is shown where nothing else is asked for.
DEFAULT: Final = ("name", "status", "started", "took", "tags", "params", "versions", "metrics", "lists")


class Comparison:
    """Runs side by side; made by :func:`compare`.

    Attributes:
        columns: What is shown, in its order; the run's id first.
        rows: The runs, sorted.
        best: The best run, where that was asked for and there is one.
        undecided: Columns of groups and patterns reduced to their best that are left out, for nobody knows whether the
            least or the most of them is that.
    """

    def __init__(
        self,
        columns: list[Column],
        cells: Cells,
        rows: list[Row],
        best: Best | None,
        asked: str | None = None,
        undecided: Sequence[Column] = (),
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.best = best
        self._cells = cells
        self.undecided = list(undecided)
        self._asked = asked  # by what there was to be a best run

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} runs in {len(self.columns)} columns>"

    def __str__(self) -> str:
        return self.to_markdown()

    def values(self, column: Column) -> list[Any]:
        """The cell of each row in a column, in the order of the rows; ABSENT where it has none."""
        values = self._cells.columns[str(column)]
        return [values[row.place] for row in self.rows]

    def differs(self, column: Column) -> bool:
        """Whether the rows differ in a column, or one has what another run of the same parent has not."""
        return differ(self._cells.columns[str(column)], self._cells.parents)

    def to_dicts(self) -> Iterator[dict[str, Any]]:
        """A mapping a run: what it has in each column, by the column's name; times in ms since the epoch."""
        for row in self.rows:
            yield row.cells

    def to_csv(self) -> str:
        """CSV with a line of names. A text that a spreadsheet would take for a formula gets a ``'`` in front."""
        return exports.csv_of(self)

    def to_markdown(self) -> str:
        """A Markdown table, the best run in bold."""
        return exports.markdown_of(self)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``, a row a run.

        Raises:
            ImportError: pandas is not installed.
        """
        return exports.pandas_of(self)

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``, a row a run.

        Raises:
            ImportError: polars is not installed.
        """
        return exports.polars_of(self)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``, a row a run.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return exports.arrow_of(self)

    def rerun(self) -> Rerun:
        """The recorded command, params and versions of the best run, or of the only one.

        Raises:
            QueryError: There is none, none is the best by what was asked, or there are several and nothing was.
        """
        if not self.rows:
            raise QueryError("there is no run that could be run again: none was chosen")
        if self.best is None and self._asked is not None:
            raise QueryError(f"no run is the best by {excerpt(self._asked)}: none has a finite number there")
        if self.best is None and len(self.rows) > 1:
            raise QueryError(
                "which of several runs? name one, or what the best is: --best (best=) metrics.accuracy:max"
            )
        return Rerun.of(self.rows[0].run if self.best is None else self.best.row.run)

    def _repr_html_(self) -> str:
        return comparison_html(self)


def compare(
    runs: Iterable[RecordedRun] | RecordedRun,
    columns: str | Iterable[str] | None = None,
    *,
    also: str | Iterable[str] = (),
    without: str | Iterable[str] = (),
    sort: str | Iterable[str] = ("started",),
    best: str | None = None,
    diff: bool = False,
    reduction: str = "last",
    among: Iterable[RecordedRun] = (),
) -> Comparison:
    """Put runs side by side.

    Args:
        runs: From :meth:`~multitrack.reading.reader.JournalReader.runs`; or one.
        columns: Groups (``params``, ``metrics:min``), columns (``metrics.loss:min``) or patterns (``params.model/*``),
            in their order, beside the run's id; a list, or a text with commas, as are the next three; default: name,
            status, start, duration, tags, params, versions of the data read, metrics, lists.
        also: More of them, beside the default.
        without: What to leave out; without a reduction, in all of them.
        sort: Columns; a ``-`` in front turns the order. Runs without a value come last.
        best: The metric by which one run is the best, ``metrics.accuracy:max`` or ``metrics.loss:last:min``; NaN and
            ±inf are not.
        diff: Only columns in which the runs differ: in values, or one has what another run of the same parent has not.
        reduction: What series and lists are reduced to where a column does not say.
        among: The runs that these were chosen from, such as ``journal.runs()``, looked at only where none of these has
            a column: it is empty where one of those has it, instead of an error.

    Raises:
        QueryError: A column says nothing, or no run has it.
        TypeError: These are no runs of a journal.
    """
    if reduction not in REDUCTIONS:
        raise QueryError(f"no reduction {excerpt(reduction)!r}; there are {', '.join(REDUCTIONS)}")
    wanted = ["run", *(DEFAULT if columns is None else listed(columns)), *listed(also)]
    order = [(parse_column(name.removeprefix("-")), name.startswith("-")) for name in listed(sort)]
    criterion = None if best is None else parse_criterion(best)
    table = RunTable(_checked(runs))
    summaries = table.summaries()
    known = Known(summaries, _all_summaries(among))
    for column, _ in order:
        known.check(column)
    if criterion is not None:
        known.check(criterion[0])
        criterion = as_recorded(criterion[0], summaries), criterion[1]
        wanted.append(str(criterion[0]))
    shown, undecided = chosen(wanted, listed(without), known, reduction)
    cells = Cells(table)
    for column in shown:
        cells.columns[str(column)] = table.values(column, reduction)
    if diff:
        shown = [
            column for column in shown if str(column) == "run" or differ(cells.columns[str(column)], cells.parents)
        ]
        cells.columns = {str(column): cells.columns[str(column)] for column in shown}
    shown = [with_kind(column, cells.columns[str(column)]) for column in shown]
    places = [*range(len(table))]
    for column, turned in reversed(order):
        places = sorted_by(places, table.values(column, reduction), turned)
    rows = [Row(cells, place) for place in places]
    found = None
    if criterion is not None:
        column, direction = criterion
        values = table.values(column, reduction, direction)
        place = best_of(places, values, column, direction)
        found = None if place is None else Best(rows[places.index(place)], column, direction, values[place])
    return Comparison(shown, cells, rows, found, best, undecided)


def _all_summaries(runs: Iterable[RecordedRun]) -> Iterator[Summary]:
    """Read the runs only if the first of them is asked for."""
    yield from RunTable(runs).summaries()


def _checked(runs: Iterable[RecordedRun] | RecordedRun) -> Iterator[RecordedRun]:
    for run in runs if isinstance(runs, Iterable) and not isinstance(runs, str) else [runs]:
        if not isinstance(run, RecordedRun):
            raise TypeError(
                f"compare takes runs as open_journal().runs() and open_journal().run('a name') give them, not {run!r}"
            )
        yield run
