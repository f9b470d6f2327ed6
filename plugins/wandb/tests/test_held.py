"""What the SDK's helper process wrote down of its requests, and what that says of rows and lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from multitrack_wandb.held import SentRows, sent
from multitrack_wandb.session_files import Session, Sessions, Taken


def request(rows: tuple[int, int] | None = None, lines: tuple[int, int] | None = None, **more: Any) -> dict[str, Any]:
    entry = {"level": "INFO", "msg": "filestream: sending request", **more}
    for kind, found in (("history", rows), ("console", lines)):
        if found is not None:
            entry |= {f"{kind}_offset": found[0], f"{kind}_lines": found[1]}
    return entry


GOOD = {"level": "INFO", "msg": "filestream: request sent", "status": "200 OK"}
NONSENSE = {"level": "ERROR", "msg": "filestream: json decode error: invalid character"}
FATAL = {"level": "ERROR+4", "msg": "filestream: fatal error: filestream: failed to upload: 401 Unauthorized"}


def written(directory: Path, entries: list[dict[str, Any]], tail: str = "") -> Path:
    (directory / "logs").mkdir(parents=True)
    text = "".join(json.dumps(entry) + "\n" for entry in [{"level": "INFO", "msg": "stream: started"}, *entries])
    (directory / "logs" / "debug-internal.log").write_text(text + tail)
    return directory


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([request()], SentRows()),
        ([request((0, 5), (0, 3)), GOOD], SentRows(5, 3, 5, 3)),
        ([request((0, 5)), GOOD, request((5, 2), (0, 1))], SentRows(5, 0, 7, 1)),
        ([request((90, 5), (40, 3)), GOOD, request((95, 2), (43, 1)), GOOD], SentRows(7, 4, 7, 4)),  # of a resumed run
        ([request((0, 5)), GOOD, request(complete=True), GOOD], SentRows(5, 0, 5, 0, complete=True)),
        ([request((0, 5)), GOOD, request((5, 2)), GOOD, NONSENSE], SentRows(5, 0, 7, 0, refused=NONSENSE["msg"])),
        (
            [request((0, 5)), GOOD, NONSENSE, request((5, 2), complete=True), GOOD],
            SentRows(0, 0, 7, 0, refused=NONSENSE["msg"]),
        ),
        ([request((0, 5)), GOOD, request((5, 2)), FATAL], SentRows(5, 0, 7, 0, refused=FATAL["msg"], is_final=True)),
        ([request((0, 5)), GOOD | {"status": "302 Found"}], SentRows(0, 0, 5, 0)),
        ([request(("0", 5))], SentRows()),
    ],
)
def test_what_was_acknowledged_and_what_was_on_its_way(
    tmp_path: Path, entries: list[dict[str, Any]], found: SentRows
) -> None:
    assert sent(written(tmp_path, entries)) == found


def test_a_log_that_is_cut_off_or_not_there_or_another_releases(tmp_path: Path) -> None:
    cut_off = written(tmp_path / "a", [request((0, 5)), GOOD], '{"level": "INFO", "msg": "filestream: request s')
    assert sent(cut_off) == SentRows(5, 0, 5, 0)
    assert sent(tmp_path / "nowhere") is None
    assert sent(written(tmp_path / "b", [{"level": "INFO", "msg": "sent 5 rows"}])) is None


def test_several_sessions_that_were_cut_off_add_up(tmp_path: Path) -> None:
    first = written(tmp_path / "a", [request((0, 5), (0, 2)), GOOD, request((5, 5))])
    second = written(tmp_path / "b", [request((7, 3)), GOOD])
    sessions = Sessions([
        Session("gone", "online", 1, end=9), Session(str(first), "online", 1, rows=100, lines=50),
        Session(str(second), "online", 1, rows=107, lines=52), Session("", "online", 1),
    ])  # fmt: skip
    assert sessions.acknowledged() == 110
    sessions.settle()
    assert sessions.taken == Taken(110, 52, 110, 52)
    assert [session.end for session in sessions.sessions] == [9]


def test_where_nothing_is_written_down_nobody_knows_how_much_is_there(tmp_path: Path) -> None:
    sessions = Sessions([Session(str(tmp_path), "online", 1, rows=30, lines=3)])
    sessions.settle()
    assert sessions.taken == Taken(30, 3, is_unlogged=True)
    assert Sessions().acknowledged() is None
