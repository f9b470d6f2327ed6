"""``multitrack backends`` and ``multitrack config``: show the setup of this directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec

from multitrack import plugins
from multitrack._hints import to_install
from multitrack.cli import output
from multitrack.cli.options import JSON
from multitrack.cli.output import print_json
from multitrack.cli.tables import Screen, add_row, text_table
from multitrack.config import Settings, load_config
from multitrack.environment import ranks
from multitrack.errors import MultitrackError
from multitrack.plugins.requirements import packages_of
from multitrack.reading.formatting import value_text
from multitrack.security.secrets import REDACTED, is_secret_name, without_credentials
from multitrack.security.terminal import safe


@click.command()
@JSON
def backends(as_json: bool) -> None:
    """List the backends, with the tracker's SDK and its supported releases, or the command that installs them.

    Exit status: 0, also if a backend has a problem, which its row names.
    """
    installed = plugins.installed()
    selected = load_config().settings.backends
    rows = [
        _backend(name, installed.get(name), selected=name in selected)
        for name in sorted({*installed, *plugins.KNOWN, *selected})
    ]
    if as_json:
        print_json(rows)
    else:
        print_backends(rows)


def _backend(name: str, distribution: str | None, *, selected: bool) -> dict[str, Any]:
    """One backend, as JSON values; imports its plugin, but no SDK."""
    problem = install = None
    if distribution is not None or selected:
        try:
            plugins.load_backend(name)
        except MultitrackError as error:
            problem = str(error)
    if distribution is None and name in plugins.KNOWN:
        install = to_install(name, f"./plugins/{name}")
    needed = packages_of(distribution.partition(" ")[0]) if distribution else []
    if wrong := [package for package in needed if not package.fits]:
        states = [f"{one.installed} is not supported" if one.installed else "is missing" for one in wrong]
        problem = problem or ", ".join(f"{one.name} {state}" for one, state in zip(wrong, states, strict=True))
        install = install or "pip install " + " ".join(f"'{one.name}{one.supported}'" for one in wrong)
    return {
        "name": name, "distribution": distribution, "selected": selected, "install": install, "problem": problem,
        "packages": [dataclasses.asdict(package) for package in needed],
    }  # fmt: skip


@click.command()
@JSON
def config(as_json: bool) -> None:
    """Show the config of this directory, and where each value came from."""
    loaded = load_config()
    rows: list[tuple[str, str, Any, str]] = [
        ("", field.name, _in_brief(field.name, getattr(loaded.settings, field.name)), loaded.origins[field.name])
        for field in msgspec.structs.fields(Settings)
    ]
    selected = [plugins.load_backend(name) for name in loaded.settings.backends]
    loaded.check_tables([backend.name for backend in selected])
    if loaded.settings.alerts or loaded.settings.notify:
        from multitrack.alerts.configured import plan_alerts  # noqa: PLC0415 - most configs have no alerts

        plan_alerts(loaded)
    for backend in selected:
        options, origins = loaded.options(backend)
        for field in msgspec.structs.fields(options):
            value = without_secret(field.encode_name, getattr(options, field.name))
            rows.append((backend.name, field.encode_name, value, origins[field.encode_name]))
    place = ranks.this_process()
    if as_json:
        keys = ("section", "key", "value", "origin")
        values = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json({"file": loaded.file and str(loaded.file), "values": values, "process": place._asdict()})
    else:
        print_config(loaded.place() if loaded.file else None, rows)
        if place.size > 1:
            nothing = ": records nothing" if place.passed_over(loaded.settings.ranks) else ""
            output.line(safe(f"this process: {place}{nothing}"))


def _in_brief(name: str, value: Any) -> Any:
    """A setting's value; of alerts only the rules, and of notifiers the names, as their options may be secret."""
    if name == "alerts":
        return [alert.when for alert in value]
    return list(value) if name == "notify" else value


def print_backends(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of ``multitrack backends``."""
    table = text_table("backend", "distribution", "SDK", "supported", "selected", "problem")
    for row in rows:
        packages = row["packages"]
        hint = ": ".join(filter(None, (row["problem"], row["install"])))
        sdks = ", ".join(f"{package['name']} {package['installed'] or 'missing'}" for package in packages)
        supported = ", ".join(package["supported"] or "any" for package in packages)
        add_row(
            table, row["name"], row["distribution"] or "not installed", sdks, supported,
            "yes" if row["selected"] else "", hint,
        )  # fmt: skip
    table.print(Screen())


def print_config(place: str | None, rows: Iterable[tuple[str, str, Any, str]]) -> None:
    """Print the table of ``multitrack config``."""
    screen = Screen()
    screen.note(f"config file: {safe(place)}" if place else "no config file found, using defaults")
    table = text_table("key", "value", "from")
    for section, key, value, origin in rows:
        add_row(table, f"[{section}] {key}" if section else key, value_text(value), origin)
    table.print(screen)


def without_secret(name: str, value: Any) -> Any:
    """Return an option's value without credentials."""
    if not isinstance(value, str) or not value:
        return value
    return REDACTED if is_secret_name(name) else without_credentials(value)
