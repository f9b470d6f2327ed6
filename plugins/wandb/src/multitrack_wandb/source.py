"""Read the runs in ``.wandb`` files, of offline and of online runs, without the SDK and without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.records import ArtifactRef, Lines
from multitrack_wandb.history import History
from multitrack_wandb.lines import LineJoiner
from multitrack_wandb.log_format import has_header
from multitrack_wandb.run_records import artifact_references, first_records, has_references, is_usual, run_of
from multitrack_wandb.stored_run import Alert, StoredFacts, read_facts, read_stream


class WandbFiles:
    """The runs of a directory with ``.wandb`` files.

    Args:
        places: ``.wandb`` files, directories of runs, the directory ``wandb`` of a project, or the project's directory.
        address: The pattern that named the places; default: the first of them.

    Attributes:
        tracker: ``wandb``.
        address: The first of the places, or the pattern that named them.
        notes: None.

    Raises:
        SourceError: If there is no such file.
    """

    tracker = "wandb"
    notes = ()

    def __init__(self, *places: Path, address: str | None = None) -> None:
        self.address = address or (str(places[0]) if places else "no directory")
        self._paths = [path for place in places for path in find_files(place)]
        self._current: tuple[StoredFacts, list[Path]] | None = None
        if not self._paths:
            raise SourceError(f"{self.address} has no .wandb files: name one, or the directory wandb of a project")

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs by the names of their directories, which begin with their start times."""
        by_run: dict[tuple[str, str, str], list[Path]] = {}
        for path in self._paths:
            try:
                facts = read_facts([path])
            except OSError as error:
                yield Gap(f"{path}: {error.strerror}; it was not imported")
                continue
            if not facts.id:
                yield Gap(f"{path}: has no run in it; it was not imported")
                continue
            by_run.setdefault((facts.entity, facts.project, facts.id), []).append(path)
        for paths in by_run.values():
            facts = read_facts(paths)
            self._current = facts, paths
            yield run_of(facts)

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then rows and lines in their order, then the rest."""
        assert self._current is not None  # noqa: S101 - a run was read
        facts, paths = self._current
        start = run.created
        yield from first_records(facts, start)
        yield from _references(facts, start)
        ours = run.run_id is not None
        history, lines = History(is_ours=ours), LineJoiner(start, is_ours=ours)
        time = start
        for path in paths:
            history.files = (path.parent / "files").as_uri()
            for each in read_stream(path):
                if isinstance(each, Alert):  # which has no time of its own
                    text = f"alert {each.level or 'INFO'}: {each.title}: {each.text}"
                    yield Lines(time=time, lines=text.split("\n"))
                    continue
                first, second = each
                if isinstance(first, dict):
                    for record in history.records(first, second if isinstance(second, int) else None, time):
                        time = record.time
                        yield record
                else:
                    time = max(time, first or 0)
                    yield from lines.add(str(second), first or time)
        yield from lines.rest()
        yield from history.summary(facts.summary, run.ended or time)
        yield from history.gaps()
        if facts.stats:
            yield Gap(f"system metrics left out ({facts.stats} records)")
        yield from map(Gap, facts.damage)

    def close(self) -> None:
        """Do nothing: every file is closed."""


def find_files(place: Path) -> list[Path]:
    """Return the ``.wandb`` files of a place: a file, a run's directory, or a directory with those of runs."""
    if place.is_file():
        return [place] if place.suffix == ".wandb" and has_header(place) else []
    for pattern in ("*.wandb", "*run-*/*.wandb", "wandb/*run-*/*.wandb"):
        # Next to the runs is latest-run, a link to one of them.
        found = {path.resolve(): path for path in place.glob(pattern) if not path.parent.is_symlink()}
        if found:
            return sorted(found.values(), key=lambda path: (path.parent.name.partition("run-")[2], path.name))
    return []


def _references(facts: StoredFacts, time: int) -> Iterator[ArtifactRef]:
    if not has_references(facts):
        for artifact in facts.artifacts.values():
            yield from artifact_references(artifact, facts.scope, time)
    for name, path in facts.saved.items():
        if not is_usual(name) and path.is_file():
            yield ArtifactRef(time=time, name=name, uri=path.as_uri(), size=path.stat().st_size)
