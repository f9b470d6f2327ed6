"""``multitrack monitor``: a metric in production over time, and the executions."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.cli.options import JSON, Source, filtering, given_journals, say_none_chosen
from multitrack.cli.progress import check_place, counted, counting
from multitrack.cli.run_rows import status_cell
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.monitor.executions import Execution, executions
from multitrack.monitor.monitored import Monitored
from multitrack.monitor.monitored import monitor as followed
from multitrack.monitor.windows import Window, label
from multitrack.query.cells import Value
from multitrack.query.columns import listed
from multitrack.query.times import milliseconds
from multitrack.reading.formatting import moment, took, value_text
from multitrack.security.terminal import safe

#: Maximum number of inputs or outputs of an execution in the table.
_SHOWN: Final = 6
_STATISTICS: Final = "count,rate,mean,p50,p95,p99"


@click.command()
@click.argument("metric", required=False)
@filtering
@click.option("--by", metavar="TAG", default="deployment", show_default=True,
              help="The tag to group runs by; or another column, such as params.model.")  # fmt: skip
@click.option("--every", metavar="TIME", help="Length of the windows: 30s, 5min, 1h, 1d, 1w. Default: by the values.")
@click.option("--since", "first", metavar="TIME",
              help="Only values from this time on: ISO 8601 (local), or 7d, 12h, 30min ago.")  # fmt: skip
@click.option("--until", "last", metavar="TIME", help="Only values up to this time.")
@click.option("--stat", "statistics", metavar="LIST", default=_STATISTICS, show_default=True,
              help="Statistics of a window; also min, max and other percentiles: p90, p99.9.")  # fmt: skip
@click.option("--plot", "path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Draw a picture instead: .png, .svg or .pdf.")  # fmt: skip
@click.option("--executions", "list_executions", is_flag=True,
              help="List the executions instead: status, trigger, inputs and outputs.")  # fmt: skip
@JSON
@click.pass_context
def monitor(
    context: click.Context, source: Source, metric: str | None, by: str, every: str | None, first: str | None,
    last: str | None, statistics: str, path: Path | None, list_executions: bool, as_json: bool,
) -> None:  # fmt: skip
    """Follow a metric over time by deployment: its values in windows of time, from runs that may be running.

    The values of METRIC are all writes of a simple metric, all points of a series, and all numbers of a list, each at
    the time of its call. A window is in local time; a day begins at midnight.

    \b
      multitrack monitor score --since 7d --every 1d
      multitrack monitor latency --since 1h --every 1min --stat rate,p50,p99.9
      multitrack monitor score --by params.model --plot score.png
      multitrack monitor --executions --since 1d --tag deployment=eu
    """  # noqa: D301 - click's mark before lines that are kept
    if metric is None and not list_executions:
        raise click.UsageError("say what to follow: METRIC, or --executions")
    if metric is not None and list_executions:
        raise click.UsageError("--executions lists runs: leave out METRIC, or filter with --where metrics.NAME")
    if path is not None and (as_json or list_executions):
        raise click.UsageError(f"--plot and {'--json' if as_json else '--executions'}: one form at a time")
    given = context.params
    if metric is None:
        with counting() as progress:
            shown = list(executions(counted(source(), progress), by=by, since=first, until=last))
        if not shown:
            say_none_chosen(given_journals(), given["where"])
        if as_json:
            output.print_json([execution_as_json(each) for each in shown])
        else:
            _print_executions(shown, by)
        return
    if path is not None:
        _check_picture(path)
    with counting() as progress:
        found = followed(
            counted(source(), progress), metric, by=by, every=every, since=first, until=last,
            statistics=listed(statistics),
        )  # fmt: skip
    if as_json:
        output.print_json(monitored_as_json(found, milliseconds(first), milliseconds(last)))
    elif not found.groups:
        output.say(f"no values of {metric} in this range")
    elif path is not None:
        _draw(found, path)
    else:
        _print(found)
    if found.compacted_until is not None and not as_json:
        output.say(f"values up to {moment(found.compacted_until)} were compacted: their percentiles are within 1 %")


def monitored_as_json(found: Monitored, since: int | None, until: int | None) -> dict[str, Any]:
    """Return a metric over time as JSON values; times are in ms since the epoch."""
    return {
        "metric": found.metric, "by": found.by, "every": found.every, "since": since, "until": until,
        "compacted_until": found.compacted_until,
        "statistics": found.statistics,
        "groups": [
            {"value": value, "windows": [
                {"start": each.start, "end": each.end, "count": each.count, **each.statistics, "runs": each.runs}
                for each in windows
            ]} for value, windows in found.groups.items()
        ],
    }  # fmt: skip


def execution_as_json(execution: Execution) -> dict[str, Any]:
    """Return an execution as JSON values; times are in ms since the epoch."""
    fields = {name: getattr(execution, name) for name in execution.__struct_fields__}
    return {
        **fields,
        **{side: {name: {"type": value.type, "value": value.value, "source": value.source}
                  for name, value in fields[side].items()} for side in ("inputs", "outputs")},
    }  # fmt: skip


def _print(found: Monitored) -> None:
    """Print windows, group by group; empty ones together, as a gap."""
    screen = Screen()
    starts = [window.start for windows in found.groups.values() for window in windows]
    offsets = {_offset(start) for start in starts}
    table = Table([
        Heading(safe((found.by or "").removeprefix("tags.")), fold=True),
        Heading(f"from (UTC{next(iter(offsets))})" if len(offsets) == 1 else "from"),
        *(Heading("per second" if name == "rate" else name, right=True) for name in found.statistics),
    ])  # fmt: skip
    precise = "seconds" if found.every >= 1 else "milliseconds"
    for value, windows in found.groups.items():
        name = label(value, found.by)
        for is_empty, some in itertools.groupby(windows, lambda window: window.count == 0):
            shown = list(some)
            if is_empty:
                gap = f"… {len(shown):,} window{'s' if len(shown) > 1 else ''} without values"
                table.add([safe(name), gap, *("" for _ in found.statistics)], "dim")
                continue
            for window in shown:
                offset = "" if len(offsets) == 1 else f" {_offset(window.start)}"
                add_row(table, name, moment(window.start, precise) + offset, *_texts(window, found.statistics))
    table.print(screen)


def _texts(window: Window, names: Sequence[str]) -> list[str]:
    return ["" if (value := window.statistics[name]) is None else value_text(value) for name in names]


def _offset(milliseconds: int) -> str:
    """Return the offset of local time at a time: ``+01:00``."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat()[-6:]


