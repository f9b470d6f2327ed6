"""Rows of W&B's history as points, and its summary as simple metrics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from multitrack.hookspecs import Gap, SourceRecord
from multitrack.records import ArtifactRef, Metric, Tags
from multitrack.sources.rows import flat_row, number_in
from multitrack_wandb.names import STEP

#: Columns of W&B's own.
_OWN: Final = {"_step", "_timestamp", "_runtime", "_wandb", STEP}
_EXACT: Final = "exact "


class History:
    """The history of a run, row by row.

    Args:
        is_ours: True if multitrack wrote the run: its steps and exact numbers are in columns of their own then.

    Attributes:
        files: URI of the directory of the run's files, to which media refer.
    """

    files: str

    def __init__(self, *, is_ours: bool) -> None:
        self._is_ours = is_ours
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._last: dict[str, int | float] = {}
        self._row = 0

    def records(self, row: dict[str, Any], step: int | None, before: int) -> Iterator[Metric | ArtifactRef]:
        """Yield the points of a row, and references to its media.

        Args:
            row: The row without ``_step``.
            step: Its step; None if it has none.
            before: Time of the row before it (ms), for a row without a time.
        """
        time = row.get("_timestamp")
        moment = round(time * 1000) if isinstance(time, (int, float)) else before
        step = self._row if step is None else step
        self._row = step + 1
        if self._is_ours and isinstance(row.get(STEP), (int, float)):  # a server may have it as a double
            step = int(row[STEP])
        values: dict[str, int | float | str] = {}
        for key, value in flat_row(row, _is_media):
            if key in _OWN or (self._is_ours and key.startswith(_EXACT)):
                continue
            if isinstance(value, dict):
                yield from self._media(key, value, moment)
                continue
            number = number_in(value)
            if number is None:
                self._left_out[key, _kind(value)] += 1
                continue
            if self._is_ours and isinstance(exact := row.get(f"{_EXACT}{key}"), str):
                number = int(exact)
            name = _original(key) if self._is_ours else key
            values[name] = self._last[name] = number
        if values:
            yield Metric(time=moment, values=values, step=step)

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each kind of values that were left out."""
        for (key, kind), count in self._left_out.items():
            yield Gap(f"history {key}: {kind} left out, which a series cannot hold ({count})")

    def summary(self, summary: dict[str, Any], time: int) -> Iterator[SourceRecord]:
        """Yield those values of the summary that are not just the last ones of the history, as simple metrics.

        Args:
            summary: The summary.
            time: The run's end (ms).
        """
        values: dict[str, int | float | str] = {}
        texts: dict[str, str] = {}
        for key, value in flat_row(summary, _is_media):
            if (
                key in _OWN
                or key.startswith(("_wandb.", "_wandb/"))
                or (self._is_ours and key.startswith((_EXACT, "figures/")))
            ):
                continue
            number = number_in(value)
            exact = summary.get(f"{_EXACT}{key}")
            if self._is_ours and isinstance(exact, str) and re.fullmatch(r"-?\d+", exact):
                number = int(exact)
            name = _original(key) if self._is_ours else key
            if number is None:
                if isinstance(value, str):
                    texts[f"summary/{name}"] = value
                elif not isinstance(value, dict):  # media, to which the history has references
                    yield Gap(f"summary {key}: {_kind(value)} left out")
            elif repr(self._last.get(name)) != repr(number):
                values[name] = number
        if values:
            yield Metric(time=time, values=values)
        if texts:
            yield Tags(time=time, values=texts)
        for name in texts:
            yield Gap(f"{name.replace('/', ' ', 1)}: a text, kept as tag {name}")

    def _media(self, key: str, value: dict[str, Any], time: int) -> Iterator[ArtifactRef]:
        """Yield references to the files of an image, a table and the like."""
        kind = str(value.get("_type"))
        paths = [value["path"]] if isinstance(value.get("path"), str) else value.get("filenames")
        if not isinstance(paths, list) or self._is_ours:
            if not self._is_ours:
                self._left_out[key, f"of W&B's type {kind}"] += 1
            return
        for path in paths:
            yield ArtifactRef(
                time=time, name=f"{key}/{PurePosixPath(path).name}", uri=f"{self.files}/{quote(str(path))}",
                kind="figure" if kind.startswith("image") else kind,
            )  # fmt: skip


def _is_media(value: dict[str, Any]) -> bool:
    return "_type" in value


def _kind(value: Any) -> str:
    names = {str: "texts", list: "lists", dict: "mappings", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _original(key: str) -> str:
    """The name of a metric that multitrack had to call otherwise (:func:`multitrack_wandb.names.metric_key`)."""
    return key.removeprefix("metric ") if re.match(r"(?:metric )+(?:exact |figures/|multitrack/step|_)", key) else key
