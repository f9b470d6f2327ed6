"""Compare two tables column by column, with Evidently.

Evidently chooses the statistical test of a column by its kind and its number of rows and values, and each test has a
threshold of its own. It is imported here only, with its telemetry switched off. Its HTML is made harmless: it would
take a column's name or a category for markup, and a journal or a file can hold any text.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack._hints import to_install
from multitrack.drift.sources import Source, read_source
from multitrack.drift.tables import Comparable, comparable
from multitrack.errors import DriftError
from multitrack.security.terminal import excerpt, safe

#: The share of drifted columns from which on it is drift; Evidently's default.
SHARE: Final = 0.5

#: Lets the page run its own scripts and ask no host for anything.
_POLICY: Final = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:\">"
)
_HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "&": "＆"})
_TELEMETRY: Final = "DO_NOT_TRACK"


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The drift of one column.

    Attributes:
        kind: ``numerical`` or ``categorical``.
        method: The statistical test, in Evidently's words: ``K-S p_value``.
        threshold: The threshold of the score. A p-value below it is drift, a distance from it on.
        score: The p-value or distance; NaN if the test has none.
        drifted: True if Evidently finds that the column drifted.
    """

    kind: str
    method: str
    threshold: float
    score: float
    drifted: bool


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a comparison.

    Attributes:
        reference: The origin of the reference table.
        current: The origin of the current table.
        columns: The drift of each compared column, by name.
        skipped: The reason why a column was not compared, by name.
        limit: The share of drifted columns from which on :attr:`found` is true.
        html: Evidently's report, one page that needs no other file.
    """

    reference: Source
    current: Source
    columns: dict[str, ColumnDrift]
    skipped: dict[str, str]
    limit: float
    html: str

    def __repr__(self) -> str:
        return f"<Drift in {len(self.drifted)} of {len(self.columns)} columns>"

    @property
    def drifted(self) -> list[str]:
        """The names of the columns that drifted."""
        return [name for name, column in self.columns.items() if column.drifted]

    @property
    def share(self) -> float:
        """The share of the compared columns that drifted, from 0 to 1."""
        return len(self.drifted) / len(self.columns)

    @property
    def found(self) -> bool:
        """True if at least one column drifted, and their share is at least :attr:`limit`."""
        return bool(self.drifted) and self.share >= self.limit


def compare(
    reference: Any,
    current: Any,
    *,
    columns: Iterable[str] | None = None,
    threshold: float | None = None,
    share: float = SHARE,
    journal: str | Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Drift:
    """Compare two tables of inputs. Nothing is recorded; :func:`multitrack.drift.record` does that.

    A table is the path of a file (CSV, Parquet, JSON, JSON Lines), a run, a run's id or name, ``RUN:DATASET``, a
    DataFrame of pandas, or a mapping of column names to values. A run stands for its list metrics, one column each; a
    run without list metrics for the dataset that it read.

    Args:
        reference: The table that was, such as the training data.
        current: The table that is, such as the inputs of last week.
        columns: The columns to compare; default: those of the reference.
        threshold: The threshold of every column; default: that of each test. Below 0.05 is common for p-values.
        share: The share of drifted columns from which on it is drift.
        journal: The journal of the runs; default: the one in the config.
        progress: Called with the step that it is at.

    Raises:
        ImportError: If Evidently is not installed, or cannot be imported.
        DriftError: If the tables cannot be compared, or a dataset has changed since it was recorded.
        RunError: If no run or several runs match.
        OSError: If a file or the journal cannot be read.
        ValueError: If the share is not from 0 to 1, or the threshold is negative.
    """
    if isinstance(columns, str):
        raise TypeError(f"columns must be several names, got the text {excerpt(columns)!r}")
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, got {share}")
    if threshold is not None and not 0 <= threshold < math.inf:
        raise ValueError(f"threshold must be 0 or more, got {threshold}")
    check_installed()
    chosen = None if columns is None else list(columns)
    progress("reading the reference")
    before = read_source(reference, chosen, journal=journal)
    progress("reading the current table")
    after = read_source(current, chosen, journal=journal)
    both = comparable(before, after, chosen)
    progress("importing Evidently")
    with _quiet():
        report = _report(both, threshold, share, progress)
    return Drift(reference=before[0], current=after[0], skipped=both.skipped, limit=share, **report)


def check_installed() -> None:
    """Check that Evidently is installed, without the seconds that its import takes.

    Raises:
        ImportError: If it is not.
    """
    if importlib.util.find_spec("evidently") is None:
        raise ImportError(f"drift needs Evidently: {to_install('drift')}", name="evidently")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Switch off Evidently's telemetry, and the warnings of its dependencies, which no user of ours can mend."""
    before = os.environ.get(_TELEMETRY)
    os.environ[_TELEMETRY] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[_TELEMETRY]
        else:
            os.environ[_TELEMETRY] = before


