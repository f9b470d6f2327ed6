"""The outcome of a comparison: what a tracker holds otherwise than the journal."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import msgspec

#: Differences of one thing that are listed; the others are counted.
_EXAMPLES: Final = 3


class Finding(msgspec.Struct, frozen=True):
    """Something that the tracker holds otherwise than the journal.

    Attributes:
        outcome: ``missing`` in the tracker, ``different`` there, or there as a ``stand-in``.
        thing: ``param lr``, ``metric loss``, ``lines`` and so on.
        count: Number of values.
        detail: The values of both, or the sentence that names the stand-in.
    """

    outcome: Literal["missing", "different", "stand-in"]
    thing: str
    count: int
    detail: str


class Verified(msgspec.Struct):
    """The outcome for one run and backend.

    Attributes:
        id: The run's id.
        name: Its name.
        backend: The backend.
        equal: Number of values that are equal: params, tags, points, simple metrics, lines, references and facts.
        findings: The others.
        extra: Number of values in the tracker that the journal does not have, such as those of autologging.
        error: The reason if the run could not be read back.
    """

    id: str
    name: str
    backend: str
    equal: int = 0
    findings: list[Finding] = []
    extra: int = 0
    error: str | None = None

    @property
    def passed(self) -> bool:
        """True if everything is there, equal or as a stand-in."""
        return self.error is None and self.equal > 0 and all(each.outcome == "stand-in" for each in self.findings)


class Missing:
    """The type of :data:`MISSING`."""

    def __repr__(self) -> str:
        return "missing"


#: Stands for a value that the tracker does not have.
MISSING: Final = Missing()


class StandIns:
    """The sentences of a backend about values that its tracker cannot hold."""

    def __init__(self, sentences: list[str]) -> None:
        self._sentences = sentences

    def of(self, thing: str) -> str | None:
        """The sentence about a thing: ``metric loss: …`` or ``param x: …``; names may stand without their kind."""
        name = thing.partition(" ")[2]
        for sentence in self._sentences:
            if sentence.startswith((f"{thing}:", f"{name}:")):
                return sentence
        return None


def note(found: Verified, notes: StandIns, thing: str, pairs: list[tuple[Any, Any]], equal: int) -> None:
    """Count equal values, and add a finding for each kind of the others.

    A stand-in explains a value that is there and differs. Of numbers, only those that a tracker may not hold.
    """
    found.equal += equal
    sentence = notes.of(thing)
    missing = [pair for pair in pairs if pair[1] is MISSING]
    different = [pair for pair in pairs if pair[1] is not MISSING]
    findings = []
    if sentence is not None:
        excused = [pair for pair in different if _is_hard(pair[0])]
        different = [pair for pair in different if not _is_hard(pair[0])]
        if excused:
            findings.append(Finding("stand-in", thing, len(excused), sentence))
    if missing:
        detail = ", ".join(_shown(here) for here, _ in missing[:_EXAMPLES])
        findings.append(Finding("missing", thing, len(missing), detail))
    if different:
        detail = ", ".join(f"{_shown(here)} is {_shown(there)}" for here, there in different[:_EXAMPLES])
        findings.append(Finding("different", thing, len(different), detail))
    found.findings = [*found.findings, *findings]


def _is_hard(value: Any) -> bool:
    """Return True unless a value is a number, or a point with one, that every tracker holds."""
    if isinstance(value, tuple) and len(value) == 3:
        value = value[2]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    return not math.isfinite(value) if isinstance(value, float) else abs(value) > 2**53


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
