"""Check whether the data that a run read is here, and find the commands that restore it.

Data is compared by its recorded digest; without one, by the version that its tool states. Only files are read: DVC, Git
LFS and the others run when the user runs the commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.compare.rerun import quoted
from multitrack.data_versions import delta, dvc, git, hugging_face
from multitrack.errors import JournalError
from multitrack.inputs.references import describe, digest_of, files_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef
from multitrack.reproduce.places import Places

State = Literal["unchanged", "changed", "missing", "not checked"]
#: Finders of versions that read only the tool's files, and their prefixes.
_FINDERS: Final[dict[str, Callable[[Path], str | None]]] = {
    "dvc:": lambda path: dvc.find_data_version(path, None),
    "delta:": delta.find_data_version,
    "hf:": hugging_face.find_data_version,
}
#: States of data that is to be restored.
_TO_RESTORE: Final = ("changed", "missing")
_GIT: Final = re.compile(r"git:([0-9a-f]{40,64}):(.+)", re.DOTALL)


class InputData(msgspec.Struct, frozen=True):
    """Data that a run read.

    Attributes:
        name: The reference's name.
        uri: Its recorded location.
        version: Its recorded version, or its digest; None if neither was recorded.
        state: ``unchanged``: the data here is that of the run; ``changed``; ``missing``; ``not checked``.
        path: The local path that the reproduction reads it at; None for a remote URI.
        digest: Its recorded digest, if there is one.
        restore: Commands for a shell that restore it.
        note: What else there is to know.
    """

    name: str
    uri: str
    version: str | None
    state: State
    path: str | None = None
    digest: str | None = None
    restore: list[str] = []
    note: str = ""


def inputs_of(run: RecordedRun) -> list[ArtifactRef]:
    """The input references of a run and of its ancestors; of several with one name, the nearest one's."""
    found: dict[str, ArtifactRef] = {}
    current, seen = run, set[str]()
    while True:
        seen.add(current.id)
        for reference in current.summary().artifacts:
            if reference.role == "input":
                found.setdefault(reference.name, reference)
        parent = current.manifest.parent
        if current.manifest.context is not None or parent is None or parent in seen:
            return list(found.values())
        try:
            current = run.relatives.run(run.directory.parent / parent)
        except JournalError:
            return list(found.values())


def local_paths(references: Sequence[ArtifactRef]) -> list[str]:
    """The local paths of references."""
    return [str(path) for path in map(_local_path, references) if path is not None]


def check_data(reference: ArtifactRef, places: Places, repository: Path | None) -> InputData:
    """Check data at the place where the reproduction reads it; reads all of it if its size is the recorded one.

    Args:
        reference: The run's reference.
        places: The prepared directory.
        repository: The local repository that the checkout was made from.
    """
    shown = reference.version or reference.digest
    path = _local_path(reference)
    if path is None:
        return InputData(reference.name, reference.uri, shown, "not checked", note=_remote(reference.version or ""))
    place = places.place(str(path)) or path
    # a link in the checkout may lead to another repository, whose settings could name programs that git runs
    in_source = place.is_relative_to(places.source) and place.resolve().is_relative_to(places.source.resolve())
    state, note = _compare(place, reference, in_source=in_source)
    restore: list[str] = []
    if state in _TO_RESTORE:
        if in_source:
            restore, note = _from_repository(reference.version or "", place, places.source, repository)
        if not restore and place != path and _compare(path, reference, in_source=False)[0] == "unchanged":
            copy = f"cp -R --reflink=auto -- {quoted(str(path))} {quoted(str(place))}"
            restore = [f"mkdir -p {quoted(str(place.parent))}", copy]
            note = "copied from its recorded place"
        elif not restore:
            note = note or f"bring it to {place}"
    elif state == "not checked" and not note:
        note = "neither a digest nor a version that can be compared was recorded"
    return InputData(reference.name, reference.uri, shown, state, str(place), reference.digest, restore, note)


