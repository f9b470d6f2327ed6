"""Runs that Neptune's own 1.x client wrote offline, imported into a journal."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from neptune_file import read_operations
from neptune_history import write_history

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from segment_times import assert_times_rise

pytestmark = pytest.mark.slow
MANY = 50
NO_END = "Neptune's client notes no end on disk: the run counts as ended at its last operation"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("neptune")
    write_history(place, MANY)
    return place


def do_import(place: Path, journal: Path) -> list[Imported]:
    found = list(import_runs(open_source(str(place)), journal))
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    assert_times_rise(journal)
    return [each for each in found if isinstance(each, Imported)]


def first_directory(place: Path) -> Path:
    """The directory of the run with everything in it."""
    sizes = {path.stat().st_size: path.parent for path in place.glob("**/data-1.log")}
    return sizes[max(sizes)]


@pytest.mark.parametrize("inside", ["", ".neptune", ".neptune/offline"])
def test_everything_is_imported_once(written: Path, tmp_path: Path, inside: str) -> None:
    first, second = do_import(written / inside, tmp_path)
    directory = first_directory(written)
    operations, fields = read_operations(directory), read_fields_of_sdk(directory)
    assert set(first.gaps) == {
        "metric m/half: step 0.5 is no whole number, kept as step 0",
        "texts: its texts are log lines, which have no steps",
        "images: names and descriptions of images left out (1)",
        gap_of_own(fields),
        NO_END,
    }
    run = multitrack.open_journal(tmp_path).run(first.id)
    summary = run.summary()
    assert directory.name.startswith(f"run__{run.id}__")
    manifest = run.manifest
    assert (manifest.project, manifest.name, manifest.group, manifest.notes) == (written.name, "first 🚀", "g", "notes")
    assert manifest.context is not None
    assert manifest.context.host == fields["sys/hostname"]
    assert manifest.created == milliseconds(json.loads((directory / "metadata.json").read_text())["createdAt"])
    assert (summary.status, summary.ended) == ("finished", int(last_call(directory) * 1000))
    assert summary.params == {
        "params/lr": 0.1, "params/n": 3, "params/opt/name": "adam", "params/opt/flag": True, "params/opt/none": "None",
        "when": "2024-01-02T03:04:05.678+00:00", "text": "x" * 5000, "fetched": 1,
    }  # fmt: skip
    assert summary.tags == {"a": "true", "my/set/v": "true"}
    assert summary.simple == {"best": 0.5}
    points = run.get_metrics()
    assert set(points) == {"m/loss", "m/acc", "m/counted", "m/half"}
    for name in points:
        values = [
            (entry["step"], entry["value"], int(entry["ts"] * 1000))
            for operation in operations
            if operation["path"] == name.split("/")
            for entry in operation["values"]
        ]
        steps = {"m/counted": [0, 1], "m/half": [0, 1]}.get(name, [step for step, _, _ in values])
        imported = [
            (record.step, record.values[name], record.time)
            for record in run.records()
            if isinstance(record, multitrack.records.Metric) and name in record.values
        ]
        expected = [(step, value, time) for step, (_, value, time) in zip(steps, values, strict=True)]
        if name == "m/acc":  # readers of a journal move the repetition of a point on by a millisecond
            expected[1] = (*expected[1][:2], expected[1][2] + 1)
        assert imported == expected
    assert len(points["m/loss"]) == MANY
    lines = [(line.stream, line.text) for line in run.get_lines()]
    assert lines[:3] == [("log", "texts: one"), ("log", "texts: two"), ("log", "texts: grüße")]
    assert lines[3:5] == [("stdout", "printed at once"), ("stdout", "100 %")]
    assert [text[:9] for _, text in lines[5:]] == ["[neptune]"]  # the client's farewell
    references = {each.name: each for each in run.records() if isinstance(each, multitrack.records.ArtifactRef)}
    assert {
        name: (each.uri, each.kind, each.size) for name, each in references.items() if name[:4] not in ("memo", "imag")
    } == {
        "source_code/files": ((written / "weights.bin").as_uri(), "file", 5),
        "weights": ((written / "weights.bin").as_uri(), "file", 5),
        "some": ((written / "*.bin").as_uri(), "files", None),
        "data": ("s3://bucket/data", "artifact", None),
        "local": ((written / "weights.bin").as_uri(), "artifact", None),
    }
    logged = [
        (entry["ts"], base64.b64decode(entry["value"]["data"]))
        for operation in operations if operation["type"] == "LogImages" for entry in operation["values"]
    ]  # fmt: skip
    images = [each for name, each in references.items() if name.startswith("images/")]
    assert [(each.name, each.kind, each.role) for each in images] == [
        ("images/0", "figure", "output"), ("images/7", "figure", "output")
    ]  # fmt: skip
    files = [Path(each.uri.removeprefix("file://")) for each in images]
    assert [(each.time, file.read_bytes()) for each, file in zip(images, files, strict=True)] == [
        (int(time * 1000), content) for time, content in logged
    ]
    assert [(each.size, each.digest) for each in images] == [
        (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}") for _, content in logged
    ]
    assert all(file.is_relative_to(run.directory / "files") and file.suffix == ".png" for file in files)
    (kept,) = (directory / "upload_path").iterdir()
    assert (references["memory"].uri, references["memory"].size) == (kept.as_uri(), 3)
    assert (second.name, multitrack.open_journal(tmp_path).run(second.id).summary().params) == ("second", {"only": 1.0})
    assert [each.outcome for each in do_import(written, tmp_path)] == ["unchanged", "unchanged"]


def read_fields_of_sdk(directory: Path) -> dict[str, Any]:
    return {
        "/".join(operation["path"]): operation["value"]
        for operation in read_operations(directory)
        if operation["type"].startswith("Assign")
    }


def gap_of_own(fields: dict[str, Any]) -> str:
    names = [path for path in fields if path.startswith("monitoring/")]
    assert len(names) == 3
    return f"fields of Neptune's own left out: {', '.join(names)}"


def last_call(directory: Path) -> float:
    return float(json.loads((directory / "data-1.log").read_text().splitlines()[-1])["at"])


def milliseconds(text: str) -> int:
    from datetime import UTC, datetime, timedelta

    return (datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def test_a_torn_end_gives_what_is_whole_and_goes_on(written: Path, tmp_path: Path) -> None:
    directory = first_directory(written)
    copy = tmp_path / directory.name
    shutil.copytree(directory, copy)
    log = copy / "data-1.log"
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:30]) + lines[30][:20])
    (done,) = do_import(copy, tmp_path / "journal")
    assert {each for each in done.gaps if str(copy) in each} == {
        f"{log}: its last operation is torn; what is whole was read",
        f"{copy}: the last {len(lines) - 30} operations never reached the disk: the process was killed, or still runs",
    }
    run = multitrack.open_journal(tmp_path / "journal").run(done.id)
    assert run.summary().status == "killed"
    before = len(run.get_metrics()["m/loss"])
    assert 0 < before < MANY
    log.write_bytes(whole)
    (more,) = do_import(copy, tmp_path / "journal")
    assert more.outcome == "more"
    run = multitrack.open_journal(tmp_path / "journal").run(done.id)
    assert run.summary().status == "finished"
    assert [point.step for point in run.get_metrics()["m/loss"]] == list(range(MANY))
    assert run.summary().tags == {"a": "true", "my/set/v": "true", "b": "true"}  # b was there in between


def test_damage_in_the_middle_is_named(written: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(first_directory(written), copy)
    log = copy / "data-1.log"
    lines = log.read_bytes().splitlines(keepends=True)
    number = next(index for index, line in enumerate(lines) if b'"m", "loss"' in line)
    lines[number] = b"\0\xff" + lines[number]
    lines[number + 1] = lines[number + 1].replace(b'"value": 0.5', b'"value": "x"')
    lines[number + 2] = lines[number + 2].replace(b'"path"', b'"place"')
    lines[number + 3] = lines[number + 3].replace(b"LogFloats", b"LogMoons")
    log.write_bytes(b"".join(lines))
    (done,) = do_import(copy, tmp_path / "journal")
    assert {
        f"{log}: damaged at byte {sum(map(len, lines[:number]))}; what is whole was read",
        f"{copy}: operation {number + 1} is missing",
        f"{log}: an entry is no operation and was left out",
        f"{copy}: operation {number + 3} is missing",
        "m/loss: malformed values left out (1)",
        "m/loss: an operation LogMoons left out (1)",
    } <= set(done.gaps)
    points = multitrack.open_journal(tmp_path / "journal").run(done.id).get_metrics()["m/loss"]
    assert [point.step for point in points] == list(range(4, MANY))


def test_a_run_that_several_processes_continued_is_one(tmp_path: Path) -> None:
    """As the client leaves runs with a server: without what the server has, and in the layouts of earlier releases."""
    for second, (folder, first) in enumerate(
        (("run__u-1/exec-1700000000.5-a-1", 8), ("run__u-1/exec-1700000009.5-b-2", 1))
    ):
        directory = tmp_path / ".neptune" / "async" / folder
        directory.mkdir(parents=True)
        entries = [
            {"obj": {"type": "LogFloats", "path": ["loss"],
                     "values": [{"value": float(number), "step": None, "ts": 1_700_000_000.0 + number + 10 * second}]},
             "version": number, "at": 1_700_000_000.0 + number + 10 * second}
            for number in range(first, first + 3)
        ]  # fmt: skip
        # releases before 1.10 wrote no line ends
        (directory / f"data-{first}.log").write_text(("" if second else "\n").join(map(json.dumps, entries)))
    model = tmp_path / ".neptune" / "async" / "model__m-1__5__abc"
    model.mkdir()
    (model / "data-1.log").write_text('{"obj":')
    found = list(import_runs(open_source(str(tmp_path)), tmp_path / "journal"))
    assert [each for each in found if isinstance(each, Gap)] == [
        Gap(f"{model}: a model of Neptune, no run; it was not imported")
    ]
    (done,) = [each for each in found if isinstance(each, Imported)]
    first = tmp_path / ".neptune" / "async" / "run__u-1" / "exec-1700000000.5-a-1"
    assert set(done.gaps) == {
        f"{first}: operations 1 to 7 are not on this disk: the client deletes what Neptune's server has",
        NO_END,
    }
    run = multitrack.open_journal(tmp_path / "journal").run("u-1")
    assert run.manifest.project == tmp_path.name
    assert [(point.step, point.value) for point in run.get_metrics()["loss"]] == list(
        enumerate([8.0, 9.0, 10.0, 1.0, 2.0, 3.0])
    )


def write_log(directory: Path, operations: list[dict[str, Any]]) -> None:
    directory.mkdir(parents=True)
    lines = [
        json.dumps(
            {"obj": {**each, "path": each["path"].split("/")}, "version": number, "at": 1_700_000_000.5 + number}
        )
        for number, each in enumerate(operations, 1)
    ]
    (directory / "data-1.log").write_text("\n".join([*lines, ""]))


def test_removed_and_malformed_things(tmp_path: Path) -> None:
    """As programs leave them, and as the client never writes them."""
    directory = tmp_path / "offline" / "run__u__1__x"
    write_log(directory, [
        {"type": "AssignInt", "path": "n", "value": 1},
        {"type": "AssignInt", "path": "n", "value": 2},
        {"type": "DeleteAttribute", "path": "n"},
        {"type": "AssignFloat", "path": "n", "value": 3.0},
        {"type": "AssignFloat", "path": "n", "value": 4.0},
        {"type": "AssignString", "path": "text", "value": "a\ud800b"},
        {"type": "AssignString", "path": "x" * 2001, "value": "long name"},
        {"type": "AssignFloat", "path": "none", "value": None},
        {"type": "LogFloats", "path": "loss", "values": [{"value": 1.0, "step": 1e300, "ts": 1.0}]},
        {"type": "ClearFloatLog", "path": "loss"},
        {"type": "LogFloats", "path": "loss", "values": [{"value": 2, "step": 1e300, "ts": 2.0}, {"value": 3, "ts": 3}]},
        {"type": "LogStrings", "path": "texts", "values": [{"value": "a\ud800b", "ts": 1.0}]},
        {"type": "AddStrings", "path": "sys/tags"},
        {"type": "CopyAttribute", "path": "copy"},
        {"type": "UploadFileContent", "path": "file", "ext": "txt", "file_content": ""},
    ])  # fmt: skip
    (done,) = do_import(tmp_path, tmp_path / "journal")
    assert set(done.gaps) == {
        f"a field left out: a param name must have at most 2000 characters, got 2001: {'x' * 40!r}…",
        "none: a value of type NoneType left out (1)",
        "metric loss: step 1e+300 is no whole number, kept as step 0",
        "sys/tags: a malformed operation AddStrings left out (1)",
        "copy: a copy of another run's field left out (1)",
        "file: a file whose content is in the log alone left out (1)",
        NO_END,
    }
    run = multitrack.open_journal(tmp_path / "journal").run("u")
    summary = run.summary()
    assert (summary.params, summary.simple) == ({"text": "a\\ud800b"}, {"n": 4.0})
    assert [(point.step, point.value, point.time) for point in run.get_metrics()["loss"]] == [
        (0, 2.0, 2000), (1, 3.0, 3000),
    ]  # fmt: skip
    assert [line.text for line in run.get_lines()] == ["texts: a\\ud800b"]


def test_places_without_runs(tmp_path: Path) -> None:
    (tmp_path / "data-1.log").write_text("a log of something else\n")
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match=r"has no runs of Neptune: name \.neptune"):
        open_source(str(tmp_path), "neptune")
