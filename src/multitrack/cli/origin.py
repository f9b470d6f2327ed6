"""Show the origin of a run: command, commit, source and machine."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from multitrack.cli import output
from multitrack.journal.manifest import Context, GitState
from multitrack.journal.provenance import PATCH, CodeState, Hardware
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.secrets import REDACTED

#: How many paths that were left out are named.
_NAMED: Final = 5


def origin_rows(run: RecordedRun) -> list[tuple[str, str | None]]:
    """The rows of ``multitrack show`` about the run's origin, with a label each."""
    context = run.context
    if context is None:
        return []
    return [
        ("where", _where(context)),
        ("machine", _machine(context.hardware) if context.hardware else None),
        ("command", " ".join(context.command)), ("program", context.program),
        ("git commit", _commit(context.git) if context.git else None),
        ("code", _code(context.code) if context.code else None),
        ("not kept", _left_out(context.code) if context.code else None),
    ]  # fmt: skip


def _where(context: Context) -> str:
    """User, host and Python; an imported run may lack some."""
    place = " on ".join(filter(None, (context.user, context.host)))
    return ", ".join(filter(None, (place, context.python and f"Python {context.python}")))


def print_diff(run: RecordedRun) -> None:
    """Print the recorded patch, and nothing else on stdout; exits with 1 if no diff was recorded."""
    context, patch = run.context, run.get_code(PATCH)
    if patch is not None:
        output.file_content(patch)
    if context is None or context.code is None:
        if patch is None:
            _say_none("it is not in the manifest (switched off, an earlier release, or the run ended too soon)", run)
        return
    if note := _left_out(context.code):
        output.say(f"not in the diff: {note}")
    if redacted := context.code.redacted.get(PATCH):
        output.say(f"secrets were redacted ({redacted}): git apply refuses these changes, or writes {REDACTED}")
    if patch is None and not _is_clean(context):
        _say_none("see above" if note else "it was switched off", run)


def _is_clean(context: Context) -> bool:
    return context.git is not None and context.git.dirty is False


def _say_none(reason: str, run: RecordedRun) -> None:
    output.say(f"no diff of run {run.id} was recorded: {reason}")
    sys.exit(1)


def _commit(git: GitState) -> str:
    return git.commit[:12] + (f" ({git.branch})" if git.branch else "") + (", changed since" if git.dirty else "")


def _code(code: CodeState) -> str:
    texts = [f"{name} ({size:,} bytes)" for name, size in code.files.items()]
    for count, what in ((code.changed_count, "changed"), (code.untracked_count, "untracked")):
        if count:
            texts.append(f"{count} {what}")
    if code.redacted:
        texts.append(f"secrets redacted in {', '.join(code.redacted)}")
    return ", ".join(texts)


def _left_out(code: CodeState) -> str:
    named = [f"{path} ({reason})" for path, reason in list(code.left_out.items())[:_NAMED]]
    more = code.left_out_count - len(named)
    return "; ".join([*named, *([f"{more} more (--json has names)"] if more > 0 else [])])


def _machine(machine: Hardware) -> str:
    gpus = Counter(gpu.name for gpu in machine.gpus)
    texts = [
        machine.system, machine.cpu and f"{machine.usable_cpus or machine.cpus} × {machine.cpu}",
        machine.memory and f"{machine.memory / 2**30:.0f} GiB", *(f"{count} × {name}" for name, count in gpus.items()),
        machine.driver and f"driver {machine.driver}", machine.cuda and f"CUDA {machine.cuda}",
    ]  # fmt: skip
    return ", ".join(text for text in texts if text)
