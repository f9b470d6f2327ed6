"""Uploaded figures: each is in MLflow's artifact viewer once, as it was logged, and under a path of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from mlflow_server import mlflow_server
from PIL import Image
from selenium.webdriver.support.ui import WebDriverWait

import multitrack
from browser import chromium
from multitrack.delivery.lane_state import lane_file
from multitrack.recording.run import Run


@pytest.fixture(autouse=True)
def config_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`multitrack sync` uploads only files of kinds that the config here names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text("[mlflow]\nupload = ['figure']\n")


def start(tmp_path: Path, **options: Any) -> Run:
    table = {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", "upload": ["figure"], **options}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "mlflow": table}
    return multitrack.start_run("digits", backends=["mlflow"], config=config)


def picture(path: Path, grey: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (40, 30), grey).save(path, "PNG")
    return path


def deliver(tmp_path: Path, run: Run) -> list[str]:
    multitrack.sync(tmp_path / "journal")
    return run.flush(timeout=0)["mlflow"].stand_ins


def held(tmp_path: Path, run: Run, scratch: Path) -> dict[str, bytes]:
    """The uploaded files by path, by MLflow's own client."""
    client, native = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"), run.backend_ids["mlflow"]

    def files(path: str | None) -> list[str]:
        found = client.list_artifacts(native, path)
        return [one for each in found for one in (files(each.path) if each.is_dir else [each.path])]

    scratch.mkdir(exist_ok=True)
    return {path: Path(client.download_artifacts(native, path, str(scratch))).read_bytes() for path in files(None)}


def test_figures_of_one_file_name_do_not_replace_each_other(tmp_path: Path) -> None:
    """And each has the same path if it is delivered again."""
    run = start(tmp_path)
    paths = [picture(tmp_path / part / "confusion.png", grey) for grey, part in enumerate(("train", "val"))]
    for name, path in zip(("train", "val/0"), paths, strict=True):
        run.log_artifact_ref(name, path, kind="figure")
    assert deliver(tmp_path, run) == []
    wanted = {
        "figure/confusion.png": paths[0].read_bytes(),
        "figure/named/val/0/confusion.png": paths[1].read_bytes(),
    }
    assert held(tmp_path, run, tmp_path / "scratch") == wanted
    assert run.directory is not None
    lane_file(run.directory, "mlflow").unlink()
    run.end()
    assert deliver(tmp_path, run) == []
    assert held(tmp_path, run, tmp_path / "scratch") == wanted
    tags = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_run(run.backend_ids["mlflow"]).data.tags
    assert json.loads(tags["multitrack.artifact.val/0"])["artifact"] == "figure/named/val/0/confusion.png"


def test_a_figure_that_is_logged_again_replaces_itself(tmp_path: Path) -> None:
    run = start(tmp_path)
    for grey in (1, 2):
        run.log_artifact_ref("confusion", picture(tmp_path / "confusion.png", grey), kind="figure")
        assert deliver(tmp_path, run) == []
    run.end()
    assert deliver(tmp_path, run) == []
    assert held(tmp_path, run, tmp_path / "scratch") == {
        "figure/confusion.png": (tmp_path / "confusion.png").read_bytes()
    }


def test_a_path_is_kept_though_the_one_that_was_taken_is_free(tmp_path: Path) -> None:
    """The tag of ``train`` names its latest file only; the earlier one stays as it is."""
    run = start(tmp_path)
    for name, file in (("train", "a/x.png"), ("val", "b/x.png"), ("train", "a/y.png"), ("val", "b/x.png")):
        run.log_artifact_ref(name, picture(tmp_path / file, grey=len(file) + (name == "val")), kind="figure")
        assert deliver(tmp_path, run) == []
    run.end()
    deliver(tmp_path, run)
    assert held(tmp_path, run, tmp_path / "scratch") == {
        "figure/x.png": (tmp_path / "a" / "x.png").read_bytes(),
        "figure/y.png": (tmp_path / "a" / "y.png").read_bytes(),
        "figure/named/val/x.png": (tmp_path / "b" / "x.png").read_bytes(),
    }


def test_a_figure_is_not_taken_for_the_one_that_was_logged(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_artifact_ref("changed", picture(tmp_path / "changed.png"), kind="figure")
    run.log_artifact_ref("gone", picture(tmp_path / "gone.png"), kind="figure")
    picture(tmp_path / "changed.png", 7)
    (tmp_path / "gone.png").unlink()
    run.end()
    assert deliver(tmp_path, run) == [
        "figure changed: the file has changed since it was logged, kept as a reference only",
        "figure gone: the file is gone, kept as a reference only",
    ]
    assert held(tmp_path, run, tmp_path / "scratch") == {}


def test_what_the_viewer_does_not_show_is_uploaded_with_a_sentence(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_artifact_ref("roc", picture(tmp_path / "roc.picture"), kind="figure")
    run.end()
    (sentence,) = deliver(tmp_path, run)
    assert sentence == "figure roc: uploaded as figure/roc.picture, which MLflow's viewer does not show as a picture"
    assert list(held(tmp_path, run, tmp_path / "scratch")) == ["figure/roc.picture"]


def test_a_file_that_is_no_picture_is_not_copied_as_one(tmp_path: Path) -> None:
    run = start(tmp_path)
    (tmp_path / "passwords.png").symlink_to("/etc/passwd")
    (tmp_path / "plot.html").write_text("<html>plotly</html>")
    run.log_artifact_ref("roc", tmp_path / "passwords.png", kind="figure")
    run.log_artifact_ref("plot", tmp_path / "plot.html", kind="figure")
    run.end()
    assert deliver(tmp_path, run) == [
        "figure roc: MLflow shows PNG, JPEG, GIF, BMP, SVG, WebP, PDF and HTML only, kept as a reference only"
    ]
    assert held(tmp_path, run, tmp_path / "scratch") == {"figure/plot.html": b"<html>plotly</html>"}


def test_without_upload_there_is_only_the_reference(tmp_path: Path) -> None:
    run = start(tmp_path, upload=[])
    run.log_artifact_ref("confusion", picture(tmp_path / "confusion.png"), kind="figure")
    run.end()
    assert deliver(tmp_path, run) == []
    assert held(tmp_path, run, tmp_path / "scratch") == {}


def test_a_journal_alone_cannot_have_files_uploaded(tmp_path: Path) -> None:
    (tmp_path / "multitrack.toml").unlink()
    run = start(tmp_path)
    run.log_artifact_ref("confusion", picture(tmp_path / "confusion.png"), kind="figure")
    run.end()
    (sentence,) = deliver(tmp_path, run)
    assert "upload" in sentence
    assert held(tmp_path, run, tmp_path / "scratch") == {}


@pytest.mark.slow
def test_the_artifact_viewer_shows_the_figure(tmp_path: Path) -> None:
    with mlflow_server(tmp_path) as url:
        run = start(tmp_path, tracking_uri=url)
        run.log_artifact_ref("confusion", picture(tmp_path / "confusion.png"), kind="figure")
        run.end()
        assert deliver(tmp_path, run) == []
        with chromium(tmp_path / "chromium") as page:
            page.open(f"{run.urls['mlflow']}/artifacts/figure/confusion.png")
            sizes = "[...document.images].map((image) => `${image.naturalWidth} x ${image.naturalHeight}`)"
            WebDriverWait(page.driver, 60, 0.2).until(lambda _: page.js(f"{sizes}.includes('40 x 30')"))
