"""Recognize what of W&B's can be read, by its address or as a run that was delivered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multitrack.errors import SourceError
from multitrack_wandb.address import ProjectAddress, parse_address
from multitrack_wandb.names import project_name
from multitrack_wandb.session_files import read_sessions
from multitrack_wandb.source import WandbFiles, find_files

if TYPE_CHECKING:
    from multitrack.hookspecs import RunInfo, Source


def open_address(address: str, *, is_named: bool) -> Source | None:
    """Open ``.wandb`` files, or a project at a server; None if the address is of another kind.

    Args:
        address: An absolute path, whose last part may be a pattern, ``wandb://ENTITY/PROJECT``, or the URL of a
            project's page.
        is_named: True if the user said that it is W&B's.

    Raises:
        SourceError: If it is W&B's, or ``is_named``, and cannot be opened.
    """
    if address.startswith("/"):
        path = Path(address)
        if "*" in path.name and not path.exists():  # all sessions of one run: wandb/*run-*-ID
            places = sorted(path.parent.glob(path.name))
            return WandbFiles(*places, address=address) if is_named or any(map(find_files, places)) else None
        return WandbFiles(path) if is_named or find_files(path) else None
    place = parse_address(address, is_named=is_named)
    if place is None:
        if is_named:
            raise SourceError(f"{address} is nothing of W&B's: a directory, wandb://ENTITY/PROJECT, or a project's URL")
        return None
    return _open_project(place)


def open_run(run: RunInfo) -> Source:
    """Open a delivered run: the files of its offline sessions, or what the server has of it.

    Raises:
        SourceError: If there is nothing to read.
    """
    noted = read_sessions(run.directory)
    if run.options.mode == "offline":
        return WandbFiles(*(Path(session.directory) for session in noted.sessions if session.directory))
    page = None if noted.url is None else parse_address(noted.url, is_named=True)
    entity = run.options.entity if page is None else page.entity
    project = project_name(run.options.project or run.project) if page is None else page.project
    if entity is None:
        raise SourceError(f"the entity of run {run.id} in W&B is unknown: set [wandb] entity")
    return _open_project(ProjectAddress(run.options.base_url, entity, project, run.backend_id or run.id))


def _open_project(place: ProjectAddress) -> Source:
    from multitrack_wandb.online import WandbProject  # noqa: PLC0415 - imports the SDK

    return WandbProject(place)
