"""``multitrack lineage``: follow data and models through runs."""

from __future__ import annotations

from typing import Final

import click

from multitrack import __version__
from multitrack.cli import output
from multitrack.cli.options import JOURNALS, JSON, open_journals
from multitrack.cli.progress import counting
from multitrack.cli.run_rows import colour_of
from multitrack.cli.tables import Screen
from multitrack.lineage.openlineage import events
from multitrack.lineage.targets import find_nodes
from multitrack.lineage.text import Piece
from multitrack.lineage.walk import Lineage
from multitrack.models.registry import ModelRegistry
from multitrack.reading.lineage import read_graph
from multitrack.reading.reader import JournalReader

#: The styles of the pieces of a line; those of statuses are in ``run_rows``.
_STYLES: Final = {"tree": "dim", "fact": "dim", "note": "dim", "target": "bold", "name": ""}


@click.command()
@click.argument("target", required=False)
@JOURNALS
@click.option("--up", is_flag=True, help="Only what the target came from.")
@click.option("--down", is_flag=True, help="Only what came from the target.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N",
              help="At most N steps from the target: from data to a run is one.")  # fmt: skip
@JSON
@click.option("--openlineage", "as_events", is_flag=True,
              help="Print OpenLineage run events, one JSON document a line.")  # fmt: skip
def lineage(
    target: str | None, journals: tuple[str, ...], up: bool, down: bool, depth: int | None, as_json: bool,
    as_events: bool,
) -> None:  # fmt: skip
    """Follow data and models through runs: what a model came from, and which runs used it.

    TARGET is the name of an artifact, NAME@VERSION or NAME@ALIAS; a run's id, the prefix of one, or its name; a digest
    or version, such as dvc:md5:0a1b…; a URI; or a local path. A file that exists is found by its content. Without
    TARGET, data and models are listed, and --json and --openlineage print everything.

    What TARGET came from is drawn above it, and what came from it below. A node that is drawn already has (*) behind
    it. References are one thing if their digest is the same, or their version, or, without either, their URI.

    \b
      multitrack lineage classifier                   all versions of a model
      multitrack lineage classifier@prod --up         what the version in production came from
      multitrack lineage model.keras --up             which run made this file, from what
      multitrack lineage dvc:md5:0a1b2c3d --down      what came from this version of the data
      multitrack lineage --openlineage > events.jsonl
    """  # noqa: D301 - click's mark before lines that are kept
    if as_json and as_events:
        raise click.UsageError("--json and --openlineage: one form at a time")
    if target is None and (up or down or depth is not None):
        raise click.UsageError("--up, --down and --depth need a TARGET")
    found = read_lineage(target, journals, up=up, down=down, depth=depth)
    if as_json:
        output.print_json(found.as_json())
    elif as_events:
        output.document((output.json_line(event) for event in events(found.graph, __version__)), json=True)
    else:
        _print(found)


def read_lineage(
    target: str | None, journals: tuple[str, ...], *, up: bool = False, down: bool = False, depth: int | None = None
) -> Lineage:
    """Read the lineage of a target; in both directions if neither is asked for."""
    reader = open_journals(journals)
    with counting() as progress:
        graph = read_graph(reader, progress)
    nodes = None if target is None else find_nodes(graph, of_alias(target, reader))
    return Lineage(graph, nodes, up=up or not down, down=down or not up, depth=depth)


def of_alias(target: str, reader: JournalReader) -> str:
    """Return ``NAME@1.2.0`` for ``NAME@ALIAS``; any other target is returned as it is."""
    name, sign, alias = target.rpartition("@")
    for place in reader.places if sign else ():
        if (version := ModelRegistry(place.directory).model(name).aliases.get(alias)) is not None:
            return f"{name}@{version}"
    return target


def _print(found: Lineage) -> None:
    screen = Screen()
    if not found.graph.edges:
        output.say("no run has a reference; run.log_artifact_ref records them")
    for line in found.lines(ascii_only=not screen.shown("└").startswith("└")):
        screen.line("".join(_drawn(screen, piece) for piece in line))


def _drawn(screen: Screen, piece: Piece) -> str:
    text, style = piece
    return screen.styled(screen.shown(text), _STYLES[style] if style in _STYLES else colour_of(style))
