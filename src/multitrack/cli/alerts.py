"""``multitrack alerts``: what fires, evaluated now, or replayed over the recorded runs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Final

import click

from multitrack._record_parts import number_to_json
from multitrack.alerts.configured import ConfiguredRule, Plan, check_rules, plan_alerts, ready_rules
from multitrack.alerts.messages import place_of
from multitrack.alerts.monitor import Monitor
from multitrack.alerts.replay import Episode, replay
from multitrack.alerts.state import State, StoredFiring, read_state, restored, stored
from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JSON
from multitrack.cli.output import print_json
from multitrack.cli.progress import steps
from multitrack.cli.tables import Cell, Heading, Screen, Table, add_row
from multitrack.config import Config, load_config
from multitrack.config.settings import AlertSettings
from multitrack.errors import ConfigError, QueryError
from multitrack.query.times import milliseconds
from multitrack.reading.formatting import moment, value_text
from multitrack.reading.opening import open_journal
from multitrack.reading.reader import JournalReader

_HELP: Final = """\
List the alerts of the config: which fire, since when, and with which value. Exits with 1 if any does.

Rules are tables [[alerts]] of the config (docs/alerts.md). A courier evaluates them while training runs.

\b
    multitrack alerts                             what fires
    multitrack alerts check                       evaluate now, without a courier, and notify: for cron
    multitrack alerts test                        when each rule would have fired in the recorded runs
    multitrack alerts test --rule 'loss > 3 x best'
