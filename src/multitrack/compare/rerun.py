"""What it takes to run a run again: its params, its command, its commit and its versions."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

import msgspec

from multitrack.compare.command_line import Own, own_arguments
from multitrack.journal.manifest import Context
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import COMMAND_LINE, KERAS_TUNER
from multitrack.security.secrets import REDACTED
from multitrack.security.terminal import safe, safe_json

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXTS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


class Rerun(msgspec.Struct, frozen=True):
    """What it takes to run a run again, as far as it was recorded.

    Attributes:
        run: The run's id.
        params: Typed, flat; without those that the Keras callback and the tuners recorded, which follow from the rest.
        context: The command, the interpreter, the git commit and the packages; ``None`` where none was kept.
        sources: Where each param came from.
        derived: How many were left out.
    """

    run: str
    params: dict[str, Any]
    context: Context | None
    sources: dict[str, str] = {}
    derived: int = 0

    @classmethod
    def of(cls, run: RecordedRun) -> Rerun:
        """Of a recorded run; a child's context is its parent's."""
        summary = run.summary()
        given = summary.given
        return cls(run.id, given, run.context, summary.sources, len(summary.params) - len(given))

    def arguments(self) -> list[str]:
        """The arguments of a command that runs it again.

        The recorded command's own, as they were given, where they name params and none of these has another value.
        Else one for each param: ``--lr=0.001 --model/units=64 --layers 1 2 3``, ``--flag`` for ``True`` and nothing for
        ``False`` and ``None``, and ``nan``, ``inf`` as Python has them.
        """
        command = self._command
        if command is not None and self.own:
            return command.words
        return [word for pair in self.params.items() for word in _argument(*pair)]

    def shell(self) -> str:
        """The same on one line of a shell (bash, zsh), quoted so that nothing in it does anything."""
        return " ".join(map(_quoted, self.arguments()))

    @property
    def own(self) -> bool:
        """Whether the arguments are the recorded command's own."""
        command, sources = self._command, self.sources.values()
        if command is None or command.changed or KERAS_TUNER in sources:  # what a tuner chose, no command says
            return False
        return command.told or (not command.words and COMMAND_LINE in sources)  # without any, all are defaults

    @property
    def _command(self) -> Own | None:
        parsed = {name: value for name, value in self.params.items() if self.sources.get(name) == COMMAND_LINE}
        return None if self.context is None else own_arguments(self.context, self.params, parsed)

    def omitted(self, form: str) -> dict[str, str]:
        """What the arguments or the YAML do not say, by label."""
        told = {}
        if self.derived:
            told["left out"] = f"{self.derived} params that follow from the rest: what Keras said of the fit or search"
        if form == "args":
            told |= self._of_arguments()
        texts = self.arguments() if form == "args" else map(str, self.params.values())
        if any(REDACTED in text for text in texts):
            told["redacted"] = f"a secret was not recorded: put it in for {REDACTED}"
        return {label: text for label, text in told.items() if text}

    def _of_arguments(self) -> dict[str, str]:
        command = self._command
        if command is not None and self.own:
            others = ", ".join(
                f"{name}={_word(self.params[name])}" for name in self.params if name not in command.named
            )
            return {"not named here": others and f"{others} (defaults, short options, positions, or set by the script)"}
        told = {
            "false, so not given": ", ".join(name for name, value in self.params.items() if value is False),
            "none, so not given": ", ".join(name for name, value in self.params.items() if value is None),
        }
        if command is not None and self.params:
            told["params as arguments"] = f"the command itself took {'others' if command.words else 'none'}"
            told["changed by the script"] = ", ".join(
                f"{name} was {_word(self.params[name])}, the command says {' '.join(said) or 'otherwise'}"
                for name, said in command.named.items()
                if name in command.changed
            )
        return told

    def yaml(self) -> str:
        """The params as a YAML file that ``log_params`` and ``start_run(params=…)`` take, nested as they were."""
        nested: dict[str, Any] = {}
        for name, value in self.params.items():
            *outer, last = name.split("/")
            inner = nested
            for part in outer:
                inner = inner.setdefault(part, {})
                if not isinstance(inner, dict):
                    return _yaml(self.params)  # "a" beside "a/b"
            if last in inner:
                return _yaml(self.params)
            inner[last] = value
        return _yaml(nested)

    def requirements(self) -> str:
        """The versions of all packages that were installed, as pip reads them.

        What came from a directory, an archive or a repository instead of an index is a comment.
        """
        if self.context is None:
            return ""
        lines = []
        for name, version in sorted(self.context.packages.items()):
            url = self.context.urls.get(name)
            lines.append(
                f"{name}=={version}\n" if url is None else f"# {name} {version}: from {safe(url)}, not from an index\n"
            )
        return "".join(lines)

    def facts(self) -> dict[str, str]:
        """Where it ran and by what, by label; what is not known is left out."""
        context = self.context
        if context is None:
            return {}
        told = {"command": shlex.join(context.command), "directory": context.cwd, "Python": context.python}
        if context.git is not None:
            told["git commit"] = context.git.commit
            told["branch"] = context.git.branch or ""
            told["changed since the commit"] = "yes" if context.git.dirty else ""
            told["repository"] = context.git.remote or context.git.root or ""
        return {label: text for label, text in told.items() if text}


def _argument(name: str, value: Any) -> list[str]:
    if value is False or value is None:
        return []
    if value is True:
        return [f"--{name}"]
    if isinstance(value, list):
        return [f"--{name}", *map(_word, value)]
    return [f"--{name}={_word(value)}"]


def _word(value: Any) -> str:
    """A value as ``float``, ``int`` and ``str`` read it; what is nested as JSON."""
    return _scalar(value) if isinstance(value, (list, dict)) else str(value)


def _quoted(argument: str) -> str:
    """An argument for a shell; one that could do something to a terminal as ``$'…'``, with escapes."""
    if safe(argument) == argument:
        return shlex.quote(argument)
    return f"$'{''.join(map(_escaped, argument))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    shown = safe(character)
    return shown if shown == character or character < "\x80" else f"\\u{ord(character):04x}"  # \x would be a byte


def _yaml(values: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{_key(name)}:\n{_yaml(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{_key(name)}: {_scalar(value)}\n")
    return "".join(lines) or f"{indent}{{}}\n"


def _key(name: str) -> str:
    """A name, quoted where YAML might read anything else."""
    return name if _WORD.fullmatch(name) and name.lower() not in _NOT_TEXTS else _scalar(name)


def _scalar(value: Any) -> str:
    """A value on one line of YAML, of the type that it has; of anything but odd floats this is JSON."""
    if isinstance(value, float):
        if value - value != 0:
            return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")  # YAML takes 1e-05 for a text
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(str(key))}: {_scalar(item)}' for key, item in value.items())}}}"
    return safe_json(json.dumps(value, ensure_ascii=False))
