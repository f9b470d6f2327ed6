"""How much W&B holds of a run: what the server says, what it acknowledged, and what neither of them tells.

Not every server can be asked. But the SDK's helper process writes down each request that it sends with rows and lines,
and each that was acknowledged, in the session's own directory, and what is there outlives a kill.
"""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from multitrack.security.secrets import without_credentials
from multitrack_wandb.internals import helper
from multitrack_wandb.names import STEP
from multitrack_wandb.options import key_for

if TYPE_CHECKING:
    import wandb

#: Seconds that a server has to say how much it holds, and to count what it has taken.
_ANSWER_TIMEOUT: Final = 10.0
_COUNT_TIMEOUT: Final = 10.0
_ASK_AGAIN: Final = 0.5
# Of what the SDK says where no server of W&B's answered, or none that is itself.
_NO_ANSWER: Final = re.compile(
    r"(?i)time|dial|refused|reset|EOF|broken|abort|unreachable|no such host|invalid character|5\d\d"
)
# The name and the fields are those that the SDK asks for itself when it starts or resumes a run: servers know them.
_QUERY: Final = """
query RunResumeStatus($project: String, $entity: String, $name: String!) {
  model(name: $project, entityName: $entity) {
    id
    name
    entity { id name }
    bucket(name: $name, missingOk: true) { id name historyLineCount logLineCount historyTail sweepName }
  }
}
"""


class Answer(NamedTuple):
    """What a server says of a run.

    Attributes:
        rows: How many rows it holds; ``None``: it does not say.
        lines: The same of lines.
        tail: The last row.
        sweep: The sweep that it is in; empty: none.
        is_there: Whether the server answered, if only to say that it does not know.
    """

    rows: int | None = None
    lines: int | None = None
    tail: dict[str, Any] | None = None
    sweep: str | None = None
    is_there: bool = True


def ask(settings: Any, run: str, project: str, entity: str | None) -> Answer:
    """Ask a server how much it holds of a run; one that cannot be asked says nothing."""
    wanted = {"project": project, "entity": entity, "name": run}
    try:
        found = _answer_of(settings, wanted)
    except Exception as error:  # noqa: BLE001 - whatever the reason, what was taken was acknowledged
        return Answer(is_there=_NO_ANSWER.search(str(error)) is None)
    bucket = _part(_part(found, "model"), "bucket")
    tail = _decoded(bucket.get("historyTail"))
    return Answer(
        rows=_count(bucket.get("historyLineCount")),
        lines=_count(bucket.get("logLineCount")),
        tail=_decoded(tail[-1]) if isinstance(tail, list) and tail else None,
        sweep=str(bucket["sweepName"] or "") if "sweepName" in bucket else None,
    )


def _answer_of(settings: Any, wanted: dict[str, Any]) -> Any:
    """The data of a server's answer; of a plain request, where the release has no way of its own."""
    try:
        return helper.graphql(settings, _QUERY, wanted, _ANSWER_TIMEOUT)
    except LookupError:
        body = json.dumps({"operationName": "RunResumeStatus", "query": _QUERY, "variables": wanted}).encode()
    answer = _decoded(_read(settings, "graphql", body))
    if not isinstance(answer, dict) or answer.get("errors"):
        raise ValueError(f"no answer: {answer}")
    return answer.get("data")


def ask_of(run: wandb.Run) -> Answer:
    """The same of a run that is open, or was until now."""
    return ask(run.settings, run.id, run.project, run.entity)


def ask_until(asked: Callable[[], Answer], enough: Callable[[Answer], bool]) -> Answer:
    """Ask again as long as the server says too little, and for a while after its count last grew: it may be behind."""
    most, deadline = -1, 0.0
    while (answer := asked()).rows is not None and not enough(answer):
        if answer.rows > most:
            most, deadline = answer.rows, time.monotonic() + _COUNT_TIMEOUT
        if time.monotonic() > deadline:
            break
        time.sleep(_ASK_AGAIN)
    return answer


