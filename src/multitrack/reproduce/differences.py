"""List the differences between the origin of a run and this place: code, Python, packages, machine."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from multitrack.environment.context import full_context, quick_context
from multitrack.journal.manifest import Context, GitState
from multitrack.journal.provenance import CODE, LARGEST, PATCH, SCRIPT, CodeState, Hardware, read_regular
from multitrack.security.redaction import Redactor

#: The part of a run's origin that a difference is in.
Kind = Literal["commit", "changes", "python", "package", "machine"]
_PARTS: Final = ("git", "diff", "packages", "hardware")
#: The facts of a machine that are compared, with their labels.
_MACHINE: Final = {
    "system": "system", "kernel": "kernel", "machine": "architecture", "cpu": "processor", "usable_cpus": "usable CPUs",
    "driver": "GPU driver", "cuda": "CUDA", "visible": "CUDA_VISIBLE_DEVICES",
}  # fmt: skip


class Difference(msgspec.Struct, frozen=True):
    """A fact that is different here.

    Attributes:
        kind: The part of the origin.
        name: The fact.
        recorded: Its value in the run; None if it had none.
        here: Its value here; None if it has none.
    """

    kind: Kind
    name: str
    recorded: str | None
    here: str | None


class Origin(msgspec.Struct, frozen=True):
    """The origin of a run, or of this process.

    Attributes:
        context: The facts.
        patch: The changes since the commit; None if there are none.
        script: The script, of a run that kept it.
    """

    context: Context
    patch: bytes | None
    script: bytes | None = None


def origin_here(directory: Path) -> Origin:
    """Gather the origin that a run would have if it started here.

    Args:
        directory: The repository, or the current directory.
    """
    redaction = Redactor().begin()
    quick = msgspec.structs.replace(quick_context(redaction), program=None, cwd=str(directory))
    with tempfile.TemporaryDirectory(prefix="multitrack-") as folder:
        context = full_context(quick, redaction, Path(folder), _PARTS)
        patch = Path(folder, CODE, PATCH)
        return Origin(context, patch.read_bytes() if patch.exists() else None)


def differences(recorded: Origin, here: Origin) -> list[Difference]:
    """Compare two origins; facts that were not recorded are left out."""
    return [
        *_code(recorded, here),
        *_script(recorded),
        *_python(recorded.context, here.context),
        *_machine(recorded, here),
    ]


def _code(recorded: Origin, here: Origin) -> Iterator[Difference]:
    was, now = recorded.context.git, here.context.git
    if was is None:
        return
    if now is None or was.commit != now.commit:
        yield Difference("commit", "commit", _commit(was), None if now is None else _commit(now))
    same = was.dirty is not None and now is not None and was.dirty == now.dirty and recorded.patch == here.patch
    if not same:
        yield Difference(
            "changes", "uncommitted changes", _changes(was, recorded.context.code),
            None if now is None else _changes(now, here.context.code),
        )  # fmt: skip


def _script(recorded: Origin) -> Iterator[Difference]:
    """Compare a kept script with its file here: it may be untracked, or in no repository."""
    program, code = recorded.context.program, recorded.context.code
    if recorded.script is None or program is None or (code is not None and code.redacted.get(SCRIPT)):
        return
    try:
        here = read_regular(Path(program), LARGEST)
    except (OSError, ValueError):  # it is not here, or too large to have been kept
        return
    if here != recorded.script:
        yield Difference("changes", f"script {Path(program).name}", SCRIPT, "another")


def _commit(git: GitState) -> str:
    return git.commit[:12] + (f" ({git.branch})" if git.branch else "")


def _changes(git: GitState, code: CodeState | None) -> str:
    if git.dirty is None:
        return "not recorded"
    count = code.changed_count if code is not None else 0
    return "none" if not git.dirty else f"{count} file{'' if count == 1 else 's'}" if count else "some"


def _python(was: Context, now: Context) -> Iterator[Difference]:
    if was.python != now.python:
        yield Difference("python", "Python", was.python, now.python)
    if not was.packages:
        return
    for name in sorted(was.packages.keys() | now.packages.keys()):
        versions = [_version(context, name) for context in (was, now)]
        if versions[0] != versions[1]:
            yield Difference("package", name, *versions)


def _version(context: Context, name: str) -> str | None:
    """The version of a package, with its source if that is no index."""
    version, url = context.packages.get(name), context.urls.get(name)
    return f"{version} from {url}" if version is not None and url is not None else version


def _machine(recorded: Origin, here: Origin) -> Iterator[Difference]:
    was, now = recorded.context.hardware, here.context.hardware
    if recorded.context.host != here.context.host:
        yield Difference("machine", "host", recorded.context.host, here.context.host)
    if was is None or now is None:
        return
    for field, name in _MACHINE.items():
        values = [getattr(machine, field) for machine in (was, now)]
        if values[0] != values[1]:
            yield Difference("machine", name, *(None if value is None else str(value) for value in values))
    for name, values in (("memory", [_memory(was), _memory(now)]), ("GPUs", [_gpus(was), _gpus(now)])):
        if values[0] != values[1]:
            yield Difference("machine", name, *values)


def _memory(machine: Hardware) -> str | None:
    """The main memory in whole GiB: the kernel's share of it changes with every release."""
    return None if machine.memory is None else f"{machine.memory / 2**30:.0f} GiB"


def _gpus(machine: Hardware) -> str:
    return ", ".join(f"{count} × {name}" for name, count in Counter(gpu.name for gpu in machine.gpus).items()) or "none"
