"""Write a run with goodseed's public functions, for releases with another file.

They write the time of their call, and cannot open a run again that was killed. So the run is written anew, from the
journal's start, whenever a courier opens it; and the recorded times go beside the numbers and texts, into ``times/``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from multitrack.plugins import import_sdk
from multitrack.records import Status
from multitrack_goodseed.names import EXACT, OWN, TAGS, TIMES, name_of
from multitrack_goodseed.rows import Point, Rows, Single, Text
from multitrack_goodseed.steps import place
from multitrack_goodseed.values import drawn, exact_text, is_exact, utc

_STAND_IN: Final = f"times: this release of goodseed stores those of the delivery; the recorded ones are in {TIMES}"


class PublicWriter:
    """One run, written with goodseed's public functions.

    Args:
        home: goodseed's home directory.
        path: The run's file.
        project: goodseed's project.
        run_id: The run's id in goodseed.
        created: Start of the run (ms).
    """

    def __init__(self, home: Path, path: Path, project: str, run_id: str, created: int) -> None:
        self.id = run_id
        self._home = home
        self._path = path
        self._project = project
        self._created = created
        self._run: Any = None
        self._tags: dict[str, str] = {}
        self._last: dict[tuple[str, int], float] = {}

    def open(self, identity: list[Single], segment: int) -> int:  # noqa: ARG002 - written anew in any case
        """Remove what is there of the run, and create it."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        names = {single.path: single.value for single in identity}
        self._run = import_sdk("goodseed").Run(
            goodseed_home=self._home, project=self._project, run_id=self.id, name=names["sys/name"],
            created_at=utc(self._created), storage="local", git_ref=False, capture_hardware_metrics=False,
            capture_stdout=False, capture_stderr=False, capture_traceback=False,
        )  # fmt: skip
        self._set(identity)
        return 0

    def write(self, rows: Rows, position: int) -> int:  # noqa: ARG002 - kept nowhere
        """Write the rows, and return 0: if the process died now, the run would be written anew."""
        self._set(rows.singles)
        tags = {single.path: str(single.value) for single in rows.singles if single.path.startswith(TAGS)}
        if tags:
            self._tags |= tags
            found = {f"{name_of(path.removeprefix(TAGS))}:{value}" for path, value in self._tags.items()}
            self._run.log_configs({"sys/tags": found}, flatten=False)
        for point in rows.points:
            self._add(point)
        for text in rows.texts:
            self._add_text(text)
        return 0

    def end(self, status: Status, time: int) -> list[str]:
        """Close the run; goodseed writes the time of this call, and the recorded one is in ``multitrack/ended``."""
        self._set([Single(f"{OWN}status", status, time), Single(f"{OWN}ended", utc(time), time)])
        self._run.close(status="failed" if status == "killed" else status)
        return [_STAND_IN]

    def _set(self, singles: list[Single]) -> None:
        self._run.log_configs({single.path: single.value for single in singles}, flatten=False)

    def _add(self, point: Point) -> None:
        number = drawn(point.value)
        key = point.path, point.step
        step = None if number is None else place(point.step, self._last.get(key))
        if step is not None:
            if point.repeats:
                self._last[key] = step
            self._run.log_metrics({point.path: number}, step=step)
            self._run.log_strings({f"{TIMES}{point.path}": utc(point.time)}, step=step)
            if is_exact(point.value):
                return
        text = exact_text(point.step, point.value, step)
        self._add_text(Text(f"{EXACT}{point.path}", point.exact_step, text, point.time))

    def _add_text(self, text: Text) -> None:
        self._run.log_strings({text.path: text.text, f"{TIMES}{text.path}": utc(text.time)}, step=text.step)
