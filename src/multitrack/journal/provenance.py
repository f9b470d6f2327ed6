"""The source and the machine of a run, as its manifest describes them; the source's files are in ``code/``."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

import msgspec

#: Tag of a run that reproduces its parent; its value is the parent's id.
REPRODUCES: Final = "reproduces"
#: Folder of the source's files in a run's directory.
CODE: Final = "code"
#: Changes of tracked files since the commit, for ``git apply``.
PATCH: Final = "diff.patch"
#: Names of the untracked files, one a line; a directory without tracked files is one name.
UNTRACKED: Final = "untracked.txt"
#: The script, or the cells of the notebook that had run.
SCRIPT: Final = "script.py"
NOTEBOOK: Final = "notebook.py"
FILES: Final = (PATCH, UNTRACKED, SCRIPT, NOTEBOOK)
#: Maximum bytes of a file in ``code/``. No file that multitrack writes there is larger.
LARGEST: Final = 5_000_000


class CodeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The source of a run: which files of it are in ``code/``, and what was left out of them.

    Attributes:
        files: Size in bytes of each file in ``code/``, by name.
        changed: Tracked files that differ from the commit; the first 100.
        changed_count: Number of them.
        untracked_count: Number of names of untracked files and directories.
        submodules: Commit that is checked out in each submodule, by path.
        locks: Digest of each lock or requirements file, by path.
        left_out: What was left out, with the reason: parts (``diff``), and paths of files; the first 100.
        left_out_count: Number of all that was left out.
        redacted: Number of texts in which secrets were redacted, by file in ``code/``.
    """

    files: dict[str, int] = {}
    changed: list[str] = []
    changed_count: int = 0
    untracked_count: int = 0
    submodules: dict[str, str] = {}
    locks: dict[str, str] = {}
    left_out: dict[str, str] = {}
    left_out_count: int = 0
    redacted: dict[str, int] = {}


class Gpu(msgspec.Struct, frozen=True, omit_defaults=True):
    """A graphics processor.

    Attributes:
        name: Its model.
        memory: Its memory, as the driver shows it.
    """

    name: str
    memory: str | None = None


class Hardware(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine of a run.

    Attributes:
        system: The operating system's name and release.
        kernel: Release of its kernel.
        machine: The processor's architecture.
        cpu: The processor's model.
        cpus: Number of processors.
        usable_cpus: Number of processors that the training may use.
        memory: Main memory in bytes.
        gpus: All NVIDIA GPUs of the machine, used or not.
        driver: Release of the NVIDIA driver.
        cuda: The newest CUDA release that the driver supports.
        visible: Value of ``CUDA_VISIBLE_DEVICES``, if it is set.
    """

    system: str | None = None
    kernel: str | None = None
    machine: str | None = None
    cpu: str | None = None
    cpus: int | None = None
    usable_cpus: int | None = None
    memory: int | None = None
    gpus: list[Gpu] = []
    driver: str | None = None
    cuda: str | None = None
    visible: str | None = None


def read_regular(path: Path, limit: int) -> bytes:
    """Read a regular file; never waits for a FIFO or a device.

    Raises:
        OSError: If it cannot be read or is no regular file.
        ValueError: If it is larger than ``limit`` bytes.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"larger than {limit:,} bytes")
    return content
