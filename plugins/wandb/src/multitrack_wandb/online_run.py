"""A run at a server, as W&B's public API gives it: its rows, lines, artifacts and files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.records import ArtifactRef, Lines
from multitrack_wandb.facts import Artifact, Entry, Facts
from multitrack_wandb.online_facts import read_facts
from multitrack_wandb.public_api import PublicApi
from multitrack_wandb.run_records import artifact_references, has_references, is_ours, is_usual

#: Steps that a request for rows covers, but at most a thousand requests for a run with steps far apart.
STEPS_A_PAGE: Final = 10_000
_MOST_PAGES: Final = 1000
LINES_A_PAGE: Final = 1000
#: Files of an artifact up to which each has a reference of its own.
MOST_ENTRIES: Final = 100
#: The level and the time that the SDK puts before a line that it sends.
_SENT: Final = re.compile(r"(ERROR )?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?: |$)")
_LOG: Final = "output.log"


class OnlineRun:
    """A run at a server.

    Args:
        api: The server.
        native: The SDK's object.

    Attributes:
        name: The words for it in messages.
        facts: Its facts.
        files: URL of the page with its files.
    """

    def __init__(self, api: PublicApi, native: Any) -> None:
        self._api, self._native = api, native
        self.name = f"run {native.id}"
        self.facts: Facts = api.ask(f"{self.name} cannot be read", read_facts, native)
        self.files = f"{self.facts.url}/files"
        self._rows = 0
        counted = getattr(native, "history_line_count", None)
        self._counted = counted if isinstance(counted, int) else 0

    def rows(self) -> Iterator[tuple[dict[str, Any], int | None]]:
        """Yield all rows with their steps.

        Raises:
            SourceError: If the server stops to answer, or the SDK gives no row of those that the server counts.
        """
        failure = f"{self.name}: its history cannot be read"
        last = self.facts.summary.get("_step")
        steps = int(last) if isinstance(last, (int, float)) else 0
        self._rows = 0
        for row in self._api.pages(
            failure, self._native.scan_history,
            page_size=max(STEPS_A_PAGE, steps // _MOST_PAGES), use_cache=False,
        ):  # fmt: skip
            self._rows += 1
            step = row.pop("_step", None)
            # A column that the row does not have comes as null.
            yield {key: value for key, value in row.items() if value is not None}, None if step is None else int(step)
        if self._counted and not self._rows:
            raise SourceError(
                f"{failure}: W&B counts {self._counted} rows, and its SDK gives none of them; wandb 0.27.1 and 0.27.2 "
                "do so if W&B has not exported them yet: install another release"
            )

    def gaps(self) -> Iterator[Gap]:
        """Yield what is left out, after the rows were read."""
        if self._rows < self._counted:
            yield Gap(f"history: W&B counts {self._counted} rows, and its public API gave {self._rows}")
        if self._native.system_metrics:
            yield Gap("system metrics left out")

    def lines(self, time: int) -> Iterator[Lines]:
        """Yield the lines of the log: from the server's log if SDK and server know how, else from the file.

        Args:
            time: Time of lines without one (ms).

        Raises:
            SourceError: If they cannot be read.
        """
        failure = f"{self.name}: its lines cannot be read"
        if hasattr(self._native, "console_logs"):
            pages = self._api.pages(failure, self._native.console_logs, per_page=LINES_A_PAGE)
            try:
                line = next(pages, None)
            except SourceError:  # servers before 0.77 do not know the question; the file's error is raised otherwise
                pass
            else:
                while line is not None:
                    moment = time if line.timestamp is None else round(line.timestamp.timestamp() * 1000)
                    yield self._line(line.content, moment, is_error=line.level == "error")
                    line = next(pages, None)
                return
        for file in self._api.pages(failure, self._native.files, [_LOG]):
            with tempfile.TemporaryDirectory() as scratch:
                self._api.ask(failure, file.download, scratch, api=self._api.api).close()
                yield from self._lines_of(Path(scratch, _LOG), time)

    def references(self, time: int) -> Iterator[ArtifactRef | Gap]:
        """Yield references to artifacts that the run logged or used, and to files that were saved with it.

        They are less than the rest of the run: a gap says which of them a server does not hand out.

        Args:
            time: Time of the references (ms).
        """
        if not has_references(self.facts):
            yield from self._artifacts("output", self._native.logged_artifacts, time)
            yield from self._artifacts("input", self._native.used_artifacts, time)
        try:
            for file in self._api.pages("files left out", self._native.files):
                if not is_usual(file.name):
                    uri = f"{self.files}/{quote(file.name)}"
                    yield ArtifactRef(time=time, name=file.name, uri=uri, size=file.size)
        except SourceError as error:
            yield Gap(str(error))

    def _artifacts(self, role: Literal["output", "input"], listed: Any, time: int) -> Iterator[ArtifactRef | Gap]:
        try:
            for native in self._api.pages(f"{role} artifacts left out", listed):
                if not native.type.startswith("wandb-"):  # W&B's own, such as copies of the history
                    yield from self._artifact(native, role, time)
        except SourceError as error:
            yield Gap(str(error))

    def _artifact(self, native: Any, role: Literal["output", "input"], time: int) -> Iterator[ArtifactRef | Gap]:
        name, _, version = native.name.rpartition(":")
        artifact = Artifact(name, native.type, role, version=f":{version}")
        count = native.file_count
        if count > MOST_ENTRIES:
            yield Gap(f"artifact {native.name}: {count} files, kept as one reference")
        else:
            try:
                manifest = self._api.ask(f"artifact {native.name}: its files are unknown", getattr, native, "manifest")
            except SourceError as error:
                yield Gap(str(error))
            else:
                artifact.entries = [
                    Entry(str(path), entry.ref or "", entry.digest or "", entry.size or 0)
                    for path, entry in manifest.entries.items()
                ]
        yield from artifact_references(artifact, f"{native.entity}/{native.project}", time)

    def _lines_of(self, path: Path, time: int) -> Iterator[Lines]:
        """Yield the lines of a downloaded log, which has the SDK's times if no session uploaded it as a whole."""
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            is_sent = all(_SENT.match(text) for text in file)
            file.seek(0)
            for text in file:
                found = _SENT.match(text) if is_sent else None
                line = text.removesuffix("\n")[0 if found is None else found.end() :]
                yield self._line(line, time, is_error=found is not None and found[1] is not None)

    def _line(self, text: str, time: int, *, is_error: bool) -> Lines:
        """A line; of what was overwritten on a terminal, the last state."""
        shown = text if is_ours(self.facts) else text.removesuffix("\r").rpartition("\r")[2]
        return Lines(time=time, lines=[shown], stream="stderr" if is_error else "stdout")
