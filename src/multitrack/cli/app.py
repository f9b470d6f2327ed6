"""The ``multitrack`` command.

Exit status: 0 done, 1 failed or not all delivered, 2 wrong usage or config, 130 interrupted.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import click

from multitrack import __version__
from multitrack.cli import output
from multitrack.cli.output import OutputError
from multitrack.errors import ConfigError, MultitrackError, QueryError, RuleError
from multitrack.reading.locating import LEFT_OUT
from multitrack.security.terminal import excerpt, safe

#: The module of each command; imported when it is called, so that no command waits for the imports of another.
_COMMANDS: Final[Mapping[str, str]] = {
    "backends": "multitrack.cli.setup",
    "config": "multitrack.cli.setup",
    "runs": "multitrack.cli.runs",
    "show": "multitrack.cli.show",
    "logs": "multitrack.cli.logs",
    "lineage": "multitrack.cli.lineage",
    "sync": "multitrack.cli.sync",
    "import": "multitrack.cli.import_runs",
    "replay": "multitrack.cli.replay",
    "move": "multitrack.cli.move",
    "verify": "multitrack.cli.verify",
    "exec": "multitrack.cli.exec",
    "alerts": "multitrack.cli.alerts",
    "compare": "multitrack.cli.compare",
    "drift": "multitrack.cli.drift",
    "models": "multitrack.cli.models",
    "monitor": "multitrack.cli.monitor",
    "compact": "multitrack.cli.compact",
    "export": "multitrack.cli.export",
    "push": "multitrack.cli.push",
    "pull": "multitrack.cli.pull",
    "report": "multitrack.cli.report",
    "sql": "multitrack.cli.sql",
    "plot": "multitrack.cli.plot",
    "reproduce": "multitrack.cli.reproduce",
    "new-backend": "multitrack.cli.new_backend",
}


class _Messages(logging.Filter):
    """Passes each message on once, and notes the runs that a command left out.

    Attributes:
        left_out: The ids of the runs that the current command could not read.
    """

    left_out: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.left_out.clear()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if run := getattr(record, LEFT_OUT, None):
            self.left_out.add(run)
        text = record.getMessage()
        new = text not in self._seen
        self._seen.add(text)
        return new


class _Command(click.Group):
    """Ends every command with an exit status, and every error with one message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command of a name, imported now."""
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        name = f"{cmd_name}_" if cmd_name in ("exec", "import") else cmd_name.replace("-", "_")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and exit; see :class:`click.Command`."""
        run = functools.partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        with output.streams():
            status = self._status(run)
            status = status or int(bool(_Messages.left_out))
            try:
                sys.stdout.flush()
            except OutputError as error:
                status = error.drop()
        sys.exit(status)

    def _status(self, run: Callable[[], Any]) -> int:
        """Run the command; its exit status."""
        try:
            status = run()
        except click.UsageError as error:
            if not isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # whose message is the help
                error = click.UsageError(excerpt(safe(error.format_message()), 1000), error.ctx)
            error.show()
            return error.exit_code
        except click.ClickException as error:
            output.say(error.format_message())
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            output.say("interrupted")
            return 130
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except OutputError as error:
            return error.drop()
        except (MultitrackError, ImportError, OSError, MemoryError) as error:
            shows_place = isinstance(error, (QueryError, RuleError))  # below the message
            output.say(output.told(error), lines=shows_place)
            usage = not isinstance(error, MultitrackError) and isinstance(error, ImportError)
            return 2 if usage or isinstance(error, (QueryError, ConfigError)) else 1
        return status if isinstance(status, int) else 0


def left_out() -> set[str]:
    """The ids of the runs that the current command has left out so far, because they cannot be read."""
    return _Messages.left_out


@click.group(
    "multitrack", cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="multitrack %(version)s")
def main() -> None:
    """Look at recorded runs, and deliver them to trackers.

    Runs are recorded in a journal (the directory .multitrack) and delivered from there to MLflow, W&B, Neptune and
    others. Only `sync` and `models alias` need a tracker.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Messages())
    # force: a click runner in tests swaps stderr between invocations
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
