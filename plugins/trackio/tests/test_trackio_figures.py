"""References of kind figure become pictures where ``upload`` allows it, and never otherwise."""

import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trackio_reader import reader
from trackio_runs import PROJECT, deliver, start

from multitrack.errors import ConfigError
from multitrack.recording.run import Run
from multitrack.records import ArtifactRef
from multitrack_trackio import TrackioOptions
from multitrack_trackio.figures import figure_of
from multitrack_trackio.internals import storage_of
from multitrack_trackio.rows import Figure, LogRow
from multitrack_trackio.storage_way import StorageWriter


def png(path: Path, width: int = 8) -> Path:
    """A grey square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\x80" * width) * width)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b""))
    return path


def figures(place: Path) -> list[dict[str, Any]]:
    """The pictures of the only run, as Trackio's reader gives them."""
    (run,) = reader().runs(place / "trackio", PROJECT)
    return [value for row in run["logs"] for key, value in row.items() if key.startswith("figures/")]


def copies(place: Path) -> list[Path]:
    return [path for path in (place / "trackio").rglob("*") if path.is_file() and "media" in path.parts]


def delivered(place: Path, path: Path, options: dict[str, Any], *, kind: str = "figure") -> tuple[Run, str]:
    run = start(place, options=options)
    run.log_artifact_ref("confusion", path, kind=kind)
    run.end()
    report = deliver(place, run)
    return run, str(report["trackio"].stand_ins)


@pytest.fixture(autouse=True)
def config_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`multitrack sync` copies only files of kinds that the config here names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text("[trackio]\nupload = ['figure']\n")


def test_a_figure_is_copied_and_shown(tmp_path: Path) -> None:
    path = png(tmp_path / "confusion.PNG")
    delivered(tmp_path, path, {"upload": ["figure"]})
    (figure,) = figures(tmp_path)
    assert (figure["_type"], figure["caption"]) == ("trackio.image", "confusion")
    copy = tmp_path / "trackio" / "media" / figure["file_path"]
    assert copy.read_bytes() == path.read_bytes()
    assert copies(tmp_path) == [copy]


@pytest.mark.parametrize(
    ("options", "kind"), [({}, "figure"), ({"upload": []}, "figure"), ({"upload": ["figure"]}, "model")]
)
def test_without_upload_or_of_another_kind_nothing_is_copied(
    tmp_path: Path, options: dict[str, Any], kind: str
) -> None:
    _, told = delivered(tmp_path, png(tmp_path / "confusion.png"), options, kind=kind)
    assert figures(tmp_path) == copies(tmp_path) == []
    assert "confusion" not in told


def test_what_only_a_journal_asks_for_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "multitrack.toml").unlink()
    _, told = delivered(tmp_path, png(tmp_path / "confusion.png"), {"upload": ["figure"]})
    assert figures(tmp_path) == copies(tmp_path) == []
    assert "upload" in told


def test_a_large_file_is_not_copied(tmp_path: Path) -> None:
    path = png(tmp_path / "confusion.png")
    _, told = delivered(tmp_path, path, {"upload": ["figure"], "upload_limit": path.stat().st_size - 1})
    assert figures(tmp_path) == copies(tmp_path) == []
    assert "upload_limit" in told


def test_a_file_that_is_no_picture_is_not_copied(tmp_path: Path) -> None:
    for name in ("secret.png", "secret.txt"):
        (tmp_path / name).write_text("no picture")
        _, told = delivered(tmp_path / name[:-4] / name[-3:], tmp_path / name, {"upload": ["figure"]})
        assert copies(tmp_path / name[:-4] / name[-3:]) == []
        assert "kept as a reference only" in told


def test_a_file_that_has_changed_since_is_not_copied(tmp_path: Path) -> None:
    path = png(tmp_path / "confusion.png")
    run = start(tmp_path, options={"upload": ["figure"]})
    run.log_artifact_ref("confusion", path, kind="figure")
    run.end()
    png(path, width=9)
    report = deliver(tmp_path, run)
    assert figures(tmp_path) == copies(tmp_path) == []
    assert "has changed" in str(report["trackio"].stand_ins)


def test_a_figure_that_is_delivered_again_is_there_once_even_if_the_file_is_gone(tmp_path: Path) -> None:
    path = png(tmp_path / "confusion.png")
    run = start(tmp_path, options={"upload": ["figure"]})
    run.log_artifact_ref("confusion", path, kind="figure")
    deliver(tmp_path, run)
    path.unlink()
    assert run.directory is not None
    from multitrack.delivery.lane_state import lane_file

    lane_file(run.directory, "trackio").unlink()
    run.end()
    deliver(tmp_path, run)
    assert len(figures(tmp_path)) == len(copies(tmp_path)) == 1


def test_pictures_of_two_runs_do_not_meet(tmp_path: Path) -> None:
    runs = [start(tmp_path, name="same", options={"upload": ["figure"]}) for _ in range(2)]
    paths = [png(tmp_path / f"{i}.png", width=i + 1) for i in range(2)]
    for run, path in zip(runs, paths, strict=True):
        run.log_artifact_ref("confusion", path, kind="figure")
        run.end()
    deliver(tmp_path, runs[0])
    assert sorted(copy.read_bytes() for copy in copies(tmp_path)) == sorted(path.read_bytes() for path in paths)


def test_a_reference_without_its_digest_yet_is_not_shown(tmp_path: Path) -> None:
    """It comes again, with the digest."""
    record = ArtifactRef(time=0, name="confusion", uri=png(tmp_path / "a.png").as_uri(), kind="figure", pending=True)
    options = TrackioOptions(directory=str(tmp_path), upload=["figure"])
    assert figure_of(record, options) == (None, None)
    assert figure_of(msgspec.structs.replace(record, pending=False), options)[0] is not None


def test_a_file_that_vanishes_at_the_last_moment_holds_nothing_up(tmp_path: Path) -> None:
    storage = storage_of(tmp_path)
    assert storage is not None
    writer = StorageWriter(storage, tmp_path, PROJECT, "id", "name", "name", 0)
    writer.open()
    gone = Figure("figures/x", tmp_path / "gone.png", "x")
    writer.write([LogRow("0", 0, 0, {}, gone), LogRow("1", 0, 1, {"loss": 0.5})], {})
    (run,) = reader().runs(tmp_path, PROJECT)
    assert run["logs"][-1]["loss"] == 0.5


def test_other_kinds_in_upload_are_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="figure"):
        start(tmp_path, options={"upload": ["model"]})