def _print_executions(shown: Iterable[Execution], by: str) -> None:
    screen = Screen()
    table = Table([
        Heading("run"), Heading("name", fold=True, spare=1), Heading(safe(by), fold=True),
        Heading("trigger", fold=True), Heading("status"), Heading("started", spare=3), Heading("took", spare=2),
        Heading("inputs", fold=True), Heading("outputs", fold=True),
    ])  # fmt: skip
    for each in shown:
        add_row(
            table, each.id, each.name, "" if each.by is None else str(each.by), each.trigger, status_cell(each.status),
            moment(each.started), took(each.took), _values(each.inputs), _values(each.outputs),
        )  # fmt: skip
    if left_out := table.print(screen):
        screen.note(f"columns that do not fit: {', '.join(left_out)} (--json has all)", "dim")


def _values(values: dict[str, Value]) -> str:
    parts = [
        f"{name} {value_text(value.value)} ({value.type}{f', {value.source}' if value.source else ''})"
        for name, value in itertools.islice(values.items(), _SHOWN)
    ]
    return "; ".join([*parts, f"… {len(values) - _SHOWN} more (--json)"][: len(parts) + (len(values) > _SHOWN)])


def _check_picture(path: Path) -> None:
    from multitrack.plot.figures import check_format  # noqa: PLC0415 - for pictures alone

    try:
        check_format(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--plot") from None
    check_place(path)


def _draw(found: Monitored, path: Path) -> None:
    from multitrack.plot.figures import save  # noqa: PLC0415 - for pictures alone
    from multitrack.plot.windows import over_time  # noqa: PLC0415 - for pictures alone

    save(over_time(found), path)
    output.line(f"{safe(path)}: {path.stat().st_size / 1e3:.0f} kB")
