"""What each kind of record becomes: numbers, texts, params in the HParams tab, figures, names of runs."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from images import png
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard_file import accumulated, find_place, hparams_of, read_run

import multitrack
from multitrack.errors import ConfigError
from multitrack.records import KERAS
from multitrack_tensorboard import TensorboardOptions, event_file, exact_number, name_of
from multitrack_tensorboard.event_file import checksum, replace
from multitrack_tensorboard.files import HPARAMS_FILE
from multitrack_tensorboard.place import _parent_directory, part, plain
from multitrack_tensorboard.tags import series_tag


def start(tmp_path: Path, *, journal: str = "journal", **arguments: Any) -> multitrack.Run:
    options = {"directory": str(tmp_path / "logs"), **arguments.pop("options", {})}
    config = {"journal": str(tmp_path / journal), "delivery": "off", "tensorboard": options}
    return multitrack.start_run(
        **{"project": "p", "name": "n", "config": config, "backends": ["tensorboard"], **arguments}
    )


def delivered(tmp_path: Path, run: multitrack.Run, journal: str = "journal") -> Path:
    if run.status == "running":
        run.end()
    multitrack.sync(tmp_path / journal)
    assert run.flush()["tensorboard"].set_aside == 0
    return tmp_path / "logs" / run.backend_ids["tensorboard"]


@pytest.mark.parametrize("data", [b"", b"\x00", b"123456789", bytes(range(256)) * 3])
def test_the_checksum_is_tensorboards(data: bytes) -> None:
    assert checksum(data) == struct.pack("<I", masked_crc32c(data))


@pytest.mark.parametrize(
    ("value", "drawn", "fields"),
    [
        (0.5, 0.5, ("float_val",)),
        (0.1, struct.unpack("<f", struct.pack("<f", 0.1))[0], ("float_val", "double_val")),
        (math.nan, math.nan, ("float_val",)),
        (-math.inf, -math.inf, ("float_val",)),
        (1e300, math.inf, ("float_val", "double_val")),
        (5e-324, 0.0, ("float_val", "double_val")),
        (2**53 + 1, 2.0**53, ("float_val", "double_val", "string_val")),
        (-(10**400), -math.inf, ("float_val", "double_val", "string_val")),
    ],
)
def test_a_number_is_drawn_as_near_as_possible_and_kept_exactly(
    tmp_path: Path, value: float, drawn: float, fields: tuple[str, ...]
) -> None:
    run = start(tmp_path)
    run.log_metric("x", value, step=0)
    run.log_metric("x", value)
    run.log_list_metric("list", [value])
    place = delivered(tmp_path, run)
    events = accumulated(place)
    for tag in ("x", "summary/x", "list"):
        (event,) = events.Tensors(tag)
        tensor = event.tensor_proto
        assert tuple(field.name for field, _ in tensor.ListFields() if field.name != "dtype") == fields
        assert tensor.float_val[0] == pytest.approx(drawn, nan_ok=True, rel=0, abs=0)
        assert repr(exact_number(tensor)) == repr(value)
        visible = len(fields) == 3 or drawn in (math.inf, 0.0)
        assert (f"multitrack/exact/{tag}" in events.Tags()["tensors"]) is visible
        if visible:
            assert events.Tensors(f"multitrack/exact/{tag}")[0].tensor_proto.string_val[0].decode() == f"    {value}"
    sentences = run.flush()["tensorboard"].stand_ins
    assert sorted(text.partition(":")[0] for text in sentences) == (["list", "summary/x", "x"] if visible else [])


@pytest.mark.parametrize(
    "name", ["loss", "summary/loss", "~summary/loss", "~", "~x", "multitrack/run", "_hparams_/x", "figures/"]
)
def test_names_of_series_do_not_meet_other_tags(name: str) -> None:
    tag = series_tag(name)
    assert name_of(tag) == name
    assert not tag.startswith(("summary/", "multitrack/", "_hparams_/", "figures/"))


def test_each_write_of_a_simple_metric_is_a_point(tmp_path: Path) -> None:
    run = start(tmp_path)
    for value in (0.5, 0.75, 0.25):
        run.log_metric("best", value)
    events = accumulated(delivered(tmp_path, run)).Tensors("summary/best")
    assert [(event.step, exact_number(event.tensor_proto)) for event in events] == [(0, 0.5), (1, 0.75), (2, 0.25)]


def test_params_in_the_hparams_tab(tmp_path: Path) -> None:
    params = {
        "int": 3, "float": 0.1, "flag": True, "text": "a\nb", "none": None, "list": [1, "x"], "nan": math.nan,
        "huge": 10**400, "odd": 2**53 + 1, "long": "x" * 600,
    }  # fmt: skip
    run = start(tmp_path, params=params)
    place = delivered(tmp_path, run)
    assert hparams_of(place) == {
        "int": 3.0, "float": 0.1, "flag": True, "text": "a\nb", "none": "None", "list": '[1,"x"]', "nan": "NaN",
        "huge": str(10**400), "odd": str(2**53 + 1), "long": "x" * 499 + "…",
    }  # fmt: skip
    assert json.dumps(read_run(place).params) == json.dumps(params)
    sentences = run.flush()["tensorboard"].stand_ins
    assert sorted(text.split(":")[0] for text in sentences) == ["param huge", "param long", "param nan", "param odd"]


def test_params_that_keras_determines_are_in_the_text_tab_only(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.5})
    run.log_params({"optimizer": {"name": "adam"}}, source=KERAS)
    place = delivered(tmp_path, run)
    assert hparams_of(place) == {"lr": 0.5}
    assert read_run(place).params == {"lr": 0.5, "optimizer/name": "adam"}


@pytest.mark.parametrize("later", [{}, {"tuner": "random"}])
def test_trials_are_below_their_search_which_is_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: dict[str, str]
) -> None:
    search = start(tmp_path, name="search", params={"max_trials": 2})
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", search.id)
    assert hparams_of(place) == {"max_trials": 2.0}, "a run without children is a session"
    trials = [start(tmp_path, name=f"trial {i}", parent=search, params={"lr": i / 2}) for i in range(2)]
    deeper = start(tmp_path, name="fold", parent=trials[0])
    for run in (deeper, *trials):
        run.end()
    multitrack.sync(tmp_path / "journal")
    written: list[Path] = []
    monkeypatch.setattr(event_file, "replace", lambda path, data: [written.append(path), replace(path, data)])
    search.log_params(later)
    search.end()
    multitrack.sync(tmp_path / "journal")
    assert place / HPARAMS_FILE not in written, "a TensorBoard that is open would never forget it"
    assert find_place(tmp_path / "logs", search.id) == place
    assert not (place / HPARAMS_FILE).exists()
    assert read_run(place).params == {"max_trials": 2, **later}
    for i, trial in enumerate(trials):
        assert find_place(tmp_path / "logs", trial.id).parent == place
        assert hparams_of(find_place(tmp_path / "logs", trial.id)) == {"lr": i / 2}
    assert find_place(tmp_path / "logs", deeper.id).parent == find_place(tmp_path / "logs", trials[0].id)


def test_a_trial_that_comes_while_its_search_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = start(tmp_path, name="search", params={"max_trials": 2})
    search.end()

    def replace_late(path: Path, data: bytes) -> None:
        if path.name == HPARAMS_FILE and path.parent.name.startswith("search"):
            (path.parent / "trial").mkdir()
            replace(path.parent / "trial" / HPARAMS_FILE, b"")
        replace(path, data)

    monkeypatch.setattr(event_file, "replace", replace_late)
    multitrack.sync(tmp_path / "journal")
    assert [path.parent.name for path in (tmp_path / "logs").rglob(HPARAMS_FILE)] == ["trial"]


@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_child_finds_its_parents_directory_whichever_is_first(tmp_path: Path, first: str) -> None:
    parent = start(tmp_path, name="search")
    if first == "parent":
        multitrack.sync(tmp_path / "journal")
        parent.end()
        parent = start(tmp_path, name="renamed", run_id=parent.id)
    child = start(tmp_path, name="trial", parent=parent)
    child.end()
    parent.end()
    multitrack.sync(tmp_path / "journal")
    assert find_place(tmp_path / "logs", child.id).parent == find_place(tmp_path / "logs", parent.id)


def test_the_directory_of_a_parent_that_is_not_opened_yet(tmp_path: Path) -> None:
    """It is below the parent's project, whichever the child's is."""
    study = start(tmp_path, name="study", project="one")
    search = start(tmp_path, name="search", project="two", parent=study)
    assert search.directory is not None
    lane = search.directory.parent / "trial" / "lanes" / "tensorboard"
    expected = f"one/study-{study.id[-6:]}/search-{search.id[-6:]}"
    assert _parent_directory(lane, search.id, "three") == expected
    for run in (search, study):
        delivered(tmp_path, run)
    assert find_place(tmp_path / "logs", search.id) == tmp_path / "logs" / expected


def test_a_parent_in_another_journal(tmp_path: Path) -> None:
    child = start(tmp_path, parent="elsewhere-1")
    assert delivered(tmp_path, child).parent == tmp_path / "logs" / "p" / "elsewhere-1"
    assert read_run(find_place(tmp_path / "logs", child.id)).parent == "elsewhere-1"


def test_runs_of_one_id_and_name_in_two_journals_share_a_log_directory(tmp_path: Path) -> None:
    runs = [start(tmp_path, journal=journal, run_id="nightly") for journal in ("one", "two")]
    for i, run in enumerate(runs):
        run.log_metric("x", float(i), step=0)
    places = [delivered(tmp_path, run, journal) for run, journal in zip(runs, ("one", "two"), strict=True)]
    assert places[0] != places[1]
    assert [read_run(place).series["x"][0].value for place in places] == [0.0, 1.0]


def test_a_journal_that_was_moved_goes_on_in_the_same_directory(tmp_path: Path) -> None:
    run = start(tmp_path, run_id="nightly")
    run.log_metric("x", 0.0, step=0)
    place = delivered(tmp_path, run)
    (tmp_path / "journal").rename(tmp_path / "moved")
    again = start(tmp_path, journal="moved", run_id="nightly")
    again.log_metric("x", 1.0, step=1)
    assert delivered(tmp_path, again, "moved") == place
    assert [point.step for point in read_run(place).series["x"]] == [0, 1]


@pytest.mark.parametrize("directory", ["../outside", "/outside", "p/../../outside", "p/other-run"])
def test_a_note_of_somebody_elses_journal_leads_nowhere(tmp_path: Path, directory: str) -> None:
    other = start(tmp_path, name="other", run_id="run")
    kept = delivered(tmp_path, other)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    run = start(tmp_path, journal="foreign", run_id="evil")
    assert run.directory is not None
    lane = run.directory / "lanes" / "tensorboard"
    lane.mkdir(parents=True)
    directory = directory.replace("/outside", f"{tmp_path}/outside") if directory[0] == "/" else directory
    (lane / "note.json").write_text(json.dumps({"directory": directory, "token": "t", "segment": 1}))
    outside = tmp_path / "outside"
    outside.mkdir()
    claim = json.dumps({"run_id": "evil", "token": "t", "lane": ""})
    (outside / ".multitrack.json").write_text(claim)
    assert delivered(tmp_path, run, "foreign") == tmp_path / "logs" / "p" / "n-evil"
    assert [path.name for path in outside.iterdir()] == [".multitrack.json"]
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_names_of_directories() -> None:
    made = "20261121-050956-068-f6745d"
    assert part("bäse line", made) == "bäse line-f6745d"
    assert part("../../etc/passwd 🚀", "x") == "_.._etc_passwd _-x"
    assert part("nightly", "nightly") == "nightly"
    assert part(" .. ", made) == made
    assert plain("é" * 200) == "é" * 60
    assert plain("a\nb\x1b[0m") == "a_b__0m"


def figure(tmp_path: Path, content: bytes, **arguments: Any) -> tuple[Path, list[str]]:
    """Deliver a run with one figure under a config that allows its upload."""
    upload = arguments.pop("upload", ["figure"])
    options = {"upload": upload, "upload_limit": 5000}
    (tmp_path / "multitrack.toml").write_text(f"[tensorboard]\nupload = {upload}\n")
    path = tmp_path / "picture"
    path.write_bytes(content)
    run = start(tmp_path, options=options)
    run.log_artifact_ref("picture", path, **{"kind": "figure", **arguments})
    if arguments.pop("changed", False):
        path.write_bytes(content + b"more")
    place = delivered(tmp_path, run)
    return place, run.flush()["tensorboard"].stand_ins


def images(place: Path) -> list[tuple[bytes, bytes, bytes]]:
    events = accumulated(place)
    tag = "figures/picture"
    return (
        [tuple(event.tensor_proto.string_val) for event in events.Tensors(tag)]
        if tag in events.Tags()["tensors"]
        else []
    )  # type: ignore[misc]


def test_a_figure_becomes_an_image_where_upload_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place, sentences = figure(tmp_path, png(40, 30))
    assert images(place) == [(b"40", b"30", png(40, 30))]
    assert sentences == []
    assert read_run(place).artifacts["picture"].startswith("file:///")


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        (png(40, 30), {"upload": []}, None),
        (png(40, 30), {"kind": "model"}, None),
        (b"<svg/>", {}, "PNG, JPEG and GIF only"),
        (png(40, 30) + bytes(5000), {}, "above upload_limit"),
    ],
)
def test_other_files_are_references_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, arguments: dict[str, Any], reason: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    place, sentences = figure(tmp_path, content, **arguments)
    assert images(place) == []
    assert read_run(place).artifacts["picture"].startswith("file:///")
    assert [reason in text for text in sentences] == ([True] if reason else [])


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_a_figure_that_was_changed_is_not_shown_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text('[tensorboard]\nupload = ["figure"]\n')
    path = tmp_path / "picture"
    path.write_bytes(png(40, 30))
    run = start(tmp_path, options={"upload": ["figure"]})
    run.log_artifact_ref("picture", path, kind="figure")
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(png(4, 3))
    assert images(delivered(tmp_path, run)) == []
    (sentence,) = run.flush()["tensorboard"].stand_ins
    assert change in sentence


def test_a_journal_alone_cannot_have_files_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "picture"
    path.write_bytes(png(40, 30))
    run = start(tmp_path, options={"upload": ["figure"]})
    run.log_artifact_ref("picture", path, kind="figure")
    assert images(delivered(tmp_path, run)) == []


@pytest.mark.parametrize("options", [{"upload": ["model"]}, {"upload_limit": -1}, {"logdir": "x"}, {"directory": 3}])
def test_a_wrong_option_is_an_error_at_the_start(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        start(tmp_path, options=options)


def test_runs_are_in_the_current_directory_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert TensorboardOptions().directory == str(tmp_path / "runs")
