"""``multitrack logs``: the log lines of a run."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click
import msgspec

from multitrack.cli import output
from multitrack.cli.options import JOURNALS, JSON, open_journals
from multitrack.reading.formatting import moment
from multitrack.reading.points import Line
from multitrack.security.terminal import safe, safe_json
from multitrack.summaries.series import read_compacted

#: Log lines that are written at once.
_AT_ONCE: Final = 4096
_encoder: Final = msgspec.json.Encoder()


@click.command()
@click.argument("run")
@JOURNALS
@click.option(
    "--from", "from_", metavar="TIME", help="Only lines from this time on: ISO 8601 (local), or 7d, 12h, 30min ago."
)
@click.option("--to", metavar="TIME", help="Only lines up to this time.")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most N lines.")
@JSON
def logs(
    run: str, journals: tuple[str, ...], from_: str | None, to: str | None, limit: int | None, as_json: bool
) -> None:  # fmt: skip
    """Print a run's log lines, with time and stream.

    With --json: one document, a list with an entry on each line; [] if there are no lines.
    """
    found = open_journals(journals).run(run)
    lines = found.get_lines(from_, to, limit)
    if as_json:
        print_lines_json(lines)
    else:
        print_lines(lines)
    if dropped := sum(record.lines for record in read_compacted(found.directory)):
        output.say(f"{dropped:,} log lines of the run were dropped by compaction")


def print_lines(lines: Iterable[Line]) -> None:
    """Print log lines for people: local time, stream, text."""
    remaining, heads = iter(lines), _Heads()
    while some := [*itertools.islice(remaining, _AT_ONCE)]:
        texts = _safe_texts([line.text for line in some])
        sys.stdout.write(
            "".join([f"{heads[line.time, line.stream]}{text}\n" for line, text in zip(some, texts, strict=True)])
        )


class _Heads(dict[tuple[int, str], str]):
    """Cache of the text in front of lines, time and stream, which costs more than the rest of a line."""

    def __missing__(self, key: tuple[int, str]) -> str:
        if len(self) > _AT_ONCE:
            self.clear()
        time, stream = key
        self[key] = head = f"{_second(time // 1000)}.{time % 1000:03} {_label(stream)} "
        return head


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return moment(seconds * 1000)


@functools.lru_cache(maxsize=64)
def _label(stream: str) -> str:
    return f"{safe(stream):6}"


def _safe_texts(texts: Sequence[str]) -> Sequence[str]:
    """Escape many texts; in one call if each has a single line."""
    whole = safe("\n".join(texts).expandtabs(), lines=True)
    split = whole.split("\n")
    return split if len(split) == len(texts) else [safe(text.expandtabs()) for text in texts]


def print_lines_json(lines: Iterable[Line]) -> None:
    """Print lines as one JSON list, an entry on each line, while they are read."""
    output.document(_document_of(lines), json=True)


def _document_of(lines: Iterable[Line]) -> Iterator[str]:
    remaining, before = iter(lines), "["
    while some := [*itertools.islice(remaining, _AT_ONCE)]:
        yield before + ",".join(
            [f"\n{text}" for text in safe_json(_encoder.encode_lines(some).decode()[:-1]).split("\n")]
        )
        before = ","
    yield "\n]\n" if before == "," else "[]\n"
