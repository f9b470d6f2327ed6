"""The command, the file and the server, without a browser."""

import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

import drawn_runs
import multitrack
from multitrack.cli import main
from multitrack.page.render import Options
from multitrack.page.server import PageServer
from multitrack.page.watched import Watched


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


def data_of(path: Path) -> Any:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])  # type: ignore[index]


def test_the_command_writes_the_runs_and_says_where(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "a", params={"lr": 0.1}) as run:
        run.log_metric("loss", 0.5, step=3)
        with drawn_runs.start(tmp_path / "j", "b", parent=run):
            pass
    drawn_runs.start(tmp_path / "j", "c").end()
    done = report("--journal", "j", "--no-charts")
    assert done.exit_code == 0
    assert re.fullmatch(r"report\.html: 3 runs, 0\.\d MB\n", done.output)
    (first, *_) = data_of(Path("report.html"))["runs"]
    assert (first["name"], first["params"], first["status"]) == ("a", {"lr": 0.1}, "finished")
    assert first["series"]["loss"]["values"] == [0.5]
    assert first["series"]["loss"]["statistics"] == [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    report("--journal", "j", "--no-charts", "a", "-o", "a.html", "--title", "ours")
    assert [run["name"] for run in data_of(Path("a.html"))["runs"]] == ["a", "b"]
    assert data_of(Path("a.html"))["title"] == "ours"
    report("--journal", "j", "--no-charts", "--where", "params.lr > 0", "-o", "w.html")
    assert [run["name"] for run in data_of(Path("w.html"))["runs"]] == ["a"]


def test_a_param_of_a_file_has_the_file_and_the_key(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[model]\nunits = 64\n")
    with drawn_runs.start(tmp_path / "j", "a", params={"lr": 0.1}) as run:
        run.log_params(tmp_path / "base.toml")
    report("--journal", "j", "--no-charts")
    (found,) = data_of(Path("report.html"))["runs"]
    assert found["sources"] == {"lr": "code", "model/units": f"{tmp_path / 'base.toml'}:model.units"}


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    drawn_runs.start(tmp_path / "j", "a").end()
    assert report("--journal", "nowhere").exit_code == 1
    done = report("--journal", "j", "--no-charts", "-o", "nowhere/x.html")
    assert (done.exit_code, done.output) == (2, f"multitrack: {Path('nowhere/x.html')}: No such file or directory\n")
    with PageServer(Watched(list, Options(charts=False)), 0) as server:
        port = str(urlsplit(server.url).port)
        done = report("--journal", "j", "--no-charts", "--watch", "--port", port)
    assert (done.exit_code, done.output) == (2, f"multitrack: port {port}: Address already in use\n")
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "sys.argv = ['multitrack', 'report', '--journal', 'j']\n"
        "from multitrack.cli import main; main()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "pip install 'multitrack[report]'" in found.stderr
    assert "--no-charts" in found.stderr
    assert not Path("report.html").exists()


def test_nothing_recorded_leaves_the_block_of_data(tmp_path: Path) -> None:
    drawn_runs.evil(tmp_path / "j")
    report("--journal", "j", "--no-charts")
    text = Path("report.html").read_text()
    assert len(re.findall(r"</script", text, re.IGNORECASE)) == 2
    block = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]  # type: ignore[index]
    assert not re.search("[<>&\u2028\u2029]", block)
    assert [run["name"] for run in json.loads(block)["runs"]] == list(drawn_runs.EVIL)
    assert json.loads(block)["runs"][0]["params"]["x"] == {"number": "NaN"}
    assert json.loads(block)["runs"][0]["metrics"] == {"big": str(2**70), "odd": "Infinity"}


def test_lines_are_as_a_terminal_leaves_them(tmp_path: Path) -> None:
    bar = "".join(f"\r{percent}% {'=' * percent}" for percent in range(101)) + "\r"
    link = "\x1b]8;;https://example.org\x07a link\x1b]8;;\x1b\\"
    with drawn_runs.start(tmp_path / "j", "a") as run:
        for line in ("\x1b[1;31merror:\x1b[0m no\x1b[K", bar, link, "\x1b alone", "plain"):
            run.log_lines(line)
    report("--journal", "j", "--no-charts")
    (found,) = data_of(Path("report.html"))["runs"]
    lines = [text for _, _, text in found["lines"]["kept"]]
    assert lines == ["error: no", f"100% {'=' * 100}", "a link", "\x1b alone", "plain"]


def test_long_logs_keep_their_first_and_last_lines(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "j", "a") as run:
        run.log_lines([f"line {i}" for i in range(1000)])
        run.log_lines("x" * 5000)
    report("--journal", "j", "--no-charts", "--lines", "20")
    lines = data_of(Path("report.html"))["runs"][0]["lines"]
    assert (lines["count"], lines["head"]) == (1001, 10)
    texts = [text for _, _, text in lines["kept"]]
    assert texts[:10] == [f"line {i}" for i in range(10)]
    assert texts[10:19] == [f"line {i}" for i in range(991, 1000)]
    assert texts[19] == f"{'x' * 2000}… (5000 characters)"


@pytest.fixture
def served(tmp_path: Path) -> Any:
    journal = tmp_path / "j"
    drawn_runs.start(journal, "first").end()
    watched = Watched(lambda: multitrack.open_journal(journal).runs(), Options(charts=False), every=0)
    with PageServer(watched) as server:
        yield server


def get(url: str, path: str = "", host: str | None = None, method: str = "GET") -> tuple[int, str, dict[str, str]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request(method, parts.path + path, headers={"Host": host or parts.netloc})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


def test_only_news_is_sent(served: PageServer, tmp_path: Path) -> None:
    status, page, headers = get(served.url)
    assert status == 200
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert (data["version"], data["watch"]) == (1, 0)
    assert json.loads(get(served.url, "changes?since=1")[1]) == {"version": 1, "runs": []}
    with drawn_runs.start(tmp_path / "j", "second") as run:
        run.log_metric("loss", 0.5, step=0)
        news = json.loads(get(served.url, "changes?since=1")[1])
        assert [(found["name"], found["status"]) for found in news["runs"]] == [("second", "running")]
        run.log_metric("loss", 0.25, step=1)
        news = json.loads(get(served.url, f"changes?since={news['version']}")[1])
        assert news["runs"][0]["series"]["loss"]["values"] == [0.5, 0.25]
    news = json.loads(get(served.url, f"changes?since={news['version']}")[1])
    assert [found["status"] for found in news["runs"]] == ["finished"]
    assert len(json.loads(get(served.url, "changes?since=0")[1])["runs"]) == 2


def test_others_are_turned_away(served: PageServer) -> None:
    port = urlsplit(served.url).port
    assert get(served.url, host="evil.example")[0] == 403  # a name that resolves to 127.0.0.1
    assert get(served.url, host=f"evil.example:{port}")[0] == 403
    assert get(served.url, host=f"localhost:{port}")[0] == 200
    for guess in ("", "changes?since=0", "report.html", "../../etc/passwd"):
        status, body, _ = get(f"http://127.0.0.1:{port}/", guess)  # another user's, without the secret
        assert (status, "first" in body) == (404, False)
    assert get(served.url, method="POST")[0] == 501


def test_watch_prints_its_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    drawn_runs.start(tmp_path / "j", "a").end()
    command = [sys.executable, "-m", "multitrack", "report", "--journal", "j", "--watch", "--no-charts"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", url)
    assert get(url)[0] == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
