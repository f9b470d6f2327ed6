"""``multitrack new-backend``: make the plugin of a new backend."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click
import msgspec

from multitrack import __version__
from multitrack.cli import output
from multitrack.config import Settings
from multitrack.plugins import KNOWN
from multitrack.security.terminal import safe
from multitrack.template.files import write_plugin
from multitrack.template.names import checked_name

#: What to do in the plugin's folder.
_NEXT: Final = ("python -m pip install --editable '.[testing]'", "python -m pytest")


@click.command("new-backend")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Folder of the plugin. Default: multitrack-NAME.",
)
@click.option("--force", is_flag=True, help="Write into a folder that has files, and replace those of the same names.")
def new_backend(name: str, directory: Path | None, force: bool) -> None:
    """Make a plugin that delivers to a tracker of your own, called NAME in a config.

    The plugin is complete: it delivers to a file, and passes the contract of all backends. Change it step by step to
    deliver to your tracker; docs/writing-a-plugin.md shows how.
    """
    try:
        backend = checked_name(name, {*KNOWN, *(field.encode_name for field in msgspec.structs.fields(Settings))})
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    folder = Path(backend.distribution) if directory is None else directory
    try:
        written = write_plugin(backend, folder, __version__, overwrite=force)
    except FileExistsError as error:
        raise click.UsageError(f"{output.told(error)}; choose another --directory, or --force") from error
    output.line(f"{safe(folder)}: {len(written)} files of the backend {backend.name!r}. Install and test it:")
    output.line()
    for command in (f"cd {shlex.quote(str(folder))}", *_NEXT):
        output.line(f"  {safe(command)}")
