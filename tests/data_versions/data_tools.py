"""Programs that make versioned data, run apart from the user's own settings."""

import os
import subprocess
import sys
from pathlib import Path

import multitrack
from multitrack.records import ArtifactRef

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "init.defaultBranch", "GIT_CONFIG_VALUE_0": "main",
    "DVC_NO_ANALYTICS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    environment = os.environ | ENVIRONMENT
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def dvc(folder: Path, *arguments: str) -> None:
    """Run DVC in a process of its own, with no site-wide settings."""
    homes = {name: str(folder / ".home") for name in ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")}
    environment = os.environ | ENVIRONMENT | homes | {"DVC_SITE_CACHE_DIR": str(folder / ".home" / "site")}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    return folder


def logged(uri: str | os.PathLike[str], role: str = "input", **arguments: object) -> ArtifactRef:
    """The last record of a reference, after the run's end."""
    with multitrack.start_run(backends=[]) as run:
        run.log_artifact_ref("train", uri, kind="dataset", role=role, **arguments)  # type: ignore[arg-type]
    (reference,) = multitrack.open_journal().run(run.id).summary().artifacts
    assert not reference.pending
    assert run.mistakes == 0
    return reference


def version(uri: str | os.PathLike[str], role: str = "input", **arguments: object) -> str | None:
    return logged(uri, role, **arguments).version
