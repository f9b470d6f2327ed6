"""References of kind figure become images where ``upload`` allows it, once each, and never otherwise."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stand_in_server import KEY, ServedRun, StandInServer
from wandb_file import directories, read_native, read_wandb
from wandb_lanes import cores

import multitrack
from multitrack.config import load_config
from multitrack.delivery.lane import Lane
from multitrack.delivery.trust import Trust
from multitrack.errors import ConfigError
from multitrack.journal.manifest import read_manifest
from multitrack.recording.run import Run
from multitrack.records import ArtifactRef
from multitrack_wandb import backend, held, session_files

CONFUSION = "figures/confusion"


def picture(kind: str = "PNG", grey: int = 128, size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, grey).save(file, kind)
    return file.getvalue()


def start(tmp_path: Path, *, upload: bool = True, url: str | None = None, **arguments: Any) -> Run:
    """A run whose config is that of `multitrack sync`, too, in the current directory."""
    options: dict[str, Any] = {"mode": "offline" if url is None else "online", "base_url": url, "dir": str(tmp_path)}
    options |= {"upload": ["figure"] if upload else [], "upload_limit": 20_000}
    allow(options["upload"])
    given = {key: value for key, value in options.items() if value is not None}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": given}
    return multitrack.start_run(config=config, backends=["wandb"], **{"project": "tests", **arguments})


def allow(kinds: list[str]) -> None:
    Path("multitrack.toml").write_text(f'[wandb]\nmode = "offline"\nupload = {kinds}\n')


def log(run: Run, first: int, last: int) -> None:
    for i in range(first, last):
        run.log_metric("loss", i / 8, step=i)


def sync(tmp_path: Path) -> None:
    multitrack.sync(tmp_path / "journal")


def lane_of(run: Run) -> Lane:
    assert run.directory is not None
    (entry,) = read_manifest(run.directory).backends
    return Lane(run.directory, entry, notice=lambda text: None, trust=Trust(config=load_config))


def until(lane: Lane, enough: Callable[[], bool] | None = None) -> None:
    """Until it is enough; by default, until the lane rests."""
    deadline = time.monotonic() + 30
    while not (lane.idle if enough is None else enough()):
        assert time.monotonic() < deadline, lane.state.problem
        lane.pace.hurry()
        lane.step()
        time.sleep(0.01)


def kill(lane: Lane) -> None:
    """The courier and the SDK's helper process at once."""
    for pid in cores():
        os.kill(pid, signal.SIGKILL)
    backend._open.clear()
    lane.release()


def steps(rows: list[dict[str, Any]]) -> list[int]:
    return [row["multitrack/step"] for row in rows if "loss" in row]


def images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    return [row[key] for row in rows for key in row if key.startswith("figures/")]


def media(tmp_path: Path, run: Run) -> list[bytes]:
    found = [path for part in directories(tmp_path, run.id) for path in sorted(part.rglob("media/**/*"))]
    return [path.read_bytes() for path in found if path.is_file()]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInServer]:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")
    monkeypatch.setattr(held, "_COUNT_TIMEOUT", 1.0)
    with StandInServer() as server:
        yield server


def test_a_figure_is_an_image_that_wandb_sync_uploads(tmp_path: Path) -> None:
    contents = {name: picture(name.upper()) for name in ("png", "jpeg", "gif", "webp")}
    run = start(tmp_path)
    log(run, 0, 2)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)  # known by its content, not by its name
        run.log_artifact_ref(f"a/{name}", tmp_path / name, kind="figure")
    log(run, 2, 4)
    run.end()
    sync(tmp_path)
    assert run.flush()["wandb"].stand_ins == [f"artifact a/{name}: called {held_name(name)}" for name in contents]
    held = read_wandb(tmp_path, run.id)
    assert steps(held.rows) == [0, 1, 2, 3]
    assert [(image["_type"], image["caption"], image["format"]) for image in images(held.rows)] == [
        ("image-file", f"a/{name}", "jpg" if name == "jpeg" else name) for name in contents
    ]
    shown = [round(row["_timestamp"] * 1000) for row in held.rows if "loss" not in row]
    records = multitrack.open_journal(tmp_path / "journal").run(run.id).records()
    assert shown == [record.time for record in records if isinstance(record, ArtifactRef)]
    assert {image["width"] / image["height"] for image in images(held.rows)} == {8 / 6}
    native = read_native(tmp_path, run.id)
    assert (set(native.series), set(native.artifacts)) == ({"loss"}, {f"a/{name}" for name in contents})
    assert run.directory is not None
    assert not list((run.directory / "lanes" / "wandb").glob("figures/*"))
    with StandInServer() as server:
        environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        environment.pop("WANDB_SERVICE", None)
        for directory in directories(tmp_path, run.id):
            command = [sys.executable, "-m", "wandb", "sync", str(directory)]
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60, cwd=tmp_path)
        served = server.runs[run.id]
        assert served.rows == held.rows
        uploads = dict(server.uploads)
    assert [uploads[image["path"]] for image in images(held.rows)] == list(contents.values())


