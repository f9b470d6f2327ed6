"""Find out how much of a run W&B holds: by the server's answer, and by its acknowledgements.

Not every server reports it. But the SDK's helper process logs each request with rows and lines, and each
acknowledgement, in the session's own directory. This log survives a kill.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from multitrack.security.secrets import without_credentials
from multitrack_wandb.internals import helper
from multitrack_wandb.names import STEP
from multitrack_wandb.options import key_for, server_url

if TYPE_CHECKING:
    import wandb

#: Timeouts in seconds for a server to report how much it holds, and for its count to grow.
_ANSWER_TIMEOUT: Final = 10.0
_COUNT_TIMEOUT: Final = 10.0
_ASK_AGAIN: Final = 0.5
# Parts of the SDK's messages if no W&B server answered.
_NO_ANSWER: Final = re.compile(
    r"(?i)time|dial|refused|reset|EOF|broken|abort|unreachable|no such host|invalid character|5\d\d"
)
# The SDK uses the same name and fields when it starts or resumes a run, so servers know them.
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
    """A server's answer about a run.

    Attributes:
        rows: Number of rows it holds; ``None`` if unknown.
        lines: Number of lines it holds; ``None`` if unknown.
        tail: The last row.
        sweep: The sweep of the run; empty if none, ``None`` if unknown.
        is_there: True if the server answered, even without data.
    """

    rows: int | None = None
    lines: int | None = None
    tail: dict[str, Any] | None = None
    sweep: str | None = None
    is_there: bool = True


def ask(settings: Any, run: str, project: str, entity: str | None) -> Answer:
    """Ask a server how much of a run it holds. If the request fails, all counts are ``None``."""
    wanted = {"project": project, "entity": entity, "name": run}
    try:
        found = _answer_of(settings, wanted)
    except Exception as error:  # noqa: BLE001 - the acknowledgements are used instead
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
    """Return the data of a server's answer, to a plain HTTP request if the SDK's release cannot send the query."""
    try:
        return helper.graphql(settings, _QUERY, wanted, _ANSWER_TIMEOUT)
    except LookupError:
        body = json.dumps({"operationName": "RunResumeStatus", "query": _QUERY, "variables": wanted}).encode()
    answer = _decoded(_read(settings, "graphql", body))
    if not isinstance(answer, dict) or answer.get("errors"):
        raise ValueError(f"no answer: {answer}")
    return answer.get("data")


def ask_of(run: wandb.Run) -> Answer:
    """Call :func:`ask` for a run that is open, or was until now."""
    return ask(run.settings, run.id, run.project, run.entity)


def ask_until(asked: Callable[[], Answer], enough: Callable[[Answer], bool]) -> Answer:
    """Repeat the question until the answer is enough, or the count of rows has not grown for 10 s."""
    most, deadline = -1, 0.0
    while (answer := asked()).rows is not None and not enough(answer):
        if answer.rows > most:
            most, deadline = answer.rows, time.monotonic() + _COUNT_TIMEOUT
        if time.monotonic() > deadline:
            break
        time.sleep(_ASK_AGAIN)
    return answer


class SentRows(NamedTuple):
    """The rows and lines that one session has sent.

    Attributes:
        rows: Number of acknowledged rows.
        lines: Number of acknowledged lines.
        most_rows: Number of rows that were acknowledged or in flight: the maximum that the server can hold.
        most_lines: The same for lines.
        complete: True if the last request, which ends the run, was acknowledged.
        refused: The error of an answer: the server rejected a request for good, or its answer was invalid. Later
            acknowledgements do not count.
        is_final: True if the server rejected a request, after which the SDK sends nothing more.
    """

    rows: int = 0
    lines: int = 0
    most_rows: int = 0
    most_lines: int = 0
    complete: bool = False
    refused: str | None = None
    is_final: bool = False


def sent(directory: Path) -> SentRows | None:
    """Read the helper process's log of a session; return ``None`` if it has no requests, or its directory is gone."""
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
            if found.refused is None:  # else the SDK continues after a gap
                found = found._replace(rows=found.most_rows, lines=found.most_lines, complete=is_last)
        elif str(entry.get("level", "")).startswith("ERROR"):  # also after status 2xx, if the answer is invalid
            found = before._replace(refused=message, is_final="fatal" in message)
    return found if '"filestream: ' in text else None


def in_files(run: wandb.Run) -> tuple[int | None, int | None]:
    """Count our rows, and all lines, in the run's own files, on servers that provide them; each None if unknown.

    For servers that do not report counts: these files hold the rows and lines as sent.
    """
    history, log = _lines_of(run, "wandb-history.jsonl"), _lines_of(run, "output.log")
    rows = [_decoded(line) for line in history or ()]
    if history is None or not all(isinstance(row, dict) and "_step" in row for row in rows):
        return None, None  # not the run's file
    return sum(STEP in row for row in rows), None if log is None else len(log)


def _lines_of(run: wandb.Run, name: str) -> list[bytes] | None:
    place = "/".join(quote(part or "", safe="") for part in (run.entity, run.project, run.id, name))
    try:
        return [line for line in _read(run.settings, f"files/{place}").splitlines() if line.strip()]
    except (OSError, ValueError, LookupError):
        return None


def check_there(base_url: str | None) -> None:
    """Ask a server anything, without the SDK.

    Raises:
        OSError: It cannot be reached. One that refuses is there, and so is one for which there is no key to ask with.
    """
    with contextlib.suppress(urllib.error.HTTPError, LookupError):
        _send(server_url(base_url), key_for(base_url), "graphql", json.dumps({"query": "{ viewer { id } }"}).encode())


def _read(settings: Any, path: str, body: bytes | None = None) -> bytes:
    """Send a request with the run's key, and return the body of the answer.

    Raises:
        LookupError: There is no key.
        OSError: The server did not answer, or rejected the request.
    """
    return _send(settings.base_url, settings.api_key or key_for(settings.base_url), path, body)


def _send(base_url: str, key: str | None, path: str, body: bytes | None) -> bytes:
    if not key:
        raise LookupError("no key")
    server = without_credentials(base_url)  # the SDK has checked that it is http or https
    request = urllib.request.Request(f"{server}/{path}", body)  # noqa: S310
    request.add_header("Authorization", "Basic " + base64.b64encode(f"api:{key}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _part(value: object, key: str) -> dict[str, Any]:
    """Return a member of a JSON object that is itself an object; empty if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _decoded(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, (str, bytes)) else None
    except ValueError:
        return None
