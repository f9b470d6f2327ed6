"""Write a run into goodseed's file, with its own times, each record once.

Each batch is one transaction with the position behind it. So the file knows exactly which records it has, and the lane
continues there. The place of a repeated step follows from the points that are in the file before it.
"""

from __future__ import annotations

from pathlib import Path

from multitrack.errors import RetryableError
from multitrack.records import Status
from multitrack_goodseed.database import RunFile
from multitrack_goodseed.internals import Create
from multitrack_goodseed.names import EXACT, OWN, TAGS, name_of
from multitrack_goodseed.rows import Point, Rows, Single, Text
from multitrack_goodseed.steps import place
from multitrack_goodseed.values import drawn, exact_text, is_exact, utc

_POSITION = f"{OWN}position"
_SEGMENT = f"{OWN}segment"


class DatabaseWriter:
    """One run, written into its file.

    Args:
        create: Creates the file.
        path: The file.
        project: goodseed's project.
        run_id: The run's id in goodseed.
        created: Start of the run (ms).
    """

    def __init__(self, create: Create, path: Path, project: str, run_id: str, created: int) -> None:
        self.id = run_id
        self._create = create
        self._path = path
        self._meta = {"run_id": run_id, "project": project, "created_at": utc(created), "status": "running"}

    def open(self, identity: list[Single], segment: int) -> int:
        """Create the run or find it, write its identity, and return the ordinal from which records are needed.

        A run that was resumed is written anew: after a power cut its journal may have lost records that the file has.
        """
        self._create(self._path)
        with RunFile(self._path) as file:
            held = file.meta()
            position = int(held.get(_POSITION, 0)) if held.get(_SEGMENT) == str(segment) else 0
            if position == 0:
                file.clear()
            names = {single.path: single.value for single in identity}
            own = {"name": str(names["sys/name"]), _POSITION: str(position), _SEGMENT: str(segment)}
            file.set_meta({**self._meta, **own, "closed_at": None})
            file.remove(["sys/closed_time", f"{OWN}ended"])
            file.set_singles(identity)
        return position

    def write(self, rows: Rows, position: int) -> int:
        """Write the rows, and the position behind them, in one transaction.

        Raises:
            RetryableError: The file was deleted; the run is delivered again from the start.
        """
        with self._file() as file:
            file.set_singles(rows.singles)
            if any(single.path.startswith(TAGS) for single in rows.singles):
                file.set_singles([_all_tags(file.texts_below(TAGS), rows.singles[-1].time)])
            texts = list(rows.texts)
            for point in rows.points:
                texts += _add(file, point)
            for text in texts:
                file.add_text(text)
            file.set_meta({_POSITION: str(position)})
        return position

    def end(self, status: Status, time: int) -> list[str]:
        """Write status and end time. goodseed knows no killed runs: they have failed."""
        state = "failed" if status == "killed" else status
        singles = {"sys/state": state, "sys/closed_time": utc(time), f"{OWN}ended": utc(time), f"{OWN}status": status}
        with self._file() as file:
            file.set_meta({"status": state, "closed_at": utc(time)})
            file.set_singles([Single(path, value, time) for path, value in singles.items()])
            repeated = file.series_between_steps()
        return [
            f"metric {name_of(path)}: goodseed keeps one number for a step; repeated ones are kept at step + n·2⁻²⁰"
            for path in repeated
        ]

    def _file(self) -> RunFile:
        if not self._path.exists():
            raise RetryableError(f"{self._path} was deleted", reopen=True)
        return RunFile(self._path)


def _add(file: RunFile, point: Point) -> list[Text]:
    """Add a point to its series, and return the text for a point that the series cannot hold."""
    number, step = drawn(point.value), None
    if number is not None:
        series = file.series(point.path)
        step = place(point.step, file.last_step(series, point.step) if point.repeats else None)
        if step is not None:
            file.add_number(series, step, number, point.time)
            if is_exact(point.value):
                return []
    text = exact_text(point.step, point.value, step)
    return [Text(f"{EXACT}{point.path}", point.exact_step, text, point.time)]


def _all_tags(tags: dict[str, str], time: int) -> Single:
    """Return goodseed's own tags, a set of texts."""
    found = frozenset(f"{name_of(path.removeprefix(TAGS))}:{value}" for path, value in tags.items())
    return Single("sys/tags", found, time)
