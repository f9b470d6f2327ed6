"""What ``multitrack compare --rerun`` prints."""

from __future__ import annotations

import sys

from multitrack.cli import output
from multitrack.compare.rerun import Rerun
from multitrack.security.terminal import safe


def print_rerun(rerun: Rerun, form: str) -> None:
    """What it takes to run a run again: for a shell, as a file for ``log_params``, or for pip.

    What is said of the arguments goes to stderr, so that ``$(…)`` is the arguments alone.
    """
    if form == "requirements":
        if rerun.context is None or not rerun.context.packages:
            output.say(f"the packages of run {rerun.run} were not recorded: it ended too soon")
            sys.exit(1)
        output.document([safe(rerun.requirements(), lines=True)])
        return
    told = {"run": rerun.run, **rerun.facts(), **rerun.omitted(form)}
    facts = [f"# {label}: {safe(text)}" for label, text in told.items()]
    if form == "args":
        output.line("\n".join(facts), err=True)
        output.document([f"{rerun.shell()}\n"])
    else:
        output.document([*(f"{fact}\n" for fact in facts), rerun.yaml()])
