"""What ``multitrack compare --rerun`` prints."""

from __future__ import annotations

import sys

import click

from multitrack.again import Rerun
from multitrack.terminal import safe


def print_rerun(rerun: Rerun, form: str) -> None:
    """What it takes to run a run again: for a shell, as a file for ``log_params``, or for pip.

    What is said of the arguments goes to stderr, so that ``$(…)`` is the arguments alone.
    """
    if form == "requirements":
        if rerun.context is None or not rerun.context.packages:
            click.echo(f"multitrack: the packages of run {rerun.run} were not recorded: it ended too soon", err=True)
            sys.exit(1)
        click.echo(safe(rerun.requirements(), lines=True), nl=False)
        return
    for label, text in {"run": rerun.run, **rerun.facts(), **rerun.omitted(form)}.items():
        click.echo(f"# {label}: {safe(text)}", err=form == "args")
    if form == "args":
        click.echo(rerun.shell())
    else:
        click.echo(rerun.yaml(), nl=False)
