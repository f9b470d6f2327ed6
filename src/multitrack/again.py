"""What it takes to run a run again: its params, its command, its commit and its versions."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

import msgspec

from multitrack.manifest import Context
from multitrack.recorded import RecordedRun
from multitrack.terminal import safe, safe_json

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXTS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


class Rerun(msgspec.Struct, frozen=True):
    """What it takes to run a run again, as far as it was recorded.

    Attributes:
        run: The run's id.
        params: Typed, flat.
        context: The command, the interpreter, the git commit and the packages; ``None`` where none was kept.
    """

    run: str
    params: dict[str, Any]
    context: Context | None

    @classmethod
    def of(cls, run: RecordedRun) -> Rerun:
        """Of a recorded run; a child's context is its parent's."""
        return cls(run.id, run.summary().params, run.context)

    def arguments(self) -> list[str]:
        """The params as arguments of a command: ``--lr=0.001 --model/units=64``."""
        return [
            f"--{name}={value if isinstance(value, str) else _scalar(value)}" for name, value in self.params.items()
        ]

    def shell(self) -> str:
        """The same on one line of a shell (bash, zsh), quoted so that nothing in it does anything."""
        return " ".join(map(_quoted, self.arguments()))

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
        """The versions of all packages that were installed, as pip reads them."""
        packages = {} if self.context is None else self.context.packages
        return "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))

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
