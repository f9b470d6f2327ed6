"""Read the table that a name stands for: a file, the list metrics of a run, or a dataset that a run read.

A file is read once. Its digest is that of the bytes that were read, and a dataset of a run is refused if the recorded
digest is another one, or there is none. Nothing is fetched: a dataset that is not a local file is refused too.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from multitrack._hints import closest, there_are
from multitrack.errors import DriftError, RunError
from multitrack.journal.provenance import read_regular
from multitrack.reading.opening import open_journal
from multitrack.reading.reader import Identified, JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import DRIFT, ArtifactRef
from multitrack.security.terminal import excerpt


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of a table.

    Attributes:
        name: A name for messages: a path, a run's id, or ``RUN:DATASET``.
        rows: The number of rows.
        run: The id of the run that recorded it, if one did.
        project: The project of that run.
        uri: Where it is; None for a table in memory.
        digest: ``sha256:<hex>`` of the file that was read.
        version: The version: that of a dataset as the run recorded it, or ``run:<id>:<rows>`` for list metrics, which
            only grow.
        size: The file's size in bytes.
    """

    name: str
    rows: int
    run: str | None = None
    project: str | None = None
    uri: str | None = None
    digest: str | None = None
    version: str | None = None
    size: int | None = None


def read_source(
    given: Any, columns: Sequence[str] | None = None, *, journal: str | Path | None = None
) -> tuple[Source, Any]:
    """Read a table.

    Args:
        given: A path, a run, a run's id or name, ``RUN:DATASET``, a DataFrame, or a mapping of names to values. A text
            that is the path of a file is that file.
        columns: The list metrics to read, of a run that has others as well; default: all.
        journal: The journal of the runs; default: the one in the config.

    Returns:
        Its origin, and the table as a DataFrame of pandas.

    Raises:
        DriftError: If it is no table, or has changed since the run recorded it.
        RunError: If no run or several runs match.
        OSError: If a file cannot be read.
    """
    if isinstance(given, str) and not Path(given).is_file():
        run, dataset = _find_run(given, journal)
        return _of_run(run, dataset, columns)
    if isinstance(given, (str, os.PathLike)):
        return _read_file(Path(given).absolute(), str(given))
    if isinstance(given, RecordedRun):
        return _of_run(given, None, columns)
    if isinstance(given, Mapping):
        return _in_memory(_frame(given, "the mapping"))
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return _in_memory(given)
    if isinstance(getattr(given, "id", None), str):
        return _of_run(_open(given, journal).run(given), None, columns)
    raise TypeError(f"expected a path, a run, a DataFrame or a mapping of columns, got {type(given).__qualname__}")


def _open(run: Identified, journal: str | Path | None) -> JournalReader:
    """Open the journal of a run that may be recording, so that its own is known."""
    directory = getattr(run, "directory", None)
    return open_journal(journal if directory is None else directory.parent.parent)


def _find_run(name: str, journal: str | Path | None) -> tuple[RecordedRun, str | None]:
    """Find the run of a name, and the dataset in ``RUN:DATASET``."""
    if Path(name).suffix.lower() in _FORMATS and ":" not in name:
        raise FileNotFoundError(errno.ENOENT, "no such file", name)
    reader = open_journal(journal)
    try:
        return reader.run(name), None
    except RunError as error:
        run, colon, dataset = name.partition(":")
        if colon:
            return reader.run(run), dataset
        raise RunError(f"{excerpt(name)!r} is neither a file nor a run: {error}") from None


def _of_run(run: RecordedRun, dataset: str | None, columns: Sequence[str] | None) -> tuple[Source, Any]:
    datasets = {
        ref.name: ref
        for ref in run.summary().artifacts
        if ref.role == "input" and ref.kind == "dataset" and not ref.name.startswith(DRIFT)
    }
    if dataset is not None:
        if dataset not in datasets:
            known = closest(dataset, list(datasets)) or "; it read none"
            raise DriftError(f"run {run.id} read no dataset {excerpt(dataset)!r}{known}")
        return _read_dataset(run, datasets[dataset])
    lists = run.get_list_metrics()
    if lists:
        return _of_lists(run, lists, columns, list(datasets))
    if len(datasets) == 1:
        return _read_dataset(run, *datasets.values())
    if datasets:
        raise DriftError(f"run {run.id} read several datasets; name one as RUN:DATASET{there_are(list(datasets))}")
    raise DriftError(
        f"run {run.id} recorded no inputs: run.log_list_metric(column, values) does, or "
        'run.log_artifact_ref(name, path, kind="dataset", role="input")'
    )