def held_name(name: str) -> str:
    from multitrack_wandb.names import artifact_name

    return artifact_name(f"a/{name}")


@pytest.mark.parametrize(
    ("asks", "allows", "kind"), [(False, True, "figure"), (True, False, "figure"), (True, True, "model")]
)
def test_without_upload_or_of_another_kind_there_is_only_the_reference(
    tmp_path: Path, asks: bool, allows: bool, kind: str
) -> None:
    (tmp_path / "confusion.png").write_bytes(picture())
    run = start(tmp_path, upload=asks)
    run.log_artifact_ref("confusion", tmp_path / "confusion.png", kind=kind)
    log(run, 0, 2)
    run.end()
    allow(["figure"] if allows else [])
    sync(tmp_path)
    assert (images(read_wandb(tmp_path, run.id).rows), media(tmp_path, run)) == ([], [])
    assert len(read_wandb(tmp_path, run.id).rows) == 2
    assert list(read_native(tmp_path, run.id).artifacts) == ["confusion"]
    assert ["upload" in text for text in run.flush()["wandb"].stand_ins] == ([True] if asks and not allows else [])


@pytest.mark.parametrize(
    ("content", "then", "reason"),
    [
        (picture() + bytes(20_000), None, "above upload_limit, 20000 bytes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None, "W&B shows PNG, JPEG, GIF and WebP only"),
        (b"root:x:0:0", None, "W&B shows PNG, JPEG, GIF and WebP only"),
        (picture()[:-30], None, "the PNG file has no end"),
        (picture()[:-30] + picture()[-12:], None, "W&B's SDK cannot read this png"),
        (picture("GIF", size=(9000, 8000))[:19_999] + b";", None, "9000 x 8000 pixels are more than 64000000"),
        (picture(), picture(grey=7), "the file has changed since it was logged"),
        (picture(), b"", "the file is gone"),
    ],
)
def test_other_files_are_references_with_a_reason(
    tmp_path: Path, content: bytes, then: bytes | None, reason: str
) -> None:
    path = tmp_path / "confusion.png"
    path.write_bytes(content)
    run = start(tmp_path)
    run.log_artifact_ref("confusion", path, kind="figure")
    log(run, 0, 2)
    run.end()
    if then is not None:
        path.write_bytes(then) if then else path.unlink()
    sync(tmp_path)
    assert (images(read_wandb(tmp_path, run.id).rows), media(tmp_path, run)) == ([], [])
    assert len(read_wandb(tmp_path, run.id).rows) == 2
    (sentence,) = run.flush()["wandb"].stand_ins
    assert sentence.startswith(f"figure confusion: {reason}")
    assert sentence.endswith("kept as a reference only")


def test_a_run_that_is_written_again_has_the_image_of_the_first_time(tmp_path: Path) -> None:
    """Once, though the file was overwritten, as by a training that draws into one file in each epoch."""
    path = tmp_path / "confusion.png"
    run = start(tmp_path)
    for grey in (10, 20):
        path.write_bytes(picture(grey=grey))
        run.log_artifact_ref("confusion", path, kind="figure")
        log(run, grey, grey + 2)
        lane = lane_of(run)
        until(lane)
        kill(lane)
    path.unlink()
    run.end()
    sync(tmp_path)
    rows = read_wandb(tmp_path, run.id).rows
    assert steps(rows) == [10, 11, 20, 21]
    (directory,) = directories(tmp_path, run.id)
    found = [(directory / "files" / image["path"]).read_bytes() for image in images(rows)]
    assert found == [picture(grey=10), picture(grey=20)]
    assert sorted(media(tmp_path, run)) == sorted(found)
    assert run.flush()["wandb"].stand_ins == []


def test_a_resumed_run_has_each_image_once(tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    run = start(tmp_path)
    for grey in (10, 20):
        path.write_bytes(picture(grey=grey))
        run.log_artifact_ref("confusion", path, kind="figure")
        log(run, grey, grey + 2)
        run.end()
        sync(tmp_path)
        run = start(tmp_path, run_id=run.id)
    run.end()
    rows = read_wandb(tmp_path, run.id).rows
    assert steps(rows) == [10, 11, 20, 21]
    assert len(images(rows)) == len(media(tmp_path, run)) == 2
    assert run.flush(timeout=0)["wandb"].stand_ins == []


def cut_off(tmp_path: Path, server: StandInServer, *, upload: bool) -> Run:
    """An online run that was killed once the server had all rows, with a figure among them; no file has arrived."""
    (tmp_path / "confusion.png").write_bytes(picture())
    server.withholds = True
    run = start(tmp_path, url=server.url, upload=upload)
    log(run, 0, 5)
    run.log_artifact_ref("confusion", tmp_path / "confusion.png", kind="figure")
    log(run, 5, 10)
    lane = lane_of(run)
    until(lane, lambda: run.id in server.runs and len(server.runs[run.id].rows) == 10 + upload)
    time.sleep(0.1)
    kill(lane)
    assert [name for name, _ in server.uploads if "media" in name] == []
    server.withholds = False
    return run


def complete(tmp_path: Path, run: Run, server: StandInServer) -> ServedRun:
    """Its ten further points, and its end."""
    log(run, 10, 20)
    run.end()
    sync(tmp_path)
    assert run.flush(timeout=0)["wandb"].pending == 0
    served = server.runs[run.id]
    assert steps(served.rows) == list(range(20))
    return served


def test_an_image_whose_row_came_before_the_kill_gets_its_file_and_is_there_once(
    tmp_path: Path, server: StandInServer
) -> None:
    run = cut_off(tmp_path, server, upload=True)
    served = complete(tmp_path, run, server)
    (image,) = images(served.rows)
    assert [content for name, content in server.uploads if name == image["path"]] == [picture()]


@pytest.mark.parametrize("change", ["config", "file"])
def test_rows_keep_their_numbers_if_the_image_is_no_longer_allowed_or_there(
    tmp_path: Path, server: StandInServer, change: str
) -> None:
    run = cut_off(tmp_path, server, upload=True)
    assert run.directory is not None
    for copy in (run.directory / "lanes" / "wandb" / "figures").iterdir():
        copy.unlink()
    if change == "file":
        (tmp_path / "confusion.png").unlink()
    else:
        allow([])
    assert len(images(complete(tmp_path, run, server).rows)) == 1


def test_rows_keep_their_numbers_if_the_image_is_allowed_later(tmp_path: Path, server: StandInServer) -> None:
    run = cut_off(tmp_path, server, upload=False)
    run.end()
    again = start(tmp_path, url=server.url, run_id=run.id)
    (tmp_path / "other.png").write_bytes(picture(grey=7))
    again.log_artifact_ref("other", tmp_path / "other.png", kind="figure")
    served = complete(tmp_path, again, server)
    assert [image["caption"] for image in images(served.rows)] == ["other"]


def test_a_row_whose_image_is_gone_says_so(tmp_path: Path) -> None:
    """It was decided that the figure has a row, and the courier was killed before the row arrived."""
    (tmp_path / "confusion.png").write_bytes(picture())
    run = start(tmp_path)
    run.log_artifact_ref("confusion", tmp_path / "confusion.png", kind="figure")
    log(run, 0, 2)
    run.end()
    (tmp_path / "confusion.png").unlink()
    assert run.directory is not None
    notes = run.directory / "lanes" / "wandb"
    notes.mkdir(parents=True, exist_ok=True)
    session_files.write_sessions(notes, session_files.Sessions(figures=dict.fromkeys(range(4), True)))
    sync(tmp_path)
    rows = read_wandb(tmp_path, run.id).rows
    assert (images(rows), len(rows)) == ([], 3)
    (sentence,) = run.flush()["wandb"].stand_ins
    assert sentence == "figure confusion: the file is gone, kept as a reference only"


def test_a_session_that_begins_keeps_the_decisions() -> None:
    noted = session_files.Sessions(figures={3: True})
    assert noted.begun(session_files.Session("", "online", 1)).figures == {3: True}


def test_a_metric_does_not_share_a_column_with_an_image(tmp_path: Path) -> None:
    (tmp_path / "confusion.png").write_bytes(picture())
    run = start(tmp_path)
    run.log_metric(CONFUSION, 0.5, step=0)
    run.log_artifact_ref("confusion", tmp_path / "confusion.png", kind="figure")
    run.end()
    sync(tmp_path)
    rows = read_wandb(tmp_path, run.id).rows
    assert rows[0][f"metric {CONFUSION}"] == 0.5
    assert len(images(rows)) == 1


@pytest.mark.parametrize("options", [{"upload": ["model"]}, {"upload_limit": -1}])
def test_a_wrong_option_is_an_error_at_the_start(tmp_path: Path, options: dict[str, Any]) -> None:
    config = {"journal": str(tmp_path / "journal"), "wandb": {"mode": "offline", **options}}
    with pytest.raises(ConfigError, match=next(iter(options))):
        multitrack.start_run("tests", config=config, backends=["wandb"])
