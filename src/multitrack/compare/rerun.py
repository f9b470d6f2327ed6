"""Everything recorded that helps to run a run again: its command, params, commit and package versions."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

import msgspec

from multitrack._hints import to_install
from multitrack.journal.manifest import Context
from multitrack.journal.provenance import PATCH
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import KERAS_TUNER
from multitrack.security.secrets import REDACTED
from multitrack.security.terminal import safe, safe_json

#: A line of a requirements file that pins a version.
_PINNED: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9.!+_-]+")


class Rerun(msgspec.Struct, frozen=True):
    """The recorded command, params and versions of a run.

    Attributes:
        run: The run's id.
        params: The params, typed and flat, without those that the Keras callback and the tuners read off, which follow
            from the others.
        context: The command, the interpreter, the git commit and the packages; ``None`` if not recorded.
        sources: The source of each param.
        derived: Number of params left out.
    """

    run: str
    params: dict[str, Any]
    context: Context | None
    sources: dict[str, str] = {}
    derived: int = 0

    @classmethod
    def of(cls, run: RecordedRun) -> Rerun:
        """Read them from a recorded run; a child's context is its parent's."""
        summary = run.summary()
        given = summary.given
        return cls(run.id, given, run.context, summary.sources, len(summary.params) - len(given))

    def command(self) -> str:
        """The recorded command line, quoted for a shell (bash, zsh); empty if it was not recorded."""
        return "" if self.context is None else " ".join(map(quoted, self.context.command))

    def to_json(self) -> str:
        """The params as a JSON file for ``log_params`` and ``start_run(params=…)``, nested as they were.

        NaN and infinities are written as ``NaN``, ``Infinity`` and ``-Infinity``, as Python's ``json`` reads them.
        """
        return safe_json(json.dumps(self._nested(), indent=2, ensure_ascii=False)) + "\n"

    def to_yaml(self) -> str:
        """The same as a YAML file.

        Raises:
            ImportError: PyYAML is not installed.
        """
        try:
            import yaml  # noqa: PLC0415 - an extra
        except ImportError:
            raise ImportError(
                f"params as YAML need PyYAML: {to_install('yaml')}; JSON (--rerun json, to_json()) needs nothing"
            ) from None
        nested = self._nested()
        text: str = yaml.safe_dump(nested, sort_keys=False, allow_unicode=True, width=2**31)
        if safe(text, lines=True) == text:
            return text
        escaped: str = yaml.safe_dump(nested, sort_keys=False, width=2**31)  # characters that could act on a terminal
        return escaped

    def _nested(self) -> dict[str, Any]:
        """The params nested; flat if a group would have no name, or that of another param, as ``a`` beside ``a/b``."""
        nested: dict[str, Any] = {}
        for name, value in self.params.items():
            *groups, last = name.split("/")
            paths = ["/".join(groups[: i + 1]) for i in range(len(groups))]
            if any(not path.strip() or path in self.params for path in paths):
                return self.params
            inner = nested
            for group in groups:
                inner = inner.setdefault(group, {})
            inner[last] = value
        return nested

    def notes(self) -> dict[str, str]:
        """Facts that the command and the params do not show, by label."""
        notes = {}
        if KERAS_TUNER in self.sources.values():
            notes["trial"] = "the command is that of its search; its hyperparameters are the params (--rerun json)"
        if self.derived:
            notes["left out"] = f"{self.derived} params that Keras derived from the others"
        words = [] if self.context is None else self.context.command
        if any(REDACTED in text for text in (*words, *map(str, self.params.values()))):
            notes["redacted"] = f"a secret was not recorded: put it in for {REDACTED}"
        return notes

    def requirements(self) -> str:
        """The versions of all installed packages, for pip; empty if they were not recorded.

        A package from a directory, an archive or a repository instead of an index is a comment.
        """
        if self.context is None:
            return ""
        lines = []
        for name, version in sorted(self.context.packages.items()):
            url = self.context.urls.get(name)
            if url is not None:
                lines.append(f"# {safe(name)} {safe(version)}: from {safe(url)}, not from an index\n")
            elif _PINNED.fullmatch(f"{name}=={version}"):
                lines.append(f"{name}=={version}\n")
            else:  # not of an installed package: an option such as --index-url would change where pip looks
                lines.append(f"# not a package: {safe(name)} {safe(version)}\n")
        return "".join(lines)

    def facts(self) -> dict[str, str]:
        """Command, directory, interpreter and commit, by label; without those that were not recorded."""
        context = self.context
        if context is None:
            return {}
        told = {"command": self.command(), "directory": context.cwd, "Python": context.python}
        if context.git is not None:
            told["git commit"] = context.git.commit
            told["branch"] = context.git.branch or ""
            told["changed since the commit"] = self._changes(context) if context.git.dirty else ""
            told["repository"] = context.git.remote or context.git.root or ""
        return {label: text for label, text in told.items() if text}

    def _changes(self, context: Context) -> str:
        kept = context.code is not None and PATCH in context.code.files
        return f"yes: multitrack show {self.run} --diff | git apply" if kept else "yes"


def quoted(argument: str) -> str:
    """Quote an argument for bash or zsh; one that could do something to a terminal as ``$'…'``, with escapes."""
    if safe(argument) == argument:
        return shlex.quote(argument)
    return f"$'{''.join(map(_escaped, argument))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    shown = safe(character)
    return shown if shown == character or character < "\x80" else f"\\u{ord(character):04x}"  # \x would be a byte
