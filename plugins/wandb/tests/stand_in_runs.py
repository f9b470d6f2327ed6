"""What a stand-in for a W&B server keeps of runs, and the parts that its answers share."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any


@dataclasses.dataclass
class ServedRun:
    """A run as the server has it."""

    name: str
    project: str
    display_name: str = ""
    group: str | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    exit_code: int | None = None
    sweep: str | None = None
    notes: str | None = None
    job_type: str | None = None
    commit: str | None = None
    created: str = "2026-01-01T00:00:00Z"
    uploads: dict[str, bytes] = dataclasses.field(default_factory=dict)
    counted: int | None = None  # what it says that it has of rows, if not the truth
    used: list[int] = dataclasses.field(default_factory=list)  # places of artifacts of the server

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files.get("wandb-history.jsonl", [])]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.files.get("wandb-summary.json", [])
        return json.loads(lines[-1]) if lines else {}

    @property
    def lines(self) -> list[str]:
        return self.files.get("output.log", [])


class RefusedError(Exception):
    """A GraphQL answer that is an error, with an HTTP status; without one, no answer at all."""

    def __init__(self, message: str, status: int | None = 200) -> None:
        super().__init__(message)
        self.status = status


def node_id(text: str) -> str:
    """An id as W&B's server makes them."""
    return base64.b64encode(text.encode()).decode()


def artifact_node(place: int) -> str:
    """The id of the artifact at a place of those that the server has."""
    return node_id(f"Artifact:{place}")


def artifact_place(artifact_id: str) -> int:
    """The place of the artifact with an id."""
    return int(base64.b64decode(artifact_id).decode().partition(":")[2])


ENTITY = {"id": node_id("Entity"), "name": "team"}
SERVER = {"cliVersionInfo": {"max_cli_version": "99.0.0"}, "latestLocalVersionInfo": None, "features": []}
