"""``multitrack sync``: deliver what is pending."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.text import Text

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.output import print_json
from multitrack.cli.run_rows import report_as_json
from multitrack.courier.sync import sync as deliver
from multitrack.delivery.report import DeliveryReport
from multitrack.delivery.waiting import Settling
from multitrack.security.terminal import safe

#: Seconds between lines of progress where stderr is no terminal.
_LINE_EVERY: Final = 10.0


@click.command()
@click.argument("run", nargs=-1)
@JOURNAL
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME",
    help="Deliver to this backend alone. Can be given several times.",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="PATH",
    help="Import path of a backend that may be loaded although only the journal names it. Can be given several times.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for runs that another process is delivering.")
@JSON
def sync(
    run: tuple[str, ...],
    journal: Path | None,
    backends: tuple[str, ...],
    trust: tuple[str, ...],
    no_wait: bool,
    as_json: bool,
) -> None:
    """Deliver the pending records of all runs, or of each RUN, and wait until they have arrived.

    The wait lasts as long as records move. Runs that another process is delivering are left to it and waited for. Of a
    run that is still being written, the records written so far are delivered. A run whose process died is ended as
    killed. Credentials come from the environment, as each tracker's SDK expects them.

    Exit status: 0 everything has arrived, 1 something has not.
    """
    with SyncProgress() as progress:
        reports = deliver(
            journal, run, backends=backends, trust=trust, wait=not no_wait, alone=True, show=progress.show,
            notice=progress.notice,
        )  # fmt: skip
    if as_json:
        print_json({run_id: report_as_json(report) for run_id, report in reports.items()})
    else:
        print_reports(reports)
    if not all(report.complete for report in reports.values()):
        sys.exit(1)


class SyncProgress:
    """Progress on stderr: a line that changes on a terminal, a new line now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._status = self._console.status("looking for pending records") if self._console.is_terminal else None
        self._next = 0.0 if self._status is not None else time.monotonic() + _LINE_EVERY

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, settling: Settling) -> None:
        """Show how far delivery is; called often."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._status is not None else _LINE_EVERY)
        runs = [*_counted(settling.waiting, ""), *_counted(settling.stalled, " stalled")]
        delivered = sum(state.delivered for state in settling.states.values())
        text = f"delivering {', '.join(runs) or 'the rest'} · {delivered} records delivered"
        if self._status is not None:
            self._status.update(Text(safe(text)))
        else:
            self.notice(text)

    def notice(self, text: str) -> None:
        """Print a sentence for the user."""
        self._console.print(f"multitrack: {safe(text)}", markup=False, soft_wrap=True)


def _counted(lanes: Iterable[tuple[Path, str]], suffix: str) -> list[str]:
    """Count the runs of each backend, in words."""
    counts = Counter(backend for _, backend in lanes)
    return [f"{backend}: {count} {'run' if count == 1 else 'runs'}{suffix}" for backend, count in counts.items()]


def print_reports(reports: Mapping[str, DeliveryReport]) -> None:
    """Print the result of ``multitrack sync``."""
    if not reports:
        output.line("nothing is pending")
    for run_id, report in reports.items():
        output.line(f"{run_id}  {report}")
