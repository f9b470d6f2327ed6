"""Record what is assigned to fields: params, simple metrics, tags and references."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any, Final

from multitrack.compat.media import has_html
from multitrack.compat.neptune.fields import REMOVED, SET, TAGS, Field, Fields, kind_of
from multitrack.compat.neptune.utils import StringifyValue, text_of_unsupported
from multitrack.compat.omissions import Omissions
from multitrack.inputs.structures import mapping_of
from multitrack.inputs.values import plain_number
from multitrack.recording.run import Run

#: Fields of Neptune's own that programs set. They describe a run here from its start on, and are tags afterwards.
_DESCRIBING: Final = {"sys/name", "sys/description"}
#: Sets whose members are labels.
_LABELS: Final = {TAGS, "sys/group_tags"}


class FieldRecorder:
    """Records fields of one run.

    A param is written once, and Neptune's fields may be assigned again. So the first value of a field is a param. If
    another number is assigned, both are values of a simple metric; if another text is, it is a tag.

    Args:
        run: The run.
        fields: Its fields.
        omissions: Counts what cannot be recorded.
    """

    def __init__(self, run: Run, fields: Fields, omissions: Omissions) -> None:
        self.run = run
        self.fields = fields
        self.omissions = omissions
        self._params: dict[str, Any] = {path: field.value for path, field in fields.below("") if _is_value(field)}
        self._changing: set[str] = set()

    def assign(self, values: dict[str, Any]) -> None:
        """Record plain values by path; the new ones become params in one record."""
        new: dict[str, Any] = {}
        for path, value in values.items():
            field = Field("Datetime" if isinstance(value, datetime.datetime) else kind_of(value), value)
            before = self.fields.get(path)
            if before is not None and before.is_series:
                self._assign_series(path, value)
                continue
            self.fields[path] = field
            plain = _plain(value)
            if path.startswith("sys/"):
                self._set_own(path, plain)
            elif path not in self._params:
                new[path] = self._params[path] = plain
            elif path in self._changing or repr(self._params[path]) != repr(plain):
                self._change(path, plain)
        if new:
            self._log_params(new)

    def add(self, path: str, members: Iterable[str]) -> None:
        """Add members to a set of texts; they become tags."""
        known = self.fields.members(path)
        new = [str(each) for each in members]
        known.update(dict.fromkeys(new))
        with self.omissions.attempt("add"):
            self.run.set_tags({_tag(path, each): SET for each in new})

    def remove(self, path: str, members: Iterable[str]) -> None:
        """Remove members of a set: a journal keeps their tags, with the value ``false``."""
        known = self.fields.members(path)
        gone = [str(each) for each in members if str(each) in known]
        for each in gone:
            del known[each]
        with self.omissions.attempt("remove"):
            self.run.set_tags({_tag(path, each): REMOVED for each in gone})

    def refer(self, path: str, uri: str, kind: str = "file") -> None:
        """Record a reference to a file."""
        with self.omissions.attempt("upload" if kind != "artifact" else "track_files"):
            self.run.log_artifact_ref(path, uri, kind)

    def _log_params(self, values: dict[str, Any]) -> None:
        try:
            self.run.log_params(values)
        except (TypeError, ValueError):  # one of them has no form in a journal: the others are recorded
            for path, value in values.items():
                with self.omissions.attempt("assign"):
                    self.run.log_params({path: value})

    def _change(self, path: str, value: Any) -> None:
        """Record another value of a field that is a param already."""
        first = self._params[path]
        with self.omissions.attempt("assign"):
            if _is_number(value) and (_is_number(first) or path in self._changing):
                if path not in self._changing:
                    self._changing.add(path)
                    self.run.log_metric(path, first)
                self.run.log_metric(path, value)
            else:
                self.run.set_tags({path: value if isinstance(value, (bool, int, float)) else str(value)})
                self._changing.discard(path)
                self._params[path] = value  # equal ones that follow are recorded once

    def _assign_series(self, path: str, value: Any) -> None:
        if _is_number(value):
            with self.omissions.attempt("assign"):
                self.run.log_metric(path, value)
        else:
            self.omissions.leave_out("assign", "a series cannot become a value that is no number")

    def _set_own(self, path: str, value: Any) -> None:
        if path in _DESCRIBING:
            with self.omissions.attempt("assign"):
                self.run.set_tags({path: value})
        else:
            self.omissions.leave_out("assign", "fields below sys/ are Neptune's own, other than name and description")


def leaves(path: str, value: Any, *, as_text: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a value with their paths.

    Args:
        path: The path of the value.
        value: A mapping or structured object, or a leaf.
        as_text: True to make text of leaves that Neptune has no type for.
    """
    if isinstance(value, StringifyValue):
        value, as_text = value.value, True
    inner = None if isinstance(value, (str, bytes)) or has_html(value) else mapping_of(value)
    if inner is None:
        yield path, text_of_unsupported(value) if as_text else value
        return
    for key, item in inner.items():
        below = "/".join(filter(None, (path, *str(key).split("/"))))
        yield from leaves(below, item, as_text=as_text)


def _is_value(field: Field) -> bool:
    return field.kind in ("Boolean", "Datetime", "Float", "Integer", "String", "Object")


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and plain_number(value) is not None


def _plain(value: Any) -> Any:
    """A time as text in UTC, as an import has it; anything else as it is."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return value


def _tag(path: str, member: str) -> str:
    return member if path in _LABELS else f"{path}/{member}"
