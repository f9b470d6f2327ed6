"""``multitrack compare``."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from typing import NoReturn

import click
from msgspec import structs

from multitrack.cli import output
from multitrack.cli.comparison_table import print_comparison, print_json
from multitrack.cli.garbage import rarely_collected
from multitrack.cli.options import JOURNALS, open_journals, say_none_chosen, tags_of
from multitrack.compare.comparison import compare as put_side_by_side
from multitrack.compare.rerun import Rerun
from multitrack.query.columns import listed
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import safe

_HELP = """Put runs side by side: a row a run, all runs, or the RUNs given, as far as the filters take them.

\b
COLUMNS, in lists with commas between:
  name, status, started, took, user, host, commit, …   metadata
  params.lr   tags.stage   metrics.accuracy            one column
  metrics.loss:min   lists.latency:median              reduced now, not when it was logged:
                               last, first, min, max, mean, median, count, best
  inputs.lr   outputs.weights                          with type, value and where it came from
  versions.train                                       of data that the run read: dvc:md5:…, delta:3, sha256:…
  models.classifier                                    the version of a model that the run wrote
  metadata, tags, params, metrics, lists, inputs, outputs, versions, models      a whole group
  metrics:min   'params.model/*'                       a group reduced, a pattern

\b
FILTER, for --where:
  params.lr < 0.01 and metrics.val_accuracy > 0.9
  tags.stage = "prod" and not status = failed
  params.optimizer in (adam, sgd) or name ~ baseline   ~ is: holds this text
  metrics.loss:min                                     has it at all
  started > 2026-11-01 and params."a name, quoted" = 3

\b
EXAMPLES:
  multitrack compare --diff --sort -metrics.val_accuracy
  multitrack compare --since 7d --best metrics.val_loss:min
  multitrack compare --columns name,params,metrics.loss:min,metrics.loss:last --csv > runs.csv
  multitrack compare --columns started,tags.deployment,metrics.accuracy --sort tags.deployment,started
  multitrack compare --best metrics.val_accuracy:max --rerun json > best.json
"""


@click.command(help=_HELP)
@click.argument("run", nargs=-1)
@JOURNALS
@click.option("--project", help="Only runs of this project.")
@click.option(
    "--status", type=click.Choice(["running", "finished", "failed", "killed"]), help="Only runs that ended so."
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Only runs with this tag; can be repeated.")
@click.option("--group", help="Only runs of this group.")
@click.option("--parent", metavar="RUN", help="Only children of this run.")
@click.option("--since", metavar="TIME", help="Only runs started since: ISO 8601 (local), or 7d, 12h, 30min ago.")
@click.option("--until", metavar="TIME", help="Only runs started until then.")
@click.option("--where", metavar="FILTER", help="Only runs that the filter takes; see above.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N of them.")
@click.option("-c", "--columns", metavar="LIST", help="These columns, in this order, instead of the default ones.")
@click.option("--with", "also", metavar="LIST", help="More columns.")
@click.option("--without", metavar="LIST", help="Fewer columns.")
@click.option("--reduce", "reduction", default="last", show_default=True, metavar="HOW",
              help="What series and lists come down to where the column does not say.")  # fmt: skip
@click.option(
    "--sort", default="started", show_default=True, metavar="LIST", help="Sort by columns; -COLUMN downwards."
)
@click.option(
    "--diff",
    is_flag=True,
    help="Only columns in which the runs differ, or have nothing where others of the same parent do.",
)
@click.option(
    "--best", metavar="METRIC:min|max", help="Mark the best run (but in CSV), and show its command and commit."
)
@click.option("--rerun", type=click.Choice(["command", "json", "yaml", "requirements"]),
              help="Print only the recorded command of the best (or only) run, its params as a file for start_run and "
                   "log_params, or its packages' versions for pip; directory, commit etc. as comments.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON document, a run on a line.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, for spreadsheets.")
@click.option("--markdown", "as_markdown", is_flag=True, help="A Markdown table.")
@rarely_collected()
def compare(
    run: tuple[str, ...], journals: tuple[str, ...], project: str | None, status: str | None, tags: tuple[str, ...],
    group: str | None, parent: str | None, since: str | None, until: str | None, where: str | None, limit: int | None,
    columns: str | None, also: str | None, without: str | None, reduction: str, sort: str, diff: bool,
    best: str | None, rerun: str | None, as_json: bool, as_csv: bool, as_markdown: bool,
) -> None:  # fmt: skip
    """See ``--help``, which is :data:`_HELP`."""
    forms = {"--json": as_json, "--csv": as_csv, "--markdown": as_markdown, "--rerun": rerun is not None}
    if len(given := [option for option, is_given in forms.items() if is_given]) > 1:
        raise click.UsageError(f"{' and '.join(given)}: one form at a time")
    reader = open_journals(journals)
    found: Iterable[RecordedRun] = reader.runs(
        project, status=status, tags=tags_of(tags), group=group, parent=parent, since=since,
        until=until, where=where,
    )  # fmt: skip
    if run:
        named = {reader.run(name).id for name in run}
        found = (one for one in found if one.id in named)
    comparison = put_side_by_side(
        deque(found, limit) if limit else found,
        columns, also=also or (), without=without or (), sort=sort, best=best, diff=diff, reduction=reduction,
        among=reader.runs(project),
    )  # fmt: skip
    if not comparison.rows:
        say_none_chosen(reader, where)
    elif best is not None and comparison.best is None and rerun is None:  # which says so itself
        output.say(f"no run is the best by {best}: none has a finite number there")
    if comparison.undecided and rerun is None:
        names = [str(structs.replace(column, reduction=None)) for column in comparison.undecided]
        output.say(f"left out: {', '.join(names)}; is a low or a high value better? say {names[0]}:min or :max")
    if rerun is not None:
        print_rerun(comparison.rerun(), rerun)
    elif as_json:
        print_json(comparison)
    elif as_csv:
        output.document([comparison.to_csv()])
    elif as_markdown:
        output.document([comparison.to_markdown()])
    else:
        keep = {
            *listed(columns or ()),
            *listed(also or ()),
            *(name.removeprefix("-") for name in listed(sort) if name != "started"),
        }
        if comparison.best is not None:
            keep.add(str(comparison.best.column))
        print_comparison(comparison, keep, asked=columns is not None)


def print_rerun(rerun: Rerun, form: str) -> None:
    """Print the command, the params or the packages of a run, and nothing else on stdout.

    Everything else that is known goes to stderr as comments; YAML has them in the document.
    """
    if form == "requirements":
        if rerun.context is None or not rerun.context.packages:
            _say_not_recorded("packages", rerun)
        output.document([safe(rerun.requirements(), lines=True)])
        return
    if form == "command" and not rerun.command():
        _say_not_recorded("command", rerun)
    facts = {"run": rerun.run, **rerun.facts(), **rerun.notes()}
    if form == "command":  # which is on stdout, and holds no params
        facts = {label: text for label, text in facts.items() if label not in ("command", "left out")}
    comments = [f"# {label}: {safe(text)}\n" for label, text in facts.items()]
    if form == "yaml":
        output.document([*comments, rerun.to_yaml()])
        return
    text = f"{rerun.command()}\n" if form == "command" else rerun.to_json()
    output.line("".join(comments).rstrip("\n"), err=True)
    output.document([text])


def _say_not_recorded(name: str, rerun: Rerun) -> NoReturn:
    was = "were" if name == "packages" else "was"
    output.say(f"the {name} of run {rerun.run} {was} not recorded: it ended too soon")
    sys.exit(1)