def _report(both: Comparable, threshold: float | None, share: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Have Evidently compare the columns; the columns and the page of a :class:`Drift`."""
    try:
        from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - an extra, and seconds
        from evidently.presets import DataDriftPreset  # noqa: PLC0415 - as above
    except ImportError as error:
        import pandas as pd  # noqa: PLC0415 - as above

        raise ImportError(
            f"Evidently cannot be imported beside pandas {pd.__version__}: {error}; it needs pandas below 3: "
            f"{to_install('drift')}",
            name="evidently",
        ) from error

    progress("comparing the columns")
    shown = _shown_names(both.kinds)
    names = {kind: [shown[name] for name in both.kinds if both.kinds[name] == kind]
             for kind in ("numerical", "categorical")}  # fmt: skip
    definition = DataDefinition(numerical_columns=names["numerical"], categorical_columns=names["categorical"])
    current, reference = (
        Dataset.from_pandas(_shown_frame(frame, both, shown), definition) for frame in (both.current, both.reference)
    )
    least = max(share, 1 / len(shown))  # of no drifted column Evidently would say that a share of 0 is reached
    preset = DataDriftPreset(columns=list(shown.values()), threshold=threshold, drift_share=least)
    try:
        snapshot = Report([preset], include_tests=True).run(current, reference)
        facts, page = snapshot.dict(), snapshot.get_html_str(as_iframe=False)
    except Exception as error:
        raise DriftError(f"Evidently cannot compare these tables: {excerpt(str(error), 300)}") from error
    found = _columns_in(facts)
    return {
        "columns": {name: ColumnDrift(kind=kind, **found[shown[name]]) for name, kind in both.kinds.items()},
        "html": page.replace("<head>", f"<head>{_POLICY}", 1),
    }


def _columns_in(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the fields of each column's drift from Evidently's result: the figures, and the outcome of its test."""
    found: dict[str, dict[str, Any]] = {}
    for metric in facts["metrics"]:
        config = metric["config"]
        if "column" in config:
            found[config["column"]] = {
                "method": config["method"], "threshold": float(config["threshold"]), "score": float(metric["value"]),
            }  # fmt: skip
    for test in facts["tests"]:
        column = test["metric_config"]["params"].get("column")
        if column is not None:
            status = test["status"]
            found[column]["drifted"] = getattr(status, "value", status) == "FAIL"
    return found


def _shown_names(names: Sequence[str] | dict[str, Any]) -> dict[str, str]:
    """Map the names of columns to different ones that are harmless in a page."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        text = unique = _harmless(name)
        count = 1
        while unique in taken:
            count += 1
            unique = f"{text} ({count})"
        shown[name] = unique
        taken.add(unique)
    return shown


def _shown_frame(frame: Any, both: Comparable, shown: dict[str, str]) -> Any:
    """Rename the columns of a table, and make its categories harmless; equal ones stay equal, different ones differ."""
    copy = frame.rename(columns=shown)
    for name, kind in both.kinds.items():
        if kind == "categorical":
            texts = {*both.reference[name].dropna(), *both.current[name].dropna()}
            copy[shown[name]] = frame[name].map(_shown_names(sorted(texts)), na_action="ignore")
    return copy


def _harmless(text: str) -> str:
    """Replace the characters of markup by similar ones, and those that act on a terminal by escapes."""
    return excerpt(safe(text).translate(_HARMLESS))
