"""``multitrack models``: the versions and aliases of the models that runs wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from multitrack.cli import output
from multitrack.cli.options import JOURNAL, JOURNALS, JSON, open_journals
from multitrack.cli.output import print_json
from multitrack.cli.tables import Heading, Screen, Table, add_row, text_table
from multitrack.dataset.reading import is_data_set
from multitrack.errors import ModelError, RunError
from multitrack.models.aliases import check_alias, publish_alias, set_alias
from multitrack.models.best import best_version
from multitrack.models.check import difference_of
from multitrack.models.numbering import models_of, number_models
from multitrack.models.registry import ModelRegistry
from multitrack.models.versions import Model, Version
from multitrack.reading.formatting import moment, value_text
from multitrack.reading.labels import Place
from multitrack.reading.opening import open_journal
from multitrack.reading.reader import JournalReader
from multitrack.security.terminal import excerpt, safe

#: Characters of a digest in a table, with its algorithm.
_DIGEST: Final = 19

_HELP: Final = """\
List the models of a journal; show, get and name their versions.

A reference with kind="model" that a run wrote is a version MAJOR.MINOR.PIPELINE of the model of its name. The run's
end numbers it: MAJOR goes up when inputs or outputs became incompatible, MINOR when the objective improved on the
same data, PIPELINE with every other training.

\b
    multitrack models                              all models
    multitrack models show classifier              its versions, with the reasons of their numbers
    multitrack models get classifier               where the highest version is
    multitrack models get classifier@prod --verify and whether its file is unchanged
    multitrack models alias classifier@1.2.0 prod  name a version
"""

_GET_HELP: Final = """\
Print where one version of a model is, and its digest. Nothing is downloaded.

\b
    NAME         the version with the highest number
    NAME@1.2.0   this version
    NAME@prod    the version with this alias
