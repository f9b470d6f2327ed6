"""A search in a real TensorBoard, opened in a browser: what its tabs show is what the journal holds."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from images import png
from tensorboard_server import tensorboard_server

import multitrack
from browser import Page, chromium
from multitrack.reading.recorded_run import RecordedRun

# Everything in the page, also inside of its components.
ALL = """(() => {
    const found = [];
    const walk = (root) => root.querySelectorAll("*").forEach((element) => {
        found.push(element);
        if (element.shadowRoot) walk(element.shadowRoot);
    });
    walk(document);
    return found;
})()"""
CELLS = f"{ALL}.filter((e) => e.localName === 'vaadin-grid-cell-content').map((e) => e.textContent.trim())"
PATHS = f"{ALL}.filter((e) => e.localName === 'path' && e.__data__?.name).map((e) => e.__data__.name)"
POINTS = f"""((chart) => Object.fromEntries(Object.entries(chart._seriesDataCache).map(
    ([series, points]) => [JSON.parse(series)[1], points.map((p) => [p.step, p.scalar, p.wall_time.getTime()])])))(
    {ALL}.find((e) => e.localName === 'tf-scalar-card' && e.tag === arguments[0]).shadowRoot
    .querySelector('tf-line-chart-data-loader').shadowRoot.querySelector('vz-line-chart2'))"""
HPARAMS = {
    "learning_rate": [0.5, 0.25, 0.0078125],
    "optimizer": ["adam", "sgd", "adam"],
    "augment": [True, False, True],
}


class Search:
    """A search that was recorded and delivered, with TensorBoard and a browser."""

    def __init__(self, url: str, page: Page, trials: list[RecordedRun], names: list[str]) -> None:
        self.url = url
        self.page = page
        self.trials = trials
        self.names = names

    def wait(self, code: str, *arguments: Any) -> Any:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if found := self.page.js(code, *arguments):
                return found
            time.sleep(0.2)
        raise AssertionError(f"not in time: {code}")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    place = tmp_path_factory.mktemp("search")
    config = place / "multitrack.toml"
    config.write_text('delivery = "off"\n[tensorboard]\nupload = ["figure"]\ndirectory = "logs"\n')
    image = place / "confusion.png"
    image.write_bytes(png(40, 30))
    trials = []
    with multitrack.start_run("digits", "search", config=str(config), backends=["tensorboard"], params={"n": 3}) as run:
        for i in range(3):
            params = {name: values[i] for name, values in HPARAMS.items()}
            with multitrack.start_run(name=f"trial {i}", config=str(config), parent=run, params=params) as trial:
                for epoch in range(10):
                    trial.log_metrics(
                        {"loss": (i + 1) / (epoch + 1), "val/accuracy": 0.1 * i + 0.01 * epoch}, step=epoch
                    )
                trial.log_metric("score", 0.5 + i / 8)
                trial.log_lines(["*one*", "  <b>two</b>"])
                trial.log_artifact_ref("confusion", image, kind="figure")
            trials.append(trial)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)  # the config of `multitrack sync`, which allows the upload
        assert {report.complete for report in multitrack.sync(run.directory.parent.parent).values()} == {True}  # type: ignore[union-attr]
        journal = multitrack.open_journal(run.directory.parent.parent)  # type: ignore[union-attr]
    names = [trial.backend_ids["tensorboard"] for trial in trials]
    with tensorboard_server(place / "logs") as url, chromium(place / "profile") as page:
        yield Search(url, page, [journal.run(trial.id) for trial in trials], names)


def test_the_scalars_tab_draws_every_point(search: Search) -> None:
    search.page.open(f"{search.url}/#scalars")
    drawn = search.wait(
        f"{ALL}.some((e) => e.localName === 'tf-scalar-card' && e.tag === arguments[0]) && "
        f"((points) => Object.keys(points).length === 3 && points)({POINTS})", "loss",
    )  # fmt: skip
    for name, trial in zip(search.names, search.trials, strict=True):
        points = [
            (point.step, pytest.approx(point.value, rel=1e-7), point.time) for point in trial.get_metrics()["loss"]
        ]
        assert [tuple(point) for point in drawn[name]] == points


def test_the_hparams_tab_has_a_row_for_each_trial(search: Search) -> None:
    search.page.open(f"{search.url}/#hparams")
    cells = search.wait(f"((cells) => cells.includes('sgd') && cells)({CELLS})")
    columns = cells[: cells.index("")]
    assert columns == ["Trial ID", "Show Metrics", *sorted(HPARAMS), "loss", "summary/score", "val/accuracy"]
    rows = []
    for name in search.names:
        above, _, own = name.rpartition("/")
        start = cells.index(f"{own} in {above}")
        rows.append(dict(zip(columns, cells[start : start + len(columns)], strict=True)))
    assert sum(" in digits" in cell for cell in cells) == 3, "the search itself is no trial"
    for row, trial in zip(rows, search.trials, strict=True):
        params = trial.get_params()
        assert (row["optimizer"], row["augment"]) == (params["optimizer"], str(params["augment"]).lower())
        assert float(row["learning_rate"]) == pytest.approx(params["learning_rate"], rel=1e-4)
        assert float(row["loss"]) == pytest.approx(trial.get_metrics()["loss"][-1].value, rel=1e-4)
        assert float(row["summary/score"]) == pytest.approx(trial.get("metrics.score"), rel=1e-4)


def test_the_parallel_coordinates_draw_each_trial(search: Search) -> None:
    search.page.open(f"{search.url}/#hparams")
    search.wait(f"{CELLS}.includes('sgd')")
    search.page.js(f"{ALL}.find((e) => e.localName === 'paper-tab' && e.textContent.includes('PARALLEL')).click()")
    drawn = search.wait(f"((names) => names.length && names)({PATHS})")
    assert {name.partition(" in ")[0] for name in drawn} == {name.rpartition("/")[2] for name in search.names}


def test_the_text_tab_shows_lines_as_they_are(search: Search) -> None:
    search.page.open(f"{search.url}/#text&tagFilter=multitrack%2Flines")
    shown = search.wait(
        "((texts) => Object.keys(texts).length === 3 && texts)(Object.fromEntries("
        f"{ALL}.filter((e) => e.localName === 'tf-text-loader' && e.tag === 'multitrack/lines/log')"
        ".map((e) => [e.run, e.shadowRoot.querySelector('tf-markdown-view')?.shadowRoot.querySelector('code')"
        "?.textContent]).filter(([run, text]) => text)))"
    )
    for name, trial in zip(search.names, search.trials, strict=True):
        assert shown[name].removesuffix("\n").split("\n") == [line.text for line in trial.get_lines()]


def test_the_images_tab_shows_figures(search: Search) -> None:
    search.page.open(f"{search.url}/#images")
    size = search.wait(
        f"((image) => image && image.naturalWidth && [image.naturalWidth, image.naturalHeight])"
        f"({ALL}.find((e) => e.localName === 'img' && e.src.includes('individualImage')))"
    )
    assert size == [40, 30]