class SentRows(NamedTuple):
    """What became of the rows and lines of one session.

    Attributes:
        rows: How many were acknowledged.
        lines: The same of lines.
        most_rows: How many were acknowledged, or on their way; no more than these can be there.
        most_lines: The same of lines.
        complete: Whether the last request, which ends the run, was acknowledged.
        refused: What was wrong with an answer: the server refused a request for good, or made no sense. What was
            acknowledged after it does not count.
        is_final: Whether it refused, after which the SDK sends nothing more.
    """

    rows: int = 0
    lines: int = 0
    most_rows: int = 0
    most_lines: int = 0
    complete: bool = False
    refused: str | None = None
    is_final: bool = False


def sent(directory: Path) -> SentRows | None:
    """What the helper process wrote down of a session; ``None`` where it did not, or its directory is gone."""
    try:
        text = (directory / "logs" / "debug-internal.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = before = SentRows()
    first: dict[str, int] = {}  # the session's first offset, of rows and of lines
    is_last = False
    for line in text.splitlines():
        entry = _part({"": _decoded(line)}, "") if '"filestream: ' in line else {}
        message = str(entry.get("msg", ""))
        if message == "filestream: sending request":
            begun = {}
            for kind in ("history", "console"):
                begin, count = _count(entry.get(f"{kind}_offset")), _count(entry.get(f"{kind}_lines"))
                if begin is not None and count is not None:
                    begun[kind] = begin + count - first.setdefault(kind, begin)
            most_rows = max(found.most_rows, begun.get("history", 0))
            most_lines = max(found.most_lines, begun.get("console", 0))
            found = before = found._replace(most_rows=most_rows, most_lines=most_lines)
            is_last = entry.get("complete") is True
        elif message == "filestream: request sent" and str(entry.get("status", "")).startswith("2"):
            if found.refused is None:  # else the SDK goes on behind a gap
                found = found._replace(rows=found.most_rows, lines=found.most_lines, complete=is_last)
        elif str(entry.get("level", "")).startswith("ERROR"):  # also behind a good status: nonsense in the answer
            found = before._replace(refused=message, is_final="fatal" in message)
    return found if '"filestream: ' in text else None


def in_files(run: wandb.Run) -> tuple[int | None, int | None]:
    """How many of our rows, and how many lines, are in the run's own files, on servers that hand them out.

    For those that do not count: the files are what they were sent, as it stands.
    """
    history, log = _lines_of(run, "wandb-history.jsonl"), _lines_of(run, "output.log")
    rows = [_decoded(line) for line in history or ()]
    if history is None or not all(isinstance(row, dict) and "_step" in row for row in rows):
        return None, None  # a page of another kind
    return sum(STEP in row for row in rows), None if log is None else len(log)


def _lines_of(run: wandb.Run, name: str) -> list[bytes] | None:
    place = "/".join(quote(part or "", safe="") for part in (run.entity, run.project, run.id, name))
    try:
        return [line for line in _read(run.settings, f"files/{place}").splitlines() if line.strip()]
    except (OSError, ValueError, LookupError):
        return None


def _read(settings: Any, path: str, body: bytes | None = None) -> bytes:
    """The body of a server's answer to a request with the run's key.

    Raises:
        LookupError: There is no key.
        OSError: The server did not answer, or refused.
    """
    key = settings.api_key or key_for(settings.base_url)
    if not key:
        raise LookupError("no key")
    server = without_credentials(settings.base_url)  # the SDK has seen to its being http or https
    request = urllib.request.Request(f"{server}/{path}", body)  # noqa: S310
    request.add_header("Authorization", "Basic " + base64.b64encode(f"api:{key}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _part(value: object, key: str) -> dict[str, Any]:
    """A member of a JSON object that is an object itself; empty where anything is otherwise."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _decoded(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, (str, bytes)) else None
    except ValueError:
        return None
