"""Runs to read back, and the command that does it; the fixture ``reader`` has three of them."""

from html.parser import HTMLParser
from typing import Any

from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from multitrack.compare import Comparison

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e [bold red]x[/] <script>alert(1)</script> '\"&|`*_\\"


def start(name: str, **more: Any) -> multitrack.Run:
    return multitrack.start_run("digits", name, config={"delivery": "off"}, **more)


def names(comparison: Comparison) -> list[str]:
    return [row.run.facts.name for row in comparison.rows]


def column(comparison: Comparison, name: str) -> list[Any]:
    return [row.cells.get(name) for row in comparison.rows]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], prog_name="multitrack")


def evil_run() -> multitrack.Run:
    run = start(EVIL, params={EVIL: EVIL}, tags={EVIL: EVIL}, notes=EVIL, group=EVIL)
    run.log_metric(EVIL, 1.0, step=0)
    run.log_metric("loss", 1.0, step=0)
    run.log_list_metric(f"{EVIL}l", [1])
    run.log_artifact_ref(EVIL, "s3://x/" + EVIL, kind=EVIL)
    return run


class Page(HTMLParser):
    """Tags and text of a piece of HTML; each tag closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