def still_missing(data: Sequence[InputData]) -> list[InputData]:
    """The data that was missing or changed when the directory was prepared, and is missing now."""
    return [one for one in data if one.state in _TO_RESTORE and one.path is not None and not Path(one.path).exists()]


def still_changed(data: Sequence[InputData]) -> list[InputData]:
    """The data that was missing or changed then, and has another digest than the recorded one now; reads all of it."""
    found = []
    for one in data:
        if one.state in _TO_RESTORE and one.path is not None and one.digest is not None and Path(one.path).exists():
            try:
                same = digest_of(Path(one.path))[0] == one.digest
            except OSError:
                same = False
            found += [] if same else [one]
    return found


def _local_path(reference: ArtifactRef) -> Path | None:
    if not reference.uri.startswith("file:"):
        return None
    try:
        return describe(reference.uri, digest=False).path
    except (ValueError, OSError):  # not a URI that multitrack writes
        return None


def _remote(version: str) -> str:
    if version.startswith(("lakefs:branch:", "hf:branch:")):
        return f"the URI names a branch or tag ({version}), which may have moved"
    if version.startswith(("lakefs:commit:", "hf:commit:", "s3:")):
        return "the URI names this version" if not version.startswith("s3:") else f"read the object's version {version}"
    return "it is not on this machine"


def _compare(path: Path, reference: ArtifactRef, *, in_source: bool) -> tuple[State, str]:
    """Compare data with what was recorded; also what kept it from being compared."""
    version = reference.version or ""
    try:
        if not path.exists():
            return "missing", ""
        if reference.digest is not None and reference.digest.startswith("sha256:"):
            if reference.size is not None and reference.size != sum(file.stat().st_size for file in files_of(path)):
                return "changed", ""
            return ("unchanged" if digest_of(path)[0] == reference.digest else "changed"), ""
        finder = next((find for prefix, find in _FINDERS.items() if version.startswith(prefix)), None)
        if finder is None and in_source and version.startswith("git:"):  # git runs in our own checkout alone
            finder = git.find_data_version
        if finder is None:
            return "not checked", ""
        return ("unchanged" if finder(path) == version else "changed"), ""
    except OSError as error:
        return "not checked", f"it cannot be read: {error.strerror or error}"


def _from_repository(version: str, place: Path, source: Path, repository: Path | None) -> tuple[list[str], str]:
    """The commands that restore data inside of the checkout, and a note."""
    inside = str(place.relative_to(source))
    if version.startswith("dvc:"):
        return _from_dvc(version, place, source, repository)
    if version.startswith("lfs:"):
        return [f"git -C {quoted(str(source))} lfs pull --include {quoted(inside)}"], ""
    if (found := _GIT.fullmatch(version)) is not None:
        return [f"git -C {quoted(str(source))} checkout {found[1]} -- {quoted(inside)}"], ""
    if version.startswith("delta:"):
        return [], f"bring the table to {place}, and read version {version.removeprefix('delta:')} of it"
    return [], ""


def _from_dvc(version: str, place: Path, source: Path, repository: Path | None) -> tuple[list[str], str]:
    """``dvc checkout`` from the cache of the local repository if there is one, else ``dvc pull``."""
    stated = dvc.find_data_version(place, None) if not place.exists() else version
    note = "" if stated == version else f"DVC's files in the commit state {stated or 'no version of it'}"
    folders = [folder for folder in place.parents if folder.is_relative_to(source) and (folder / ".dvc").is_dir()]
    if not folders:
        return [], note
    project = folders[0]
    command = f"dvc --cd {quoted(str(project))}"
    target = quoted(str(place.relative_to(project)))
    cache = None if repository is None else repository / project.relative_to(source) / ".dvc" / "cache"
    if cache is None or not cache.is_dir():
        return [f"{command} pull {target}"], note
    return [f"{command} cache dir --local {quoted(str(cache))}", f"{command} checkout {target}"], note
