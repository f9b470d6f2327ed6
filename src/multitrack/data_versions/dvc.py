"""The version of data that DVC tracks: the hash in the ``.dvc`` file or ``dvc.lock`` beside or above it.

DVC's files are YAML, which PyYAML reads (the extra ``yaml``): a second reader of a part of YAML would be one more thing
to be wrong about a version.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack._hints import to_install
from multitrack.data_versions.places import above, read_text
from multitrack.markers import hookimpl

log = logging.getLogger("multitrack")

#: Maximum bytes of a YAML file, and of a list of a directory's files.
_LONGEST: Final = 8 << 20
_LONGEST_LIST: Final = 256 << 20


class _Out(NamedTuple):
    """Data that DVC tracks.

    Attributes:
        path: Its path.
        md5: Its hash; that of a directory ends in ``.dir``.
        size: Its size in bytes, if stated.
        file: The file that states it.
        root: The folder of that file's project.
    """

    path: Path
    md5: str
    size: int | None
    file: Path
    root: Path


def is_near(path: Path) -> bool:
    """Return True if a file of DVC's may track a path; two or three stat calls a folder."""
    places = (path, path.resolve()) if path.is_symlink() else (path,)
    return any(next(_files(place), None) is not None for place in places)


@hookimpl
def find_data_version(path: Path | None, digest: str | None) -> str | None:
    """Return ``dvc:md5:<hash>``, for a part of a tracked directory ``dvc:md5:<hash>.dir:<path in it>``.

    None if DVC does not track it, or if its content has changed since: then the hash in DVC's file is not its version.
    The content is read if there is a digest; otherwise only the size is compared. Data that is not on this machine has
    the version that the file states.
    """
    if path is None:
        return None
    if next(_files(path), None) is None:
        path = path.resolve()  # a link from outside of the project, not one into the cache
    for out in _outs(path):
        if not _holds(out, path, read=digest is not None):
            log.warning(
                "multitrack: %s differs from what %s states: recorded without DVC's version; `dvc status` shows more",
                path, out.file,
            )  # fmt: skip
            return None
        part = path.relative_to(out.path).as_posix()
        return f"dvc:md5:{out.md5}{'' if part == '.' else f':{part}'}"
    return None


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the files of DVC that may track a path, the nearest first, with the folder of their project."""
    folders = above(path)
    root = next((one for one in folders if os.path.isdir(f"{one}/.dvc")), None)  # noqa: PTH112 - each call waits for it
    if root is None:
        return
    for tracked, folder in zip((path, *folders), folders, strict=False):
        for file in (folder / f"{tracked.name}.dvc", folder / "dvc.lock"):
            if file.is_file():
                yield file, root
        if folder == root:
            return


def _outs(path: Path) -> Iterator[_Out]:
    """Yield what DVC's files state of a path, or of a directory that holds it."""
    for file, root in _files(path):
        for folder, entries in _entries(file):
            for entry in entries if isinstance(entries, list) else ():
                if not isinstance(entry, dict) or not isinstance(entry.get("md5"), str):
                    continue
                place = Path(os.path.normpath(folder / str(entry.get("path"))))
                if path == place or place in path.parents:
                    size = entry.get("size")
                    yield _Out(place, entry["md5"], size if isinstance(size, int) else None, file, root)


def _entries(file: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the lists of a file, each with the folder that its paths begin at."""
    content = _yaml(file)
    if file.name != "dvc.lock":
        yield file.parent / str(content.get("wdir", ".")), content.get("outs")
        return
    folders = _folders_of_stages(file.with_name("dvc.yaml"))
    stages = content.get("stages")
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict):
            folder = file.parent / folders.get(str(name).partition("@")[0], ".")
            yield folder, stage.get("outs")  # not its deps: DVC has their hashes, but does not keep them


def _folders_of_stages(file: Path) -> dict[str, str]:
    """Return the working directories of stages, by name, which stand in ``dvc.yaml`` alone."""
    stages = _yaml(file).get("stages")
    return {
        str(name): stage["wdir"]
        for name, stage in (stages.items() if isinstance(stages, dict) else ())
        if isinstance(stage, dict) and isinstance(stage.get("wdir"), str)
    }


def _yaml(file: Path) -> dict[str, Any]:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        log.warning("multitrack: %s is not read, so no DVC version is known: %s", file, to_install("yaml"))
        return {}
    text = read_text(file, _LONGEST)
    try:
        # As yaml.safe_load does, by the parser in C if there is one: dvc.lock may be long, and the other is slow.
        found = None if text is None else getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text).get_single_data()
    except yaml.YAMLError as error:
        log.warning("multitrack: %s is not read, so no DVC version is known: %s", file, " ".join(str(error).split()))
        return {}
    return found if isinstance(found, dict) else {}


def _holds(out: _Out, path: Path, *, read: bool) -> bool:
    """Return True if data is what DVC's file states, as far as that may be read."""
    if not path.exists():
        return True
    if out.md5.endswith(".dir") != out.path.is_dir():
        return False
    if not read:
        return path.is_dir() or path != out.path or out.size in (None, path.stat().st_size)
    if not out.path.is_dir():
        return _md5(path) == out.md5
    stated = _list_in_cache(out) if path != out.path else None
    if stated is None:
        return _hash_of(_list_of(out.path, out.path)) == out.md5
    part = path.relative_to(out.path).as_posix()
    return _list_of(path, out.path) == [
        entry for entry in stated if entry["relpath"] == part or entry["relpath"].startswith(f"{part}/")
    ]


def _list_of(path: Path, root: Path) -> list[dict[str, str]]:
    """List the files of a directory as DVC does, with the hash of each and its path below ``root``."""
    files = [path] if not path.is_dir() else [file for file in path.rglob("*") if file.is_file()]
    entries = [{"md5": _md5(file), "relpath": file.relative_to(root).as_posix()} for file in files]
    return sorted(entries, key=lambda entry: entry["relpath"])


def _list_in_cache(out: _Out) -> list[dict[str, str]] | None:
    """Read the list of a directory's files from DVC's cache; None if it is not in the project's own, or damaged."""
    cache = out.root / ".dvc" / "cache"
    for folder in (cache / "files" / "md5", cache):  # of DVC 3, of DVC 2
        text = read_text(folder / out.md5[:2] / out.md5[2:], _LONGEST_LIST)
        if text is not None and _hash_of(text) == out.md5:
            entries: list[dict[str, str]] = json.loads(text)
            return entries
    return None


def _hash_of(files: list[dict[str, str]] | str) -> str:
    import hashlib  # noqa: PLC0415 - see multitrack.inputs.references

    text = files if isinstance(files, str) else json.dumps(files, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def _md5(file: Path) -> str:
    import hashlib  # noqa: PLC0415 - see multitrack.inputs.references

    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
