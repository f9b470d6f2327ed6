"""Write the command of a run, and the commands that restore its data, as scripts for bash.

A script is what the user reads before it runs, so each is short, and every recorded text in it is quoted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from multitrack.compare.rerun import quoted
from multitrack.config import REPRODUCE
from multitrack.reproduce.data import InputData
from multitrack.reproduce.places import Places
from multitrack.security.secrets import REDACTED
from multitrack.security.terminal import safe

#: Begins the line of a command script that says what is to be edited before it can run.
_NOT_YET: Final = "# NOT YET: "


def command_script(places: Places, original: Path, *, notebook: bool) -> str:
    """The script that runs a recorded command in the prepared directory.

    Args:
        places: The prepared directory.
        original: Directory of the run that the new one becomes a child of.
        notebook: True if the run was recorded in a notebook.
    """
    words = " ".join(map(quoted, places.command()))
    problem = _problem(places, original.parent.parent, words, notebook=notebook)
    lines = [
        "#!/usr/bin/env bash",
        f"# The command of run {original.name}. The run that it records becomes a child of that run, in its journal.",
        *([] if problem is None else [f"{_NOT_YET}{problem}. Then delete this line and the next.", "exit 2"]),
        "set -e",
        f"export {REPRODUCE}={quoted(str(original))}",
        f"cd {quoted(str(places.work))}",
        f'exec "${{PYTHON:-{_in_quotes(sys.executable)}}}" {words}',
    ]
    return "\n".join(lines) + "\n"


def data_script(data: Iterable[InputData], run_id: str) -> str:
    """The script that restores the data of a run; data that is unchanged is a comment."""
    lines = ["#!/usr/bin/env bash", f"# Restores the data that run {run_id} read.", "set -eu"]
    for one in data:
        note = f" ({safe(one.note)})" if one.note else ""
        lines += [f"# {safe(one.name)}, {safe(one.version or 'no version')}: {one.state}{note}", *one.restore]
    return "\n".join(lines) + "\n"


def to_edit(script: Path) -> str | None:
    """What is to be edited in a command script before it can run; None if it can."""
    lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix(_NOT_YET) for line in lines if line.startswith(_NOT_YET)), None)


def _problem(places: Places, journal: Path, words: str, *, notebook: bool) -> str | None:
    if notebook:
        return "the run was recorded in a notebook, whose cells are in notebook.py: write the command that runs them"
    if not words:
        return "the command has no arguments: it was an interactive session"
    if REDACTED in words:
        return f"a secret was not recorded: put it in for {REDACTED}"
    for path in map(Path, places.outside()):
        if journal.is_relative_to(path) or path.is_relative_to(journal):
            return f"the command may write {safe(path)}, where the journal of the original is: put in another path"
    return None


def _in_quotes(text: str) -> str:
    """A text within double quotes of bash."""
    return "".join(f"\\{character}" if character in '\\"$`' else character for character in text)
