"""Turn the rows of one run back into its journal."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from multitrack.dataset.schema import ARTIFACTS, COMPACTED, LINES, METRICS, PARAMS, POINTS, RUNS, TAGS
from multitrack.journal import encoding
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.prepared import prepared
from multitrack.journal.segments import segment_path
from multitrack.records import (
    DATA,
    ArtifactRef,
    Compacted,
    Digest,
    End,
    Lines,
    ListMetric,
    Metric,
    ModelVersion,
    Params,
    Record,
    Segment,
    Tags,
    Versioning,
    number_to_json,
)
from multitrack.summaries.cache import stamp_of
from multitrack.summaries.cached_runs import CACHE, CachedRun, facts_of
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary
from multitrack.tables import records as shared
from multitrack.tables import schema as tables
from multitrack.tables.schema import Row, TableSchema
from multitrack.tables.values import number_in

#: Tables whose rows are those of the backend ``files``, but for the column ``project``.
_SHARED: Final = (
    (PARAMS, tables.PARAMS), (TAGS, tables.TAGS), (POINTS, tables.POINTS), (LINES, tables.LINES),
)  # fmt: skip


class RunRecords:
    """One run, by its rows in each table.

    Args:
        rows: The rows, by table.
    """

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self._rows = rows
        (row,) = rows[RUNS.name]
        self._run: dict[str, Any] = dict(zip((column.name for column in RUNS.columns), row, strict=True))
        self._manifest = msgspec.json.decode(self._run["manifest"], type=prepared(Manifest))

    def write(self, directory: Path) -> None:
        """Write the manifest and one segment into ``directory``.

        Times never decrease within a segment; those of a run with several writers may, and such a run's records are in
        one segment here.
        """
        write_manifest(directory, self._manifest)
        time, host, pid = msgspec.json.decode(self._run["writer"] or b'[0,"",0]', type=tuple[int, str, int])
        records: list[Record] = [Segment(time=time, segment=1, pid=pid, host=host)]
        records += (record for _, record in sorted(self._records(), key=lambda pair: pair[0]))
        missing = self._run["records"] - sum(_count(record) for record in records)
        if missing > 0:  # replaced by later ones of the same name
            records.append(Compacted(time=records[-1].time, records=missing))
        if self._run["status"] not in ("running", "killed"):
            records.append(End(time=self._run["ended"], status=self._run["status"], models=list(self._models())))
        with segment_path(directory, 1).open("wb") as file:
            file.writelines(map(encoding.encode, records))

    def cache(self, directory: Path) -> None:
        """Write the summary's cache, with what the rows of the run's records do not have."""
        run = self._run
        summary = msgspec.structs.replace(
            Summary.of(directory), series=self._statistics("series"), lists=self._statistics("list"),
            status=run["status"], records=run["records"], lines=run["lines"], mistakes=run["mistakes"],
            gaps=run["gaps"], lost=run["lost"], damaged=run["damaged"], redacted=run["redacted"],
            skipped_epochs=run["skipped_epochs"], skipped_batches=run["skipped_batches"],
        )  # fmt: skip
        found = CachedRun(facts_of(self._manifest), summary, summary.status != "running", [])
        CACHE.write(directory, stamp_of(directory), found)

    def _statistics(self, kind: str) -> dict[str, Statistics]:
        """Return the statistics of series or lists; computed again, sums of integers would be rounded otherwise."""
        found = {}
        for row in (_named(METRICS, row) for row in self._rows[METRICS.name]):
            if row["kind"] == kind:
                first, last, least, most = (
                    number_in(row[name], row[f"{name}_text"]) for name in ("first", "last", "min", "max")
                )
                found[row["name"]] = Statistics(
                    row["count"], 0 if first is None else first, 0 if last is None else last, least, most,
                    row["mean"], row["median"],
                )  # fmt: skip
        return found

    def _records(self) -> Iterator[tuple[int, Record]]:
        """Yield each record with its ordinal, in any order."""
        for table, original in _SHARED:
            for ordinal, rows in self._by_record(table):
                found = shared.records_in(original, [(row[0], *row[2:]) for row in rows])
                for record in _together(one for one in found if isinstance(one, Record)):
                    yield ordinal, _as_json(record)
        for ordinal, rows in self._by_record(ARTIFACTS):
            for row in rows:
                yield ordinal, _reference(_named(ARTIFACTS, row))
        for ordinal, rows in self._by_record(COMPACTED):
            yield ordinal, _compacted([_named(COMPACTED, row) for row in rows])

    def _by_record(self, table: TableSchema) -> Iterator[tuple[int, list[Row]]]:
        place = table.position("ordinal")
        rows = list(self._rows[table.name])
        if table in (TAGS, ARTIFACTS):  # the last of each name, in the order of the first ones
            ordinals = [cast("int", row[place]) for row in rows]
            before = [*itertools.accumulate(reversed(ordinals), min)][::-1]
            rows = [(*row[:place], ordinal) for row, ordinal in zip(rows, before, strict=True)]
        for found, some in itertools.groupby(
            sorted(rows, key=lambda row: _ordinal(row, place)), lambda row: row[place]
        ):
            yield cast("int", found), list(some)

    def _models(self) -> Iterator[ModelVersion]:
        for row in self._rows[ARTIFACTS.name]:
            model = _named(ARTIFACTS, row)["model"]
            if model is not None:
                yield msgspec.json.decode(model, type=prepared(ModelVersion))


def _ordinal(row: Row, place: int) -> int:
    return cast("int", row[place])


def _count(record: Record) -> int:
    """Return for how many data records a record stands."""
    return record.records if isinstance(record, Compacted) else isinstance(record, DATA)


def _together(records: Iterable[Record]) -> Iterator[Record]:
    """Put params, tags and lines of one call back into one record."""
    last: Record | None = None
    for record in records:
        if last is not None and type(record) is type(last) and record.time == last.time:
            if isinstance(record, Params) and isinstance(last, Params) and record.source == last.source:
                last = msgspec.structs.replace(
                    last, values=last.values | record.values, types=last.types | record.types,
                    objects=last.objects | record.objects,
                )  # fmt: skip
                continue
            if isinstance(record, Tags) and isinstance(last, Tags):
                last = msgspec.structs.replace(last, values=last.values | record.values)
                continue
            if isinstance(record, Lines) and isinstance(last, Lines):
                last = msgspec.structs.replace(last, lines=[*last.lines, *record.lines])
                continue
        if last is not None:
            yield last
        last = record
    if last is not None:
        yield last


def _named(table: TableSchema, row: Row) -> dict[str, Any]:
    return dict(zip((column.name for column in table.columns), row, strict=True))


def _as_json(record: Record) -> Record:
    """Return a record whose numbers have the journal's form."""
    if isinstance(record, Metric):
        return msgspec.structs.replace(
            record, values={name: number_to_json(value) for name, value in record.numbers.items()}
        )
    if isinstance(record, ListMetric):
        values = [number_to_json(value) for value in record.numbers]
        return msgspec.structs.replace(record, values=values, index=-1)
    return record


def _reference(row: Mapping[str, Any]) -> ArtifactRef:
    is_model = row["model"] is not None or row["objective"] is not None
    return ArtifactRef(
        time=row["time"], name=row["name"], uri=row["uri"], kind=row["kind"], role=row["role"], digest=row["digest"],
        version=row["version"], size=row["size"], model=Versioning(row["objective"]) if is_model else None,
        schema=None if row["schema"] is None else msgspec.json.decode(row["schema"]),
    )  # fmt: skip


def _compacted(rows: Iterable[Mapping[str, Any]]) -> Compacted:
    rows = list(rows)
    digests = {
        row["name"]: msgspec.json.decode(row["digest"], type=prepared(Digest))
        for row in rows
        if row["name"] is not None
    }
    return Compacted(
        time=rows[0]["until"], records=sum(row["records"] for row in rows), since=rows[0]["since"] or 0,
        metrics=digests, lines=sum(row["lines"] for row in rows),
    )  # fmt: skip
