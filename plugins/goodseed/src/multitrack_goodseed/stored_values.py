"""The single values of a run in goodseed: its facts, and the records that they stand for."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from multitrack.hookspecs import SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.journal.prepared import prepared
from multitrack.records import ArtifactRef, Metric, Params, Tags
from multitrack_goodseed.names import ARTIFACTS, OWN, PARAMETERS, SUMMARY, TAGS, TYPES, name_of
from multitrack_goodseed.values import ConfigValue, moment, value_of


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """An artifact reference as its JSON in goodseed has it.

    Attributes:
        uri: Location.
        kind: Kind.
        role: Role.
        digest: Digest, if known.
        version: Version of the data, if known.
        size: Size in bytes, if known.
    """

    uri: str
    kind: str
    role: Any
    digest: str | None = None
    version: str | None = None
    size: int | None = None


def param_of(value: ConfigValue, is_json: bool) -> Any:
    """Return a param for its single value, which is JSON for a list or an empty mapping."""
    return json.loads(str(value)) if is_json else value


class SingleValues:
    """The single values of a run, by path.

    Args:
        connection: The run's file.

    Raises:
        ValueError: A value is none of its type.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT path, type_tag, value FROM configs")
        self._values = {path: value_of(kind, text) for path, kind, text in rows}
        rows = connection.execute("SELECT key, value FROM run_meta")
        self._meta: dict[str, str] = dict(rows)

    def own(self, key: str) -> Any:
        """A fact that multitrack wrote; None if there is none."""
        return self._values.get(f"{OWN}{key}")

    def run(self) -> SourceRun:
        """The facts of the run.

        goodseed shows a status of its own, which knows no killed runs. If someone changed it, it counts.
        """
        status, shown = self.own("status"), self._meta.get("status")
        if shown in {"finished", "failed"} and status in {"finished", "failed"}:
            status = shown
        ended = self.own("ended")
        return SourceRun(
            id=self._meta["run_id"],
            project=self.own("project"),
            name=self.own("name"),
            created=moment(self.own("started")),
            ended=None if ended is None else moment(ended),
            status=status,
            group=self.own("group"),
            notes=self.own("notes"),
            user=self.own("user"),
            host=self.own("host"),
            program=self.own("program"),
            command=shlex.split(self.own("command") or ""),
            commit=self.own("git/commit"),
            branch=self.own("git/branch"),
            remote=self.own("git/remote"),
            run_id=self.own("run_id"),
            parent_run_id=self.own("parent"),
        )

    def records(self, time: int) -> Iterator[SourceRecord]:
        """Yield params, simple metrics, tags and references.

        Args:
            time: The time that they get.

        Raises:
            ValueError: A reference or list is no JSON.
        """
        params = {
            name: param_of(value, is_json=f"{TYPES}{path}" in self._values)
            for path, name, value in self._in(PARAMETERS)
        }
        flat = flatten_params(params)
        if flat.values:
            yield Params(time=time, values=flat.values, types=flat.types, source="goodseed")
        for _, name, value in self._in(SUMMARY):
            yield Metric(time=time, values={name: value})
        tags = {name: value for _, name, value in self._in(TAGS)}
        if tags:
            yield Tags(time=time, values=tags)
        for _, name, value in self._in(ARTIFACTS):
            found = msgspec.json.decode(value, type=prepared(Reference))
            yield ArtifactRef(
                time=time, name=name, uri=found.uri, kind=found.kind, role=found.role, digest=found.digest,
                version=found.version, size=found.size,
            )  # fmt: skip

    def _in(self, namespace: str) -> Iterator[tuple[str, str, Any]]:
        """The path without the namespace, the name, and the value."""
        for path, value in self._values.items():
            if path.startswith(namespace):
                path = path.removeprefix(namespace)
                yield path, name_of(path), value
