"""Read the runs in Trackio's databases, one SQLite file for each project, without the SDK."""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.records import ArtifactRef, Lines, Metric, Params, Status, Tags
from multitrack.sources.rows import NUMBERS, flat_row, number_in
from multitrack.sources.sqlite import columns_of, problem_of
from multitrack_trackio.names import ARTIFACTS, EXACT, FIGURES, LOGS, OWN, SUMMARY, TAGS, name_of
from multitrack_trackio.simple_metrics import SimpleMetrics, row_id_of
from multitrack_trackio.values import value_of

_COLUMNS: Final = {"timestamp", "run_name", "step", "metrics"}


class TrackioSource:
    """The runs of a directory of Trackio, or of one project's file.

    Args:
        place: The directory, or the file.
        only: The id that multitrack gave the only run to read; None for all runs.

    Attributes:
        tracker: ``trackio``.
        address: The place.
        notes: None.

    Raises:
        SourceError: If there is no project.
    """

    tracker = "trackio"
    notes = ()

    def __init__(self, place: Path, only: str | None = None) -> None:
        self.address = str(place)
        self._place = place
        self._files = find_files(place)
        self._only = only
        self._current: _StoredRun | None = None
        problem = None if self._files else next(filter(None, map(problem_of, candidates(place))), None)
        if problem is not None:
            raise SourceError(problem)
        if not self._files:
            raise SourceError(f"{place} has no projects of Trackio: name its directory, or a project's .db file")

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs of each project by their first rows."""
        if self._only is None:
            problems = (problem_of(path) for path in candidates(self._place))
            yield from (Gap(problem) for problem in problems if problem is not None)
        for path in self._files:
            try:
                with _connected(path) as connection:
                    for stored in _runs_in(connection, path):
                        if self._only is None or stored.is_called(self._only):
                            self._current = stored
                            yield stored.run()
            except sqlite3.Error as error:
                yield Gap(f"{path}: {error}; the rest of it was not imported")

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then its rows in the order of their arrival.

        Raises:
            SourceError: If another program holds the file.
        """
        stored = self._current
        assert stored is not None  # noqa: S101 - a run was read
        assert stored.id == run.id  # noqa: S101 - its records are read before those of the next run
        yield from stored.facts()
        try:
            with _connected(stored.path) as connection:
                yield from stored.rows(connection)
        except sqlite3.OperationalError as error:
            raise SourceError(f"{stored.path} cannot be read now: {error}") from error
        except sqlite3.DatabaseError as error:
            yield Gap(f"{stored.path} is damaged, and rows were left out: {error}")
        if not stored.is_ours:
            yield Gap("Trackio knows no status: the run counts as finished at its last row")

    def close(self) -> None:
        """Do nothing: every file is closed."""


def find_files(place: Path) -> list[Path]:
    """The databases of a place: a project's file, or those in Trackio's directory."""
    return [path for path in candidates(place) if _is_project(path)]


def candidates(place: Path) -> list[Path]:
    """The files of a place that may be databases of projects."""
    return [path for path in ([place] if place.is_file() else sorted(place.glob("*.db"))) if path.suffix == ".db"]


