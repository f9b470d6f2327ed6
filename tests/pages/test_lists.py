"""A list metric read by itself is what a cursor reads of it, with its parts and what is torn of them."""

from pathlib import Path

import multitrack
from drawn_runs import start
from multitrack.summaries.series import read_list


def test_one_list_is_what_the_reader_has(tmp_path: Path) -> None:
    with start(tmp_path / "j", "a") as run:
        for i in range(3):
            run.log_list_metric("list", [i, float("nan"), float("-inf"), 2**70])
            run.log_list_metric("other", [7])
            run.log_metric('a "list" too', i, step=i)
        run.log_list_metric("list", [i + 0.123456789 for i in range(200_000)])  # several lines
        run.log_lines('"list"')
    found = read_list(run.directory, "list")
    assert repr(found.values) == repr(multitrack.open_journal(tmp_path / "j").run("a").get_list_metrics("list")["list"])
    assert found.steps == list(range(200_012))
    assert read_list(run.directory, "nonsense").values == []


def test_a_list_whose_last_part_was_never_written_does_not_count(tmp_path: Path) -> None:
    with start(tmp_path / "j", "a") as run:
        run.log_list_metric("list", [1, 2])
        run.log_list_metric("list", [i + 0.123456789 for i in range(200_000)])
    (segment,) = run.directory.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if b'"parts"' in line)
    segment.write_bytes(b"".join(lines[:last]))
    assert read_list(run.directory, "list").values == [1, 2]
    assert multitrack.open_journal(tmp_path / "j").run("a").get_list_metrics("list") == {"list": [1, 2]}