"""
#: A rule's row of a listing: its number, and the alert that fires, if one does.
_Row = tuple[int, StoredFiring | None]


@click.group(help=_HELP, invoke_without_command=True)
@JOURNAL
@JSON
@click.pass_context
def alerts(ctx: click.Context, journal: Path | None, as_json: bool) -> None:
    """See :data:`_HELP`."""
    ctx.obj = (journal, as_json)
    if ctx.invoked_subcommand is None:
        state = read_state(open_journal(journal).directory)
        config = load_config()
        rules = [] if state is not None and not config.settings.alerts else ready_rules(_plan(config).rules)
        _list([*rules, *_others(rules, state)], state, as_json=as_json)


@alerts.command()
@JOURNAL
@JSON
@click.pass_obj
def check(given: tuple[Path | None, bool], journal: Path | None, as_json: bool) -> None:
    """Evaluate the records that have arrived since the last time, notify, and list the alerts.

    Evaluates nothing if a courier does already. The first check of a journal begins with the first run that had alerts
    in its config; without one, it looks at the present only. Exits with 1 if an alert fires, or if a notification could
    not be sent, which the next check tries again.
    """
    plan, reader = _plan(), open_journal(journal or given[0])
    monitor = Monitor(reader.directory, plan, output.say)
    with steps() as progress:
        progress("evaluating alerts")
        evaluated = monitor.look(last=True)
    if not evaluated:
        output.say(f"{monitor.lock.holder} evaluates the alerts of {reader.directory}")
    monitor.lock.release()
    state = monitor.state if evaluated else read_state(reader.directory)
    if state is not None and state.unsent and evaluated:
        output.say(f"{len(state.unsent)} notifications were not sent; `multitrack alerts check` tries again")
    _list(monitor.rules, state, as_json=as_json or given[1])
    if state is not None and state.unsent:
        sys.exit(1)


@alerts.command()
@click.option("--since", metavar="TIME", help="Only from this time on: ISO 8601 (local), or 7d, 12h, 30min ago.")
@click.option("--rule", "texts", multiple=True, metavar="RULE",
              help="Test this rule instead of those of the config. Can be given several times.")  # fmt: skip
@JOURNAL
@JSON
@click.pass_obj
def test(
    given: tuple[Path | None, bool], since: str | None, texts: tuple[str, ...], journal: Path | None, as_json: bool
) -> None:
    """Replay the rules over the recorded runs: when each would have fired, and been resolved.

    Nobody is notified, and no state is kept.
    """
    rules = ready_rules(check_rules(texts, "--rule") if texts else _plan().rules)
    begin, reader = milliseconds(since), open_journal(journal or given[0])
    missing: list[int] = []
    with steps() as progress:
        progress("reading runs")
        found = replay(
            reader.directory, rules, begin, lambda count: progress(f"evaluated {count:,} records"), missing.append
        )
    if missing:
        output.say(f"{missing[0]:,} records were compacted; rules are not replayed over them")
    if as_json or given[1]:
        print_json([_episode_as_json(rules[episode.rule], episode) for episode in found])
    else:
        _print_episodes(reader, rules, found)


def _plan(config: Config | None = None) -> Plan:
    config = config or load_config()
    if not config.settings.alerts:
        raise ConfigError(f'{config.place()}: no alerts: write [[alerts]] and when = "nan loss", or another rule')
    return plan_alerts(config)


def _list(rules: list[ConfiguredRule], state: State | None, *, as_json: bool) -> None:
    firing = {} if state is None else _by_rule(rules, state)
    rows: list[_Row] = []
    for number in range(len(rules)):
        rows += [(number, one) for one in firing.get(number, [])] or [(number, None)]
    if as_json:
        print_json([_row_as_json(rules[number], one, state) for number, one in rows])
    else:
        _print_rows(rules, rows, state)
    if firing:
        sys.exit(1)


def _others(rules: list[ConfiguredRule], state: State | None) -> list[ConfiguredRule]:
    """The rules of alerts that fire and are not in the config here, such as those that only code passes on."""
    known = {(rule.rule.text, rule.where) for rule in rules}
    given = dict.fromkeys((one.rule, one.where) for one in (state.firing if state else ()))
    found = []
    for text, where in given:
        if (text, where) not in known:
            with contextlib.suppress(QueryError):  # of a journal from elsewhere
                found += ready_rules([AlertSettings(when=text, where=where)])
    return found


def _by_rule(rules: list[ConfiguredRule], state: State) -> dict[int, list[StoredFiring]]:
    numbers = {(rule.rule.text, rule.where): number for number, rule in enumerate(rules)}
    found: dict[int, list[StoredFiring]] = {}
    for one in sorted(state.firing, key=lambda one: (one.since, one.group)):
        if (number := numbers.get((one.rule, one.where))) is not None:
            found.setdefault(number, []).append(one)
    return found


def _print_rows(rules: list[ConfiguredRule], rows: list[_Row], state: State | None) -> None:
    screen = Screen()
    table = Table([
        Heading("alert", fold=True), Heading("state"), Heading("since"), Heading("value", spare=2),
        Heading("by", fold=True, spare=1),
    ])  # fmt: skip
    for number, one in rows:
        rule = rules[number]
        if one is None:
            add_row(table, rule.name, "ok" if state is not None else "not evaluated", "", "", "")
        else:
            cell: Cell = [("firing", "red")]
            place = place_of(rule, one.group, one.run)
            add_row(table, rule.name, cell, moment(one.since), _value_text(restored(one.value)), place)
    table.print(screen)
    if state is not None:
        screen.note(f"evaluated until {moment(state.until)}", "dim")


def _row_as_json(rule: ConfiguredRule, one: StoredFiring | None, state: State | None) -> dict[str, Any]:
    status = "not evaluated" if state is None else "ok" if one is None else "firing"
    return {
        "name": rule.name, "rule": rule.rule.text, "where": rule.where, "state": status, "by": str(rule.rule.by),
        "group": one and one.group, "since": one and one.since, "value": one and one.value,
        "run": one and one.run and one.run[0], "until": state and state.until,
    }  # fmt: skip


def _print_episodes(reader: JournalReader, rules: list[ConfiguredRule], found: list[Episode]) -> None:
    if not found:
        output.say(f"no alert would have fired in {reader.directory}")
        return
    table = Table([
        Heading("alert", fold=True), Heading("by", fold=True), Heading("fired"), Heading("value", spare=2),
        Heading("resolved", spare=1, fold=True),
    ])  # fmt: skip
    for episode in found:
        rule = rules[episode.rule]
        end = "still firing"
        if episode.resolved is not None:
            why = episode.reason or _value_text(episode.value_then)
            end = f"{moment(episode.resolved)}{why and f' ({why})'}"
        place = place_of(rule, episode.group, episode.run)
        add_row(table, rule.name, place, moment(episode.fired), _value_text(episode.value), end)
    table.print(Screen())


def _episode_as_json(rule: ConfiguredRule, episode: Episode) -> dict[str, Any]:
    return {
        "name": rule.name, "rule": rule.rule.text, "where": rule.where, "by": str(rule.rule.by),
        "group": episode.group, "fired": episode.fired, "value": stored(episode.value),
        "run": episode.run and episode.run[0], "resolved": episode.resolved,
        "value_then": None if episode.value_then is None else number_to_json(episode.value_then),
        "reason": episode.reason,
    }  # fmt: skip


def _value_text(value: float | None) -> str:
    return "" if value is None else value_text(value)