class _StoredRun:
    def __init__(
        self, path: Path, key: tuple[str, str, str], name: str, times: tuple[str, str], config: dict[str, Any]
    ):
        self.path = path
        self.column, self.row_id, self.id = key
        self.name = name
        self.began, self.ended = (_moment(time) for time in times)
        self.config = config
        self.is_ours = f"{OWN}run_id" in config

    def is_called(self, native_id: str) -> bool:
        """Whether this is a run of multitrack's: written by public functions, its name ends with the id."""
        return native_id == self.id or self.name.endswith(f"({native_id})")

    def own(self, key: str) -> Any:
        """A fact that multitrack wrote into the config; None if there is none."""
        return value_of(self.config.get(f"{OWN}{key}"))

    def run(self) -> SourceRun:
        """The facts of the run."""
        started, ended = self.own("started") or self.config.get("_Created"), self.own("ended")
        status: Status = self.own("status") or ("running" if self.is_ours else "finished")
        return SourceRun(
            id=self.id,
            scope=self.path.stem,
            project=self.own("project") or self.path.stem,
            name=self.own("name") or self.name,
            created=_moment(started) if started else self.began,
            ended=_moment(ended) if ended else None if self.is_ours else self.ended,
            status=status,
            group=self.own("group") or (None if self.is_ours else self.config.get("_Group")),
            notes=self.own("notes"),
            user=self.own("user") or self.config.get("_Username"),
            host=self.own("host"),
            program=self.own("program"),
            commit=self.own("git/commit"),
            branch=self.own("git/branch"),
            remote=self.own("git/remote"),
            run_id=self.own("run_id"),
            parent_run_id=self.own("parent"),
        )

    def facts(self) -> Iterator[SourceRecord]:
        """Yield params, tags and references."""
        time = self.run().created
        own = (OWN, TAGS, ARTIFACTS, SUMMARY, EXACT) if self.is_ours else ()
        given = {
            (name_of(key) if self.is_ours else key): _config_value(value, is_ours=self.is_ours)
            for key, value in self.config.items()
            if not key.startswith(("_", *own))
        }
        flat = flatten_params(given, "config")
        if flat.values:
            yield Params(time=time, values=flat.values, types=flat.types, source="trackio")
        if not self.is_ours:
            return
        tags = {key.removeprefix(TAGS): value_of(value) for key, value in self.config.items() if key.startswith(TAGS)}
        if tags:
            yield Tags(time=time, values=tags)
        for key, value in self.config.items():
            if key.startswith(ARTIFACTS) and isinstance(value, dict):
                yield ArtifactRef(
                    time=time, name=key.removeprefix(ARTIFACTS), uri=value["uri"], kind=value["kind"],
                    role=value["role"], digest=value.get("digest"), version=value.get("version"),
                    size=value.get("size"),
                )  # fmt: skip

    def rows(self, connection: sqlite3.Connection) -> Iterator[SourceRecord]:
        """Yield the numbers and log lines of the rows."""
        left_out: Counter[tuple[str, str]] = Counter()
        simple = self._simple_metrics(connection)
        for stamp, step, log_id, text in self._stored(connection):
            row = json.loads(text)
            row_id = row_id_of(log_id, row)
            time = _moment(row.get(f"{OWN}time", stamp) if self.is_ours else stamp)
            values: dict[str, int | float | str] = {}
            for key, value in flat_row(row, _is_value):
                if self.is_ours and key.startswith(LOGS):
                    yield Lines(time=time, lines=[value_of(value)], stream=key.removeprefix(LOGS))
                elif self.is_ours and key.startswith((EXACT, FIGURES, OWN)):
                    continue
                elif (number := number_in(value)) is not None:
                    exact = row.get(f"{EXACT}{key}") if self.is_ours else None
                    number = number if exact is None else int(exact)
                    name = simple.name_of(key, step, row_id)
                    if name is not None:
                        yield Metric(time=time, values={name: number})
                    else:
                        values[name_of(key) if self.is_ours else key] = number
                else:
                    kind = "texts" if isinstance(value, str) else type(value).__name__
                    left_out[key, str(value["_type"]) if isinstance(value, dict) else kind] += 1
            if values:
                yield Metric(time=time, values=values, step=step)
        for (key, kind), count in left_out.items():
            yield Gap(f"{key}: {kind} left out, which a series cannot hold ({count})")

    def _stored(self, connection: sqlite3.Connection) -> Iterator[tuple[str, int, str | None, str]]:
        """Yield the rows of the table. If a page of it is damaged, those before it: they are not sorted then."""
        where = f"WHERE {self.column} = ? ORDER BY id"
        columns = f"timestamp, step, {self.row_id}, metrics"
        query = f"SELECT {columns} FROM metrics {where}"  # noqa: S608 - ours
        try:
            found = connection.execute(query, (self.id,))
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            query = f"SELECT {columns} FROM metrics NOT INDEXED {where}"  # noqa: S608 - ours
            found = connection.execute(query, (self.id,))
        yield from found

    def _simple_metrics(self, connection: sqlite3.Connection) -> SimpleMetrics:
        where = f"WHERE {self.column} = ? AND {self.row_id} IS NULL AND instr(CAST(metrics AS TEXT), ?)"
        query = f"SELECT step, metrics FROM metrics {where}"  # noqa: S608 - ours
        config = self.config if self.is_ours else {}
        return SimpleMetrics(config, lambda text: connection.execute(query, (self.id, text)))


def _runs_in(connection: sqlite3.Connection, path: Path) -> Iterator[_StoredRun]:
    columns = {row[1] for row in connection.execute("PRAGMA table_info(metrics)")}
    column = "run_id" if "run_id" in columns else "run_name"  # before Trackio 0.24, a run is told by its name
    row_id = "log_id" if "log_id" in columns else "NULL"
    configs = dict(connection.execute(f"SELECT {column}, config FROM configs"))  # noqa: S608 - ours
    found = connection.execute(
        f"SELECT {column}, MAX(run_name), MIN(timestamp), MAX(timestamp) FROM metrics GROUP BY {column} "  # noqa: S608
        "ORDER BY MIN(id)"
    ).fetchall()
    for key, name, first, last in found:
        yield _StoredRun(path, (column, row_id, key), name, (first, last), json.loads(configs.pop(key, "{}")))
    created = "SELECT run_name, created_at FROM configs WHERE"
    for key, config in configs.items():  # without rows
        name, at = connection.execute(f"{created} {column} = ?", (key,)).fetchone()
        yield _StoredRun(path, (column, row_id, key), name, (at, at), json.loads(config))


def _is_project(path: Path) -> bool:
    return columns_of(path, "metrics") >= _COLUMNS


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _is_value(value: dict[str, Any]) -> bool:
    """Return True for typed objects, such as tables, and for texts of ours."""
    return "_type" in value or value.keys() == {"text"}


def _config_value(value: Any, *, is_ours: bool) -> Any:
    """A value of the config, with numbers for the texts that Trackio stores for them."""
    if isinstance(value, str):
        return NUMBERS.get(value, value)
    if isinstance(value, list):
        return [_config_value(item, is_ours=is_ours) for item in value]
    if is_ours and (plain := value_of(value)) is not value:
        return plain
    if isinstance(value, dict):
        return {key: _config_value(item, is_ours=is_ours) for key, item in value.items()}
    return value


def _moment(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
