"""Keep the entry script or the notebook's cells of a run, and the digests of its lock files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from multitrack.environment.code_files import CodeFiles
from multitrack.journal.provenance import NOTEBOOK, SCRIPT, read_regular
from multitrack.security.source_text import holds_private_key

#: Maximum bytes of the script, and of the cells.
_SCRIPT: Final = 1_000_000
#: Maximum bytes of a lock file.
_LOCK: Final = 50_000_000
_LOCKS: Final = (
    "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock", "pylock.toml", "conda-lock.yml",
    "environment.yml", "requirements.txt",
)  # fmt: skip


def keep_script(program: str | None, files: CodeFiles) -> None:
    """Keep the script; in a notebook or IPython, the cells that have run so far."""
    cells = _cells()
    if program is None and cells:
        kept = "".join(f"# %% cell {number}\n{source.rstrip()}\n\n" for number, source in cells)
        _keep(kept.encode("utf-8", "replace"), NOTEBOOK, NOTEBOOK, files)
    elif program is not None:
        try:
            content = read_regular(Path(program), _SCRIPT)
        except (OSError, ValueError) as error:
            files.leave_out("script", _reason(error))
        else:
            _keep(content, program, SCRIPT, files)


def _keep(content: bytes, path: str, name: str, files: CodeFiles) -> None:
    if len(content) > _SCRIPT:
        files.leave_out(name, f"larger than {_SCRIPT:,} bytes")
    elif b"\0" in content:
        files.leave_out(name, "binary")  # an archive that Python runs
    elif holds_private_key(content.decode("latin-1")):
        files.leave_out(name, "it holds a private key")
    else:
        files.write(name, files.source(content, path, name))


def _cells() -> list[tuple[int, str]]:
    """The number and source of each cell that has run in IPython, also the running one."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    history = getattr(getattr(shell, "history_manager", None), "input_hist_raw", None)
    if not isinstance(history, list):
        return []
    return [(number, source) for number, source in enumerate(list(history)) if number and isinstance(source, str)]


def lock_digests(directories: Iterable[Path], files: CodeFiles) -> dict[str, str]:
    """The digests of the lock and requirements files in the directories; each is named by its path."""
    found: dict[str, str] = {}
    for directory in dict.fromkeys(directories):
        for name in _LOCKS:
            path = directory / name
            try:
                content = read_regular(path, _LOCK)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                files.leave_out(os.fspath(path), _reason(error))
            else:
                import hashlib  # noqa: PLC0415 - loads OpenSSL, 4 ms and 3 MB, which a run without such files is spared

                found[files.names([os.fspath(path)])[0]] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return found


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
