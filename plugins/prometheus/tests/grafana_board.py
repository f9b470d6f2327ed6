"""A dashboard's queries as Grafana sends them: its variables in place, and a row for each value that it repeats over."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_server import Prometheus, get

#: The values that are chosen of each variable; "All" is all of them.
Chosen = Mapping[str, Sequence[str]]


class Query(NamedTuple):
    title: str
    expression: str


class Board:
    """A dashboard."""

    def __init__(self, path: Path) -> None:
        self.json: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.variables = {found["name"]: found for found in self.json["templating"]["list"] if found["type"] == "query"}

    def values(self, server: Prometheus, name: str, chosen: Chosen) -> set[str]:
        """The values of a variable, which a user chooses from."""
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", self.variables[name]["query"]["query"])
        assert match is not None
        query = {"match[]": self.substituted(match[1], chosen)}
        return set(get(f"{server.url}/api/v1/label/{match[2]}/values", **query)["data"])

    def queries(self, chosen: Chosen, *, row: bool = False) -> Iterator[Query]:
        """The queries of the panels above the row that is repeated over a variable, or of those in it."""
        in_row = False
        for panel in self.json["panels"]:
            in_row = in_row or panel["type"] == "row"
            if row == in_row:
                for target in panel.get("targets", ()):
                    yield Query(panel["title"], self.substituted(target["expr"], chosen))

    def substituted(self, expression: str, chosen: Chosen) -> str:
        """An expression with the variables in place."""

        def value(match: re.Match[str]) -> str:
            if match[1] == "__rate_interval":
                return "2s"
            variable = self.variables[match[1]]
            if match[1] not in chosen:
                return str(variable["allValue"] if variable["multi"] else variable["current"]["value"])
            # A variable of several values is a pattern. Within the quotes of PromQL, a backslash is written twice.
            texts = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", text) for text in chosen[match[1]]]
            return texts[0] if len(texts) == 1 else f"({'|'.join(texts)})"

        return re.sub(r"\$(\w+)", value, expression)