"""


@click.group(help=_HELP, invoke_without_command=True)
@JOURNALS
@JSON
@click.pass_context
def models(ctx: click.Context, journals: tuple[str, ...], as_json: bool) -> None:
    """See :data:`_HELP`."""
    ctx.obj = (journals, as_json)
    if ctx.invoked_subcommand is not None:
        return
    reader = open_journals(journals)
    found = [(place.label, model) for place in reader.places for model in _models_in(place).values()]
    several = len(reader.places) > 1
    if as_json:
        print_json([{**({"journal": label} if several else {}), **_model_as_json(model)} for label, model in found])
        return
    if not found:
        output.say(f'no models in {reader.where}; run.log_artifact_ref(name, path, kind="model") makes one')
        return
    table = text_table("model", *(("journal",) if several else ()), "latest", "versions", "aliases", "written")
    for label, model in sorted(found, key=lambda one: (one[1].name, one[0])):
        last = model.versions[-1] if model.versions else None
        add_row(
            table, model.name, *((label,) if several else ()), last.version if last else "", str(len(model.versions)),
            ", ".join(f"{alias} = {number}" for alias, number in sorted(model.aliases.items())),
            moment(last.time) if last else "",
        )  # fmt: skip
    table.print(Screen())


def _models_in(place: Place) -> dict[str, Model]:
    return ModelRegistry(place.directory).models()


def _place_of(reader: JournalReader, spec: str) -> Place:
    """Return the journal that has a model: NAME, or NAME@VERSION or NAME@ALIAS.

    Raises:
        ModelError: If several journals have it.
    """
    if len(reader.places) == 1:
        return reader.places[0]
    names = {spec, spec.rpartition("@")[0]}
    found = [place for place in reader.places if names & _models_in(place).keys()]
    if len(found) > 1:
        labels = ", ".join(place.label for place in found)
        raise ModelError(f"several journals have the model {excerpt(spec)!r}: {labels}; name one with --journal")
    return found[0] if found else reader.places[0]


def _only(journal: Path | None, given: tuple[str, ...]) -> JournalReader:
    """Open the one journal of a command that writes to it."""
    if journal is not None:
        return open_journal(journal)
    name = click.get_current_context().info_name
    if len(given) > 1:
        raise click.UsageError(f"{name} works on one journal at a time: give --journal once")
    if given and is_data_set(given[0]):
        raise click.UsageError(f"{given[0]} is a data set, which {name} does not take")
    return open_journals(given)


@models.command()
@click.argument("name")
@JOURNALS
@JSON
@click.pass_obj
def show(given: tuple[tuple[str, ...], bool], name: str, journals: tuple[str, ...], as_json: bool) -> None:
    """Show the versions of the model NAME, newest first, with the reasons of their numbers."""
    registry = ModelRegistry(_place_of(open_journals(journals or given[0]), name).directory)
    if "@" in name and name not in registry.models():
        raise click.UsageError(f"show takes a model's name alone; `multitrack models get {name}` shows one version")
    model = registry.named(name)
    if as_json or given[1]:
        print_json(_model_as_json(model))
        return
    table = Table([
        Heading("version"), Heading("aliases", fold=True), Heading("run"), Heading("written", spare=2),
        Heading("objective", fold=True), Heading("digest", spare=1), Heading("reasons", fold=True),
    ])  # fmt: skip
    for version in reversed(model.versions):
        add_row(
            table, version.version, ", ".join(model.aliases_of(version)), version.run, moment(version.time),
            _objective(version), (version.digest or "")[:_DIGEST], "; ".join(version.reasons),
        )  # fmt: skip
    table.print(Screen())


@models.command(help=_GET_HELP)
@click.argument("spec", metavar="NAME[@VERSION|@ALIAS]")
@click.option("--alias", metavar="ALIAS", help="The version with this alias; the same as NAME@ALIAS.")
@click.option("--best", metavar="METRIC", help="The version whose run has the best value: val_accuracy, val_loss:min.")
@click.option("--verify", is_flag=True, help="Exit with 1 unless the local file has the recorded digest.")
@JOURNALS
@JSON
@click.pass_obj
def get(
    given: tuple[tuple[str, ...], bool], spec: str, alias: str | None, best: str | None, verify: bool,
    journals: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """See :data:`_GET_HELP`."""
    if alias is not None and best is not None:
        raise click.UsageError("--alias and --best: one of them")
    if "@" in spec and (alias is not None or best is not None):
        raise click.UsageError("NAME@VERSION, --alias and --best: one of them")
    place = _place_of(open_journals(journals or given[0]), spec)
    reader, registry = JournalReader([place]), ModelRegistry(place.directory)
    value = None
    if best is not None:
        model = registry.named(spec)
        version, value = best_version(reader, model, best)
    else:
        model, version = registry.find(spec if alias is None else f"{spec}@{alias}")
    difference = difference_of(version) if verify else None
    later = [one.version for one in model.versions if one.uri == version.uri and one.time > version.time]
    if version.path is not None and later:
        output.say(f"{version.name} {later[-1]} was written over this file")
    if as_json or given[1]:
        print_json({
            **_version_as_json(model, version), **({} if best is None else {"best": {"metric": best, "value": value}}),
            **({"verified": difference is None, "difference": difference} if verify else {}),
        })  # fmt: skip
    else:
        _print_version(model, version, best, value)
        if verify:
            output.say(f"{version.name} {version.version}: {difference or 'the file has the recorded digest'}")
    if difference is not None:
        sys.exit(1)


@models.command()
@click.argument("spec", metavar="NAME[@VERSION]")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Remove the alias from the model.")
@JOURNAL
@JSON
@click.pass_obj
def alias(
    given: tuple[tuple[str, ...], bool], spec: str, alias: str, remove: bool, journal: Path | None, as_json: bool
) -> None:
    """Give a version of a model a name that can move, such as prod.

    The alias is set in the journal, and in the model registries of the trackers that the version was registered in
    (register_models = true in [mlflow]). These come first: if one refuses, the journal's alias stays as it is, and the
    command exits with 1.
    """
    reader = _only(journal, given[0])
    registry = ModelRegistry(reader.directory)
    model, version = registry.find(f"{spec}@{alias}" if remove and "@" not in spec else spec)
    check_alias(model, version, alias, present=not remove)
    try:
        published = publish_alias(reader.run(version.run), version, alias, present=not remove)
    except RunError:  # and with it what says where it was delivered
        output.say(f"run {version.run} was deleted: no tracker is told of the alias")
        published = {}
    refused = any(published.values())
    if not refused:
        set_alias(registry, model, version, alias, present=not remove)
    if as_json or given[1]:
        print_json({"name": model.name, "version": version.version, "alias": alias, "set": not refused and not remove,
                    "backends": {name: reason or "set" for name, reason in published.items()}})  # fmt: skip
    else:
        for name, reason in published.items():
            output.say(f"{name}: {reason or ('removed' if remove else 'set')}")
        if refused:
            output.say("the journal's alias is unchanged; mend the cause, and run the same command again")
        else:
            done = "no longer has" if remove else "is now"
            output.line(safe(f"{model.name} {version.version} {done} {alias}"))
    if refused:
        sys.exit(1)


@models.command()
@click.argument("run")
@JOURNAL
@JSON
@click.pass_obj
def add(given: tuple[tuple[str, ...], bool], run: str, journal: Path | None, as_json: bool) -> None:
    """Number the models of a run that was killed before its end did so. RUN is an id, a prefix of one, or a name."""
    found = _only(journal, given[0]).run(run)
    summary = found.summary()
    if summary.status == "running":
        raise ModelError(f"run {found.id} is still running; its end numbers its models")
    if not models_of(summary):
        raise ModelError(f"run {found.id} wrote no model")
    numbered = number_models(found)
    if as_json or given[1]:
        print_json(numbered)
        return
    for model in numbered:
        output.line(safe(f"{model.name} {model.version}: {'; '.join(model.reasons)}"))


def _objective(version: Version) -> str:
    objective = version.facts.objective
    if objective is None:
        return ""
    return f"{objective.metric} = {'not known' if objective.value is None else value_text(objective.value)}"


def _print_version(model: Model, version: Version, best: str | None, value: float | None) -> None:
    output.line(safe(version.uri if version.path is None else str(version.path)))
    facts = Table([Heading("", style="dim"), Heading("", fold=True)], header=False)
    told = {
        "model": f"{version.name} {version.version}", "aliases": ", ".join(model.aliases_of(version)),
        "run": version.run, "digest": version.digest or "", "stored as": version.stored or "",
        "objective": _objective(version),
        "best": "" if best is None else f"{best} = {value_text(value)}",
    }  # fmt: skip
    for label, text in told.items():
        if text:
            add_row(facts, label, text)
    facts.print(Screen())


def _model_as_json(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "aliases": model.aliases,
        "versions": [_version_as_json(model, version) for version in model.versions],
    }


def _version_as_json(model: Model, version: Version) -> dict[str, Any]:
    return {**output.plain(version), "aliases": model.aliases_of(version)}
