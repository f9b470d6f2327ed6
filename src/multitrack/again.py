"""What it takes to run a run again: its params, its command, its commit and its versions."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import PurePath
from typing import Any, Final

import msgspec

from multitrack.credentials import REDACTED
from multitrack.manifest import Context
from multitrack.recorded import RecordedRun
from multitrack.records import COMMAND_LINE
from multitrack.terminal import safe, safe_json

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

        Where params came from the command line, the recorded command's own, as they were given. Else one for each
        param: ``--lr=0.001 --model/units=64 --layers 1 2 3``, ``--flag`` for ``True`` and nothing for ``False``, and
        ``nan``, ``inf``, ``None`` as Python has them.
        """
        own = self._own_arguments()
        return [word for pair in self.params.items() for word in _argument(*pair)] if own is None else own

    def shell(self) -> str:
        """The same on one line of a shell (bash, zsh), quoted so that nothing in it does anything."""
        return " ".join(map(_quoted, self.arguments()))

    def _own_arguments(self) -> list[str] | None:
        """The command's arguments, where they are those of the ``Namespace`` that was recorded."""
        parsed = {name: value for name, value in self.params.items() if self.sources.get(name) == COMMAND_LINE}
        own = None if self.context is None or not parsed else _after_program(self.context)
        return own if own == [] or (own and _told_by(own, parsed)) else None  # without any, all are defaults

    def omitted(self, form: str) -> dict[str, str]:
        """What the arguments or the YAML do not say, by label."""
        told = {}
        if self.derived:
            told["left out"] = f"{self.derived} params that follow from the rest: what Keras said of the fit or search"
        if form == "args":
            if self._own_arguments() is not None:
                others = [name for name in self.params if self.sources[name] != COMMAND_LINE]
                told["not on the command line"] = ", ".join(others)
            else:
                told["false, so not given"] = ", ".join(name for name, value in self.params.items() if value is False)
        texts = self.arguments() if form == "args" else map(str, self.params.values())
        if any(REDACTED in text for text in texts):
            told["redacted"] = f"a secret was not recorded: put it in for {REDACTED}"
        return {label: text for label, text in told.items() if text}

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


def _after_program(context: Context) -> list[str] | None:
    """What followed the script's or module's name on the command line; ``None`` where that cannot be told."""
    for i, word in enumerate(context.command):
        if word == "-m":
            return context.command[i + 2 :]
        if context.program is not None and PurePath(word).name == PurePath(context.program).name:
            return context.command[i + 1 :]
    return None


def _told_by(arguments: list[str], parsed: dict[str, Any]) -> bool:
    """Whether any of the arguments is one of the params: by its option, which may be short for it, or its value.

    A ``Namespace`` may also be made by hand, in a test or by a launcher whose arguments are its own.
    """
    names = [_letters(name) for name in parsed]
    values = {
        repr(value) if type(value) is float else value for value in parsed.values() if type(value) in (str, float)
    }
    for word in arguments:
        option, equals, value = word.partition("=")
        letters = _letters(option.removeprefix("--")) if option.startswith("--") else ""
        if letters and any(name.startswith(letters) or f"no_{name}" == letters for name in names):
            return True
        value = value if equals else word
        if value in values or _float_text(value) in values:
            return True
    return False


def _letters(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _float_text(text: str) -> str | None:
    try:
        return repr(float(text))
    except ValueError:
        return None


def _argument(name: str, value: Any) -> list[str]:
    if value is False:
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
