"""The page's filter takes what `--where` takes, and the two find the same runs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

import drawn_runs
import multitrack
from browser import Page
from multitrack.errors import QueryError
from multitrack.page.render import write_page

pytestmark = pytest.mark.slow

NAMES = ["ada", "ben", "cleo"]
#: Filters of `--where`, and the runs that both it and the page find.
SAME = {
    "params.lr < 0.05": "ben cleo",
    "params.lr<0.05": "ben cleo",
    "params.lr in (0.1, 0.001)": "ada cleo",
    "not params.lr in (0.1,0.001)": "ben",
    "metrics.val_loss:min<0.2": "ben cleo",
    "metrics.val_loss < 0.45 and metrics.val_loss:min > 0.11": "ben",
    "metrics.val_loss:count = 3": "ada ben cleo",
    "metrics.score:min >= 2": "ben cleo",
    "tags.stage=prod or params.lr<0.005": "ada cleo",
    "tags.stage = prod or params.lr < 0.05 and not (params.lr < 0.005)": "ada ben",
    "tags.version < 3": "ada ben",
    "tags.stage ~ RO": "ada",
    'tags."my stage" = "a b"': "ben",
    "params.huge=9007199254740993": "ben",
    "params.huge > 9007199254740993": "cleo",
    "params.flag = true": "ada",
    "params.aug = none": "ada ben cleo",
    "tags.stage != none": "ada",
    "group = none and not tags.stage": "ben cleo",
    "params.aug ~ none": "",
    'params.layers = "[1, 2]"': "ada",
    "params.layers = '[1,2]' or params.layers = '[ 1,3 ]'": "ada ben",
    "params.layers != '[1,2]' and params.layers != '[1'": "ben cleo",
    "params.layers = '[true,2]' or params.layers = '1,2'": "",
    'params.lr = "0.1" or params.lr < "1e-2"': "ada cleo",
    'params.lr in (" .1 ", "0.001") and params.lr != "1"': "ada cleo",
    'metrics.score >= "2" and took < "60"': "ben cleo",
    'tags.version = "2" or tags.version > "2"': "ben cleo",
    'params.reads = "1" or params.reads = "none"': "ada cleo",
    "params.reads != 1": "ben",
    "metrics.beyond < 1e400": "ada cleo",
    "metrics.beyond > 1.8e308 and metrics.beyond > 1e400": "ben",
    'metrics.beyond < -1e400 or metrics.beyond = "-1e602"': "cleo",
    "metrics.beyond = 1.5e309 or metrics.beyond > 1e4299": "",
    "metrics.beyond < 1.7e308 and metrics.beyond > -1e+603": "ada cleo",
    "params.layers ~ '1,2' or params.layers ~ '1, 3'": "ada ben",
    "params.flag = True and params.aug = None": "ada",
    'tags."a\x01b" = "x\ty" or params."\\q" = 1': "cleo",
    "name = 'ada’s' or name = \"“ben”\" or name = été": "",
    "params.text = 'params.lr' or name = data.csv or name ~ run": "",
    "params.lr\u00a0<\u00a00.005": "cleo",
    "params.lr != 0.1": "ben cleo",
    "tags.stage": "ada",
    "status = finished and name ~ B": "ben",
    "status==failed": "cleo",
    "started > 2026-01-01": "ada ben cleo",
    "started > 1h and started < 2999-01-01T10:30+02:00": "ada ben cleo",
    "started < 7d": "",
    "records > 3 and lines = 1": "ada ben",
    "took >= 0": "ada ben cleo",
    "python ~ 3 and user != ''": "ada ben cleo",
    "inputs.digits ~ csv": "ada",
    "inputs.lr < 0.005": "cleo",
    "versions.digits": "ada",
    "versions.digits = s3:7": "ada",
    "outputs.weights = 's3://b/w'": "ada",
    "lists.latency:median >= 2": "ada ben cleo",
    "metrics.odd:max = 1": "ada ben cleo",
    "metrics.odd = nan": "ada ben cleo",
    "metrics.odd != nan": "",
    "ended < 1h": "",
    "took < 60": "ada ben cleo",
}
#: What both refuse, and what the page says.
UNREADABLE = {
    "params.lr <": "expected a value, at the end",
    "params.lr < 0.1 and": "expected a word, or a column such as params.lr, at the end",
    "(params.lr < 0.1": "expected ), at the end",
    "params.lr < 0.1)": "expected `and`, `or` or the end, at )",
    'tags.stage = "prod': 'a quote without an end, at "prod',
    "params.lr in 0.1": "expected ( and values: in (1, 2), at 0.1",
    "params.lr < none": "none can only be compared with = and !=, at none",
    "started > yesterday": "yesterday is not a time, such as 2026-11-21T09:30 or 7d (ago), at yesterday",
    "metrics.val_loss:least < 1": "no reduction least; there are last, first, min, max, mean, median, count, best",
    "params.lr:min < 1": "params.lr:min: only metrics and lists can be reduced",
    "status = finshed": "there is no status finshed; there are running, finished, failed, killed, at finshed",
    "nope<3": "no run has nope, at nope<3",
    "params.text = params.layers": "params.layers is a column, and two columns cannot be compared; a text is quoted: ",
    "params.text ~ tags.stage": "tags.stage is a column, and two columns cannot be compared",
    "params.text in (adam, tags.stage)": "tags.stage is a column, and two columns cannot be compared",
    "params.lr < metrics.val_loss:min": "metrics.val_loss:min is a column, and two columns cannot be compared",
    "name = name": 'name is a column, and two columns cannot be compared; a text is quoted: "name", at name',
    "params.lr > abc": "'abc' is not a number, at abc",
    "params.lr = 0.1;": "'0.1;' is not a number, at 0.1;",
    'params.lr in (1, "abc")': "'abc' is not a number, at \"abc\")",
    'metrics.score = "abc"': "'abc' is not a number, at \"abc\"",
    "params.layers < '[1,9]'": "lists have no order; use = or !=, at '[1,9]'",
    'params.flag = "yes"': "'yes' is neither true nor false, at \"yes\"",
    "metrics.beyond < 1e999999999": "numbers beyond 1.8e308 are integers of 4,300 digits at most, at 1e999999999",
    "metrics.beyond < -" + "9" * 4301: "numbers beyond 1.8e308 are integers of 4,300 digits at most, at -999",
    "params.lr > 1e99999999999999999999": "numbers beyond 1.8e308 are integers of 4,300 digits at most, at 1e9",
    "metrics.beyond > " + "9" * 400 + ".5": "numbers beyond 1.8e308 are integers of 4,300 digits at most, at 999",
    "user = host": 'host is a column, and two columns cannot be compared; a text is quoted: "host", at host',
    "name = “ada”": '“ is not ": write ", or put the text in double quotes, at “ada”',
    "name = it’s": "’ is not ': write ', or put the text in double quotes",
    "name = `ada`": "` is not ': write '",
    "params.lr ≤ 0.01": "≤ is not <=: write <=",
    "params.lr ≠ 3": "≠ is not !=: write !=",
    "params.lr > −3": "− is not -: write -, or put the text in double quotes",
    "params.lr\u200b < 3": "an invisible character, U+200B: remove it",
    'params."\\ud8" < 3': 'no run has params."\\ud8"',
    "name = x and params." + "y" * 500 + " < 3": "no run has params.yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…",
    "(" * 60 + "status" + ")" * 60: "more than 50 nested brackets",
}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    journal = tmp_path_factory.mktemp("filter") / "journal"
    for i, name in enumerate(NAMES):
        params = {
            "lr": 0.1 / 10**i,
            "huge": 2**53 + i,
            "flag": i == 0,
            "aug": None,
            "layers": [1, i + 2],
            "text": "adam",
            "reads": (1, "2", "none")[i],
        } | ({"\\q": 1} if i == 2 else {})
        more: tuple[dict[str, str], ...] = ({"stage": "prod"}, {"my stage": "a b"}, {"a\x01b": "x\ty"})
        tags = {"version": str(i + 1)} | more[i]
        run = drawn_runs.start(journal, name, params=params, tags=tags)
        for step, value in enumerate((2.0, 0.3 / (i + 1), 0.5 - i / 10)):
            run.log_metric("val_loss", value, step=step)
        run.log_metric("score", i + 1)
        run.log_metric("beyond", (3, 2**2000, -(10**602))[i], step=0)
        run.log_metric("odd", float("nan"), step=0)
        run.log_metric("odd", 1, step=1)
        run.log_metric("odd", float("nan"), step=2)
        run.log_list_metric("latency", [1, 2, 3])
        if i == 0:
            run.log_artifact_ref("digits", "s3://b/d.csv", kind="dataset", role="input", version="7")
            run.log_artifact_ref("weights", "s3://b/w", kind="model")
        if i < 2:
            run.log_lines("a line")
        run.end("failed" if i == 2 else "finished")
    return journal


@pytest.fixture
def page(browser: Page, journal: Path, tmp_path: Path) -> Iterator[Page]:
    write_page(tmp_path / "r.html", multitrack.open_journal(journal).runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    yield browser
    assert browser.troubles() == []


#: Types a text into the filter, key by key.
_TYPE = """((box) => { for (let i = 1; i <= Math.max(1, arguments[0].length); i++) {
  box.value = arguments[0].slice(0, i); box.dispatchEvent(new Event('input')); } })(document.querySelector('[data-key=filter]'))"""
#: What the page knows that no run can meet, by what the runs have.
NEVER = {
    "lr < abc": "'abc' is not a number, at abc",
    "lr in (0.1, abc)": "'abc' is not a number, at abc)",
    'lr = "0.1."': "'0.1.' is not a number, at \"0.1.\"",
    "lr < score": "'score' is not a number; two columns cannot be compared, at score",
    "val_loss:min > abc": "'abc' is not a number, at abc",
    "records > abc": "'abc' is not a number, at abc",
    "flag = yes": "'yes' is neither true nor false, at yes",
    "took > 1m": "'1m' is not a duration, such as 90s, 15min or 2h; a number is seconds, at 1m",
    "lrr < 0.01": "no run has lrr, at lrr < 0.01",
}


def filtered(page: Page, text: str) -> tuple[list[str], str]:
    """The rows, and what is said beside the filter."""
    page.js(
        f"{_TYPE}, arguments[0], document.querySelector('[data-key=filter]')"
        ".dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))",
        text,
    )
    return page.rows(), "".join(page.texts("#runs .trouble"))


@pytest.mark.case(31)
def test_both_find_the_same_runs(page: Page, journal: Path) -> None:
    here = multitrack.open_journal(journal)
    for text, names in SAME.items():
        assert [run.facts.name for run in here.runs(where=text)] == names.split(), text
        assert filtered(page, text) == (names.split(), ""), text


def test_the_page_takes_words_and_names_alone_as_well(page: Page) -> None:
    assert filtered(page, "lr < 0.05 val_loss:min<0.12") == (["cleo"], "")
    assert filtered(page, "ADAM lr in (0.1,0.01) not ben") == (["ada"], "")
    assert filtered(page, "cleo or 'my stage'") == (["ben", "cleo"], "")
    assert filtered(page, "stage = none") == ([], "")  # a value that none has; what has no stage is `not tags.stage`
    assert filtered(page, "aug in (1, none)") == (NAMES, "")
    minute_ago = (datetime.now() - timedelta(minutes=1)).isoformat()
    assert filtered(page, f"started>{minute_ago} stage=prod") == (["ada"], "")


@pytest.mark.case(31)
def test_what_cannot_be_read_is_said_and_leaves_the_rows(page: Page, journal: Path) -> None:
    here = multitrack.open_journal(journal)
    assert filtered(page, "lr < 0.05") == (["ben", "cleo"], "")
    assert page.find("[data-key=filter]").get_attribute("aria-invalid") == "false"
    for text, said in UNREADABLE.items():
        if not said.startswith("no run has params."):  # which a command says when the filter took none
            with pytest.raises(QueryError):
                list(here.runs(where=text))
        rows, trouble = filtered(page, text)
        assert (rows, trouble.startswith(said)) == (["ben", "cleo"], True), (text, trouble)
    assert filtered(page, "params.nope < 3") == (
        ["ben", "cleo"],
        "no run has params.nope, at params.nope < 3; shown: runs of lr < 0.05",
    )
    assert page.find("[data-key=filter]").get_attribute("aria-invalid") == "true"
    page.reload()
    assert page.rows() == NAMES  # there was nothing before
    assert page.texts("#runs .trouble") == ["no run has params.nope, at params.nope < 3; shown: all runs"]
    assert filtered(page, "") == (NAMES, "")


def test_what_no_run_can_meet_is_said(page: Page) -> None:
    for text, said in NEVER.items():
        assert filtered(page, "name = ada") == (["ada"], "")
        assert filtered(page, text) == (["ada"], f"{said}; shown: runs of name = ada")
    assert filtered(page, "took < 15min and took < 1e3 and text = adam and aug = none") == (NAMES, "")
    assert filtered(page, "text < 3 or aug = abc") == ([], "")


def test_a_filter_is_read_when_typing_pauses(page: Page) -> None:
    """Half of a column's name would be a word, which no run holds; and typing goes on where the cursor is."""
    assert filtered(page, "lr < 0.05") == (["ben", "cleo"], "")
    assert page.js(
        f"({_TYPE}, [...document.querySelectorAll('tbody th')].map((th) => th.textContent))", "llr < 0.01"
    ) == [
        "ben",
        "cleo",
    ]
    page.wait("document.querySelector('#runs .trouble').textContent")
    assert page.texts("#runs .trouble") == ["no run has llr, at llr < 0.01; shown: runs of lr < 0.05"]
    assert page.rows() == ["ben", "cleo"]
    box = page.find("[data-key=filter]")
    box.send_keys(Keys.HOME, Keys.DELETE)
    page.wait("document.querySelectorAll('tbody tr').length === 1")
    assert page.rows() == ["cleo"]
    page.driver.switch_to.active_element.send_keys("X")
    page.wait("document.querySelector('#runs .trouble').textContent")
    assert box.get_property("value") == "Xlr < 0.01"


