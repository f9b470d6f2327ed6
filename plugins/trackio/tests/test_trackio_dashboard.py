"""Trackio's own dashboard shows what was recorded."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_trackio_figures import png
from trackio_dashboard import dashboard
from trackio_runs import PROJECT, deliver, start

import multitrack

pytestmark = pytest.mark.slow


def test_the_dashboard_shows_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text("[trackio]\nupload = ['figure']\n")
    parent = start(tmp_path, name="search", params={"budget": 3}, options={"upload": ["figure"]})
    run = start(tmp_path, name="trial ∕ 1", parent=parent, params={"lr": 0.1, "model": {"units": 64}})
    for step, value in enumerate((0.9, math.nan, math.inf, 0.5)):
        run.log_metrics({"loss": value, "val/loss": value}, step=step)
    run.log_metric("accuracy", 0.93)
    run.log_lines(["one", "two"])
    run.set_tags({"stage": "draft"})
    run.log_artifact_ref("confusion", png(tmp_path / "confusion.png"), kind="figure")
    run.end()
    parent.end()
    deliver(tmp_path, parent)

    assert run.directory is not None
    recorded = multitrack.open_journal(tmp_path / "journal").run(run.id)
    with dashboard(tmp_path / "trackio") as page:
        assert page.ask("get_all_projects") == [PROJECT]
        runs = {found["name"]: found["id"] for found in page.ask("get_runs_for_project", project=PROJECT)}
        assert runs == {
            "search": parent.backend_ids["trackio"], "trial ∕ 1": run.backend_ids["trackio"]
        }  # fmt: skip
        native = runs["trial ∕ 1"]
        logs = page.ask("get_logs", project=PROJECT, run="trial ∕ 1", run_id=native)
        losses = [(row["step"], row["loss"]) for row in logs if "loss" in row]
        assert [step for step, _ in losses] == [point.step for point in recorded.get_metrics()["loss"]]
        assert [value for _, value in losses][::3] == [0.9, 0.5]
        assert [row["logs/log"] for row in logs if "logs/log" in row] == ["one", "two"]
        summary = page.ask("get_run_summary", project=PROJECT, run="trial ∕ 1", run_id=native)
        assert {"loss", "val/loss", "accuracy"} <= set(summary["metrics"])
        config = summary["config"]
        assert (config["lr"], config["model/units"], config["tags/stage"]) == (0.1, 64, "draft")
        assert (config["_Group"], config["multitrack/status"]) == ("search", "finished")
        (figure,) = [row["figures/confusion"] for row in logs if "figures/confusion" in row]
        path = tmp_path / "trackio" / "media" / figure["file_path"]
        assert page.file(path) == (tmp_path / "confusion.png").read_bytes()
        assert page.ask("get_tab_availability", project=PROJECT)["media"] is True


def test_its_page_draws_the_curves_of_a_search(tmp_path: Path) -> None:
    from browser import chromium  # skips without a browser

    search = start(tmp_path, name="search")
    for trial in range(3):
        run = start(tmp_path, name=f"trial-{trial}", parent=search, params={"lr": 10.0 ** -(trial + 1), "units": 64})
        for step in range(20):
            loss = 1 / (1 + step * (0.4 + 0.3 * trial))
            run.log_metrics({"loss": loss, "val_loss": loss * 1.1 + 0.02 * trial}, step=step)
        run.log_metric("val_accuracy", 0.9 + 0.02 * trial)
        run.end()
    search.end()
    deliver(tmp_path, search)
    with dashboard(tmp_path / "trackio") as page, chromium(tmp_path / "profile") as browser:
        driver = browser.driver
        driver.set_window_size(1280, 800)
        driver.get(f"{page.url}/?project={PROJECT}")
        _until(lambda: {"trial-0", "trial-2", "loss", "val_accuracy"} <= set(_words(driver)))
        _until(lambda: driver.execute_script("return document.querySelectorAll('canvas, svg.marks').length") >= 3)
        time.sleep(1)  # the curves are drawn
        driver.save_screenshot(str(tmp_path / "dashboard.png"))
        driver.get(f"{page.url}/run?project={PROJECT}&selected_run=trial-1")
        _until(lambda: '"lr": 0.01' in _text(driver) and '"multitrack/status": "finished"' in _text(driver))


def _text(driver: Any) -> str:
    text: str = driver.execute_script("return document.body.innerText")
    return text


def _words(driver: Any) -> list[str]:
    return _text(driver).split()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