def _of_lists(
    run: RecordedRun, lists: dict[str, list[float]], columns: Sequence[str] | None, datasets: list[str]
) -> tuple[Source, Any]:
    for name in columns or ():
        if name not in lists:
            other = f"; its datasets are compared as {run.id}:{excerpt(datasets[0])}" if datasets else ""
            raise DriftError(f"run {run.id} has no list metric {excerpt(name)!r}{closest(name, list(lists))}{other}")
    chosen = {name: lists[name] for name in columns or lists}
    frame = _frame(chosen, f"run {run.id}")
    return Source(
        name=run.id, rows=len(frame), run=run.id, project=run.facts.project, uri=run.directory.absolute().as_uri(),
        version=f"run:{run.id}:{len(frame)}",
    ), frame  # fmt: skip


def _frame(columns: Mapping[str, Any], where: str) -> Any:
    """Make a DataFrame of columns that must have one length."""
    import pandas as pd  # noqa: PLC0415 - an extra, and half a second

    lengths = {str(name): len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{excerpt(name)} {length}" for name, length in list(lengths.items())[:8])
        raise DriftError(
            f"the columns of {where} have different lengths, so they are not one table: {shown}; --columns (columns=) "
            "names those that are"
        )
    return pd.DataFrame({str(name): list(values) for name, values in columns.items()})


def _in_memory(frame: Any) -> tuple[Source, Any]:
    return Source(name="a table in memory", rows=len(frame)), frame


def _read_dataset(run: RecordedRun, ref: ArtifactRef) -> tuple[Source, Any]:
    name = f"{run.id}:{ref.name}"
    parts = urlsplit(ref.uri)
    if parts.scheme != "file":
        raise DriftError(
            f"{name} is at {excerpt(ref.uri)}, and only local files are compared; download it and give its path"
        )
    path = Path(os.fsdecode(unquote_to_bytes(parts.path)))
    if ref.digest is None or not ref.digest.startswith("sha256:"):  # a journal from elsewhere may name any file
        raise DriftError(f"{name}: no sha256 of {path} was recorded; give the path to compare the file as it is")
    source, frame = _read_file(path, name, recorded=ref.digest)
    facts = {"run": run.id, "project": run.facts.project, "uri": ref.uri, "version": ref.version}
    return msgspec.structs.replace(source, **facts), frame


def _read_file(path: Path, name: str, recorded: str | None = None) -> tuple[Source, Any]:
    read = _FORMATS.get(path.suffix.lower())
    if read is None:
        raise DriftError(f"{path}: not a table by its name; known are {', '.join(_FORMATS)}")
    try:
        content = read_regular(path, path.stat().st_size)
    except ValueError:
        raise DriftError(f"{path} is being written; compare it when it is whole") from None
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if recorded is not None and digest != recorded:
        raise DriftError(
            f"{name}: {path} has changed since it was recorded: its digest is {digest} now, and was {recorded}; "
            "restore it, or give the path to compare the file as it is"
        )
    try:
        frame = read(io.BytesIO(content))
    except ImportError:
        raise
    except Exception as error:
        raise DriftError(f"{path} cannot be read as {path.suffix[1:].lower()}: {excerpt(str(error), 300)}") from error
    return Source(name=name, rows=len(frame), uri=path.as_uri(), digest=digest, size=len(content)), frame


def _csv(content: io.BytesIO) -> Any:
    import pandas as pd  # noqa: PLC0415 - an extra, and half a second

    return pd.read_csv(content)


def _parquet(content: io.BytesIO) -> Any:
    import pandas as pd  # noqa: PLC0415 - as above

    return pd.read_parquet(content, engine="pyarrow")


def _json(content: io.BytesIO) -> Any:
    """Read a list of rows, or a mapping of columns. Not with pandas, which takes names such as "modified" for times."""
    import pandas as pd  # noqa: PLC0415 - as above

    return pd.DataFrame(json.load(content))


def _json_lines(content: io.BytesIO) -> Any:
    import pandas as pd  # noqa: PLC0415 - as above

    return pd.DataFrame([json.loads(line) for line in content if line.strip()])


#: Readers of files, by the end of the file's name.
_FORMATS: Final[Mapping[str, Callable[[io.BytesIO], Any]]] = {
    ".csv": _csv, ".parquet": _parquet, ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines,
}  # fmt: skip