def test_a_name_that_two_groups_have_needs_its_group(browser: Page, tmp_path: Path) -> None:
    for i, rate in enumerate((0.01, 0.001)):
        params = {"learning_rate": rate, "constructor": i, "batch.loss": i}
        tags = {"name": "other", "__proto__": "1"}
        with drawn_runs.start(tmp_path / "journal", f"run {i}", params=params, tags=tags) as run:
            run.log_metrics({"learning_rate": rate / 10, "__proto__": i, "constructor": i}, step=0)
            if i:
                run.log_metric("batch.loss", 3, step=0)
            else:
                run.log_list_metric("batch.loss", [1, 2])
    write_page(tmp_path / "r.html", multitrack.open_journal(tmp_path / "journal").runs(), charts=False)
    browser.open((tmp_path / "r.html").as_uri())
    for text, said in {
        "learning_rate > 0.005": "params.learning_rate or metrics.learning_rate? at learning_rate > 0.005",
        "learning_rate in (1, 2)": "params.learning_rate or metrics.learning_rate? at learning_rate in (1, 2)",
        "constructor = 3": "params.constructor or metrics.constructor? at constructor = 3",
        "__proto__ = 1": "tags.__proto__ or metrics.__proto__? at __proto__ = 1",
        "lists.batch.loss > learning_rate": "'learning_rate' is not a number; two columns cannot be compared, at learning_rate",
        "batch.loss:min < 3": "metrics.batch.loss:min or lists.batch.loss:min? at batch.loss:min < 3",
    }.items():
        assert filtered(browser, text) == (["run 0", "run 1"], f"{said}; shown: all runs")
    for text in (
        "params.learning_rate > 0.005",
        "metrics.learning_rate = 0.001",
        "learning_rate:last = 0.001",  # only a metric is reduced
        'name = "run 0"',
        "params.constructor = 0",
        "metrics.__proto__ = 0",
    ):
        assert filtered(browser, text) == (["run 0"], ""), text
        assert filtered(browser, "") == (["run 0", "run 1"], "")
    assert browser.troubles() == []
