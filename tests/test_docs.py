"""README and docs are true: their code runs, their tables are complete, their links lead somewhere."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

import multitrack
from hooks_page import page
from multitrack import errors
from multitrack.cli import main
from multitrack.config import Settings
from multitrack.environment.ranks import LAUNCHERS
from multitrack.hookspecs import Hooks
from multitrack.plugins import NOTIFIERS, load_notifier
from multitrack.query import columns
from multitrack.summaries import statistics
from processes import free_ports
from repositories import repository

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "plugins").glob("*/README.md"),
                *(ROOT / "examples" / "plugins").glob("*/README.md")])  # fmt: skip
#: The page on plugins names files of a new one.
TEMPLATE = ROOT / "src" / "multitrack" / "template" / "plugin"


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def execute(code: str, tmp_path: Path, **variables: str) -> str:
    (tmp_path / "example.py").write_text(code)
    environment = {**os.environ, **variables, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
                   "WANDB_ERROR_REPORTING": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "HOME": str(tmp_path)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_readme_loop_with_the_readme_config_reaches_three_trackers(tmp_path: Path) -> None:
    loop = blocks(ROOT / "README.md", "python")[0]
    (tmp_path / "multitrack.toml").write_text(blocks(ROOT / "README.md", "toml")[0])
    execute(loop, tmp_path)
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    assert run.get_params() == {"lr": 0.001, "model/units": 64}
    assert [point.value for point in run.get_metrics()["loss"]] == [1 / (epoch + 1) for epoch in range(5)]
    lanes = run.lanes()
    assert set(lanes) == {"mlflow", "wandb", "neptune"}
    assert all(lane.settled and not lane.set_aside for lane in lanes.values())
    assert (tmp_path / "mlflow.db").exists()
    assert list((tmp_path / "wandb").glob("offline-run-*"))
    assert list((tmp_path / ".neptune" / "offline").iterdir())


@pytest.mark.slow
def test_the_readme_keras_example(tmp_path: Path) -> None:
    execute(blocks(ROOT / "README.md", "python")[1], tmp_path)
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    assert [point.step for point in run.get_metrics()["loss"]] == [0, 1, 2]


@pytest.mark.slow
def test_the_keras_example_with_checkpoints_and_a_figure(tmp_path: Path) -> None:
    execute(blocks(ROOT / "docs" / "keras.md", "python")[0], tmp_path)
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    told = {ref.name: ref for ref in run.summary().artifacts}
    assert {name: ref.kind for name, ref in told.items()} == {
        "checkpoint-best": "model", "checkpoint-last": "model", "confusion": "figure",
    }  # fmt: skip
    assert all(ref.digest is not None for ref in told.values())
    assert len(run.get_metrics()["samples_per_second"]) == 3


def test_the_readme_begins_as_it_should() -> None:
    text = (ROOT / "README.md").read_text()
    order = [
        "**Record an experiment once",
        "```python",
        "```diff",
        "```toml",
        "```text",
        "make demo",
        "make test",
        "**What it is not.**",
        "## Backends",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    first = blocks(ROOT / "README.md", "python")[0].strip().splitlines()
    assert len([line for line in first if line.strip()]) <= 10


def test_the_readme_tables_are_complete() -> None:
    text = (ROOT / "README.md").read_text()
    listed = re.findall(r"^multitrack ([\w-]+)", text, re.MULTILINE)
    assert sorted(listed) == main.list_commands(click.Context(main))
    documented = set(re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE))
    assert {field.name for field in msgspec.structs.fields(Settings)} - documented == {"detach_limit"}
    assert "`detach_limit` = 600" in text
    for call in (
        "log_params",
        "log_metric",
        "log_metrics",
        "log_list_metric",
        "log_artifact_ref",
        "log_lines",
        "set_tags",
    ):
        assert f"`run.{call}(" in text


@pytest.mark.slow
def test_the_trainings_in_several_processes_that_the_docs_show(tmp_path: Path) -> None:
    training, joined = [code for code in blocks(ROOT / "docs" / "distributed.md", "python") if "start_run" in code]
    for rank in ("0", "1"):
        execute(training, tmp_path, RANK=rank, WORLD_SIZE="2")
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    assert [point.value for point in run.get_metrics()["loss"]] == [1, 1 / 2, 1 / 3]
    address = f"127.0.0.1:{free_ports(1)[0]}"
    execute(joined, tmp_path, JAX_COORDINATOR_ADDRESS=address, PROCESSES="1", PROCESS="0", JAX_PLATFORMS="cpu")
    assert len(list(multitrack.open_journal(tmp_path / ".multitrack").runs())) == 2


def test_the_page_of_launchers_is_complete() -> None:
    text = (ROOT / "docs" / "distributed.md").read_text()
    for launcher in LAUNCHERS:
        assert launcher.name in text
        assert all(f"`{variable}`" in text for variable in (launcher.rank, *launcher.needs))


def test_the_plugin_that_the_docs_write(tmp_path: Path) -> None:
    """Its backend in one file; tests/template has the plugin that it begins with."""
    _train, _store, plugin, use, _contract = blocks(ROOT / "docs" / "writing-a-plugin.md", "python")
    (tmp_path / "tsv_tracker.py").write_text(plugin)
    url = execute(use, tmp_path).strip()
    (written,) = (tmp_path / "tsv").glob("*.tsv")
    assert written.as_uri() in url
    rows = [line.split("\t")[1:] for line in written.read_text().splitlines()]
    assert rows == [["loss", "0", "0.5"], ["accuracy", "", "0.9"]]


def test_the_contract_that_the_docs_write(tmp_path: Path) -> None:
    (tmp_path / "test_memory.py").write_text(blocks(ROOT / "docs" / "writing-a-plugin.md", "python")[-1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_memory.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "39 passed, 1 skipped" in done.stdout


def test_the_page_on_recording(tmp_path: Path) -> None:
    """Its program: a pool whose workers record children of the run."""
    (code,) = blocks(ROOT / "docs" / "recording.md", "python")
    execute(code, tmp_path)
    runs = list(multitrack.open_journal(tmp_path / ".multitrack").runs())
    (parent,) = (run for run in runs if run.manifest.parent is None)
    children = [run for run in runs if run is not parent]
    assert [run.manifest.parent for run in children] == [parent.id] * 2
    assert {run.summary().status for run in runs} == {"finished"}


def test_the_page_on_reading(tmp_path: Path) -> None:
    """Its Python one after the other, then its commands, on what that recorded."""
    page = ROOT / "docs" / "reading.md"
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    printed = execute("\n".join(blocks(page, "python")), tmp_path)
    assert "| **try 2** | " in printed
    assert '"model": {\n    "units": 64\n  }' in printed
    compared, reported, plotted = (commands.strip().splitlines() for commands in blocks(page, "sh"))
    assert reported.pop().startswith("multitrack report --watch")  # which would not end; tests/pages has it
    (refused,) = re.findall(r"^\$ multitrack (.*)\n((?:.*\n)+)", blocks(page, "text")[1], re.MULTILINE)
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        for line in (*compared, *reported, *plotted):
            program, *arguments = shlex.split(line, comments=True)
            done = runner.invoke(main, arguments, prog_name=program)
            assert done.exit_code == 0, (line, done.output)
            assert re.search(r"0\.001|try 2|0\.92" if line in compared else r"^[\w.]+: ", done.output), line
        written = {path.name for path in tmp_path.iterdir() if path.suffix in (".html", ".svg", ".png")}
        assert written == {"report.html", "try.html", "loss.svg", "plot.png"}
        assert runner.invoke(main, shlex.split(refused[0]), prog_name="multitrack").output == refused[1]


def test_the_page_on_lineage(tmp_path: Path) -> None:
    """Its Python, then its commands, on what that recorded."""
    page = ROOT / "docs" / "lineage.md"
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    runs = re.compile(r"\d{8}-\d{6}-\d{3}-\w{6}")
    (tree,) = re.findall(r"^\$ multitrack lineage classifier\n((?:.*\n)+)", blocks(page, "text")[0], re.MULTILINE)
    printed = execute("\n".join(blocks(page, "python")), tmp_path)
    assert runs.sub("ID", printed) == runs.sub("ID", tree[: tree.index("└")])
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        assert runs.sub("ID", runner.invoke(main, ["lineage", "classifier"]).output) == runs.sub("ID", tree)
        for line in blocks(page, "sh")[0].strip().splitlines():
            done = runner.invoke(main, shlex.split(line, comments=True)[1:])
            assert done.exit_code == 0, (line, done.output)


def test_the_page_on_models(tmp_path: Path) -> None:
    """Its first block, its commands on what that recorded, their output, and the rest of its Python."""
    page = ROOT / "docs" / "models.md"
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    first, *rest = blocks(page, "python")
    execute(first, tmp_path)
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        outputs = []
        for line in blocks(page, "sh")[0].strip().splitlines():
            outputs.append(runner.invoke(main, shlex.split(line, comments=True)[1:]))
            assert outputs[-1].exit_code == 0, (line, outputs[-1].output)
        shown = runner.invoke(main, ["models", "show", "classifier"]).output.splitlines()
        rows = blocks(page, "text")[0].splitlines()[2:]
        assert len(rows) == 4
        for row, found in zip(rows, shown[1:], strict=True):
            assert row.split()[0] == found.split()[0]
            assert row[-60:].split("  ")[-1].strip(" …") in found
        execute("import multitrack\nfrom pathlib import Path\n" + "\n".join(rest), tmp_path)
        (used,) = multitrack.open_journal().runs(where="name = serve")
        tree = runner.invoke(main, ["lineage", used.id]).output
        assert "classifier 1.1.0" in tree
        assert "train  dataset  sha256:" in tree


def test_the_page_on_alerts(tmp_path: Path) -> None:
    """Its config and its Python, what a test of the rules prints then, and its commands; and its notifier."""
    page = ROOT / "docs" / "alerts.md"
    training, notifier = blocks(page, "python")
    config, other = blocks(page, "toml")
    (tmp_path / "multitrack.toml").write_text(f'delivery = "off"\n{config}')
    execute(training, tmp_path)
    told = re.compile(r"\d{8}-\d{6}-\d{3}-\w{6}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        (table,) = re.findall(r"^\$ multitrack alerts test\n((?:.*\n)+)", blocks(page, "text")[0], re.MULTILINE)
        shown = runner.invoke(main, ["alerts", "test"]).output
        assert [told.sub("", line).split() for line in shown.splitlines()] == [
            told.sub("", line).split() for line in table.splitlines()
        ]
        statuses = [
            runner.invoke(main, shlex.split(line, comments=True)[1:]).exit_code
            for line in blocks(page, "sh")[0].strip().splitlines()
        ]
        assert statuses == [0, 1, 0, 0]
        assert "FIRING: score too low (score:mean over 1h < 0.9" in (tmp_path / "alerts.log").read_text()
        (tmp_path / "my_notifier.py").write_text(notifier)
        (tmp_path / "multitrack.toml").write_text(f'delivery = "off"\n{other}')
        done = subprocess.run(
            [sys.executable, "-m", "multitrack", "alerts", "check"], env={**os.environ, "PYTHONPATH": str(tmp_path)}
        )
        assert done.returncode == 0


def test_the_page_on_alerts_names_every_option() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    for name in NOTIFIERS:
        (row,) = re.findall(rf"^\| `\[notify\.{name}\]` .*", text, re.MULTILINE)
        options = [field.encode_name for field in msgspec.structs.fields(load_notifier(name).options_type())]
        assert [option for option in options if f"`{option}`" not in row] == []


def test_the_page_on_monitoring(tmp_path: Path) -> None:
    """Its Python, then its commands, on what that recorded; the story before them has a test of its own."""
    page = ROOT / "docs" / "monitoring.md"
    followed = next(block for block in blocks(page, "sh") if block.startswith("multitrack monitor score   "))
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    execute("\n".join(blocks(page, "python")), tmp_path)
    (shown,) = re.findall(r"^\$ multitrack (.*)\n((?:.*\n)+)", blocks(page, "text")[0], re.MULTILINE)
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        for line in followed.strip().splitlines():
            done = runner.invoke(main, shlex.split(line, comments=True)[1:])
            assert (done.exit_code, done.stderr) == (0, ""), (line, done.output)
            assert "score.png" in done.output or "us" in done.output or "v2" in done.output, line
        # at other times; a run may cross the full hour
        printed = runner.invoke(main, shlex.split(shown[0])).output.splitlines()
        told = shown[1].splitlines()
        assert printed[0].split()[0] == told[0].split()[0]
        assert len(printed) > len(told) or [row.split()[3:] for row in printed[1:]] == [
            row.split()[3:] for row in told[1:]
        ]


@pytest.mark.slow
def test_the_page_on_serving(tmp_path: Path) -> None:
    """Its service on two machines, its commands for servers and loads, and those that read and deliver."""
    page = ROOT / "docs" / "serving.md"
    service, several = blocks(page, "python")
    served, delivered, copied = (commands.splitlines() for commands in blocks(page, "sh"))
    asked = (
        "\nfrom starlette.testclient import TestClient\nwith TestClient(app) as client:\n"
        "    for i in range(30):\n        assert client.post('/predict', json=[i, 1.0]).json() == (i + 1) % 10\n"
        "    app.state.run.log_metric('score', 1)\n"
    )
    for name in ("host-1", "host-2"):
        host = tmp_path / name
        host.mkdir()
        (host / "multitrack.toml").write_text(f'delivery = "off"\n{blocks(page, "toml")[0]}')
        execute(service + asked, host)
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path / "host-1")
        for line in (served[-1], *delivered):
            done = runner.invoke(main, shlex.split(line, comments=True)[1:])
            assert done.exit_code == 0, (line, done.output)
        patched.chdir(tmp_path)
        for line in copied[:-1]:
            program, _, source, target = line.split()
            assert program == "rsync"
            shutil.copytree(f"{source.partition(':')[0]}/.multitrack/runs", f"{target}runs", dirs_exist_ok=True)
        done = runner.invoke(main, [*shlex.split(copied[-1])[1:], "--json"])
        (group,) = json.loads(done.output)["groups"]
        assert (group["value"], sum(window["count"] for window in group["windows"])) == ("eu", 2)
    assert execute(several, tmp_path) == "{'eu': 60}\n"
    folder, *servers, sending, _ = served
    place = ROOT / folder.removeprefix("cd ")
    for line in (*servers, f"{sending} --seconds 0"):
        words = [word for word in line.removesuffix(" &").split() if not word.startswith("DEPLOYMENT=")]
        command = ["-m", *words, "--check-config"] if words[0] == "gunicorn" else words[1:]
        done = subprocess.run([sys.executable, *command], cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stderr)


def test_the_page_on_reproducing(tmp_path: Path) -> None:
    """Its program, recorded and reproduced by its commands; and what they print."""
    page = ROOT / "docs" / "reproducing.md"
    repository(tmp_path, {".gitignore": ".multitrack\n", "multitrack.toml": 'delivery = "off"\n'})
    (tmp_path / "train.py").write_text(blocks(page, "python")[0])
    (commands,) = blocks(page, "sh")
    names = {"python": "", "multitrack": "-m multitrack"}
    shell = "".join(f'{name}() {{ {sys.executable} {module} "$@"; }}\n' for name, module in names.items())
    identity = {f"GIT_{who}_{what}": "x@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["bash", "-ec", shell + commands], cwd=tmp_path, env={**os.environ, **identity}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (table,) = blocks(page, "text")
    assert table.splitlines() == [line.rstrip() for line in done.stdout.splitlines()[-3:-1]]
    for folder in ("look", "again"):
        made = {path.name for path in (tmp_path / folder).iterdir()}
        assert {"source", "requirements.txt", "params.json", "data.sh", "command.sh"} <= made


def test_the_page_on_reading_has_the_language_and_the_columns() -> None:
    text = (ROOT / "docs" / "reading.md").read_text()
    assert all(f"`{name}`" in text for name in (*columns.METADATA, *columns.GROUPS, *statistics.REDUCTIONS))


def test_the_page_of_hooks_is_the_specification() -> None:
    assert (ROOT / "docs" / "hooks.md").read_text() == page(), "run: python tests/hooks_page.py > docs/hooks.md"
    assert {name for name in vars(Hooks) if not name.startswith("_")} == {
        "backend_options", "open_run", "log_params", "log_metric", "log_list_metric", "log_artifact_ref", "log_lines",
        "environment_variables", "set_tags", "link_parent", "find_run", "flush", "close_run", "run_context", "redact",
        "find_data_version", "register_models", "set_model_alias", "notifier_options", "notify", "open_source", "read_run",
    }  # fmt: skip


def test_the_drawing_of_errors_is_complete() -> None:
    drawn = dict(re.findall(r"(\w+Error)(?: \((\w+)\))?", str(errors.__doc__)))
    classes = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type)}
    assert set(drawn) - {"TypeError", "ValueError"} == set(classes)
    for name, builtin in drawn.items():
        if builtin:
            assert builtin in {base.__name__ for base in classes[name].__mro__}


def test_links_lead_somewhere() -> None:
    links = [(path, target) for path in PAGES
             for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", path.read_text())]  # fmt: skip
    assert len(links) > 30
    assert [(path.name, target) for path, target in links if not (path.parent / target).exists()] == []


def test_files_that_are_named_exist() -> None:
    named = [(path, name) for path in PAGES
             for name in re.findall(r"`((?:tests|examples|plugins|docs|src)/[\w./-]+)`", path.read_text())]  # fmt: skip
    assert len(named) > 10
    assert [
        (path.name, name) for path, name in named if not (ROOT / name).exists() and not (TEMPLATE / name).exists()
    ] == []


def test_tests_that_the_page_on_keras_names_exist() -> None:
    """``test_name``, or ``test_name[row]`` where ``row`` is a function or a key of what it runs on."""
    tests = ROOT / "tests"
    sources = "\n".join(path.read_text() for path in [*tests.glob("*/test_*.py"), tests / "searches.py"])
    named = re.findall(r"`(test_\w+)(?:\[(\w+)\])?`", (ROOT / "docs" / "keras.md").read_text())
    assert len(named) > 60
    for test, row in named:
        assert f"def {test}(" in sources, test
        assert not row or f"def {row}(" in sources or f'"{row}": {{' in sources, row


def test_the_design_names_every_folder_and_top_module() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    layers = text[text.index("## Layers") : text.index("## Decisions")]
    package = ROOT / "src" / "multitrack"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    assert len(folders) > 15
    assert {name for name in folders | modules if f"`{name}`" not in layers} == set()
    (contract, *_) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = [set(re.findall(r"`(\w+)/?`", row)) for row in re.findall(r"^\| (`.*?) \| ", layers, re.MULTILINE)]
    assert rows == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_public_names_are_listed_once_and_sorted() -> None:
    assert multitrack.__all__ == sorted(multitrack.__all__)
    assert len(set(multitrack.__all__)) == len(multitrack.__all__)
    assert all(hasattr(multitrack, name) for name in multitrack.__all__)


def test_packages_that_the_docs_name_need_no_import_of_their_own(tmp_path: Path) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    written = {name for page in pages for name in re.findall(r"`multitrack\.(\w+\.\w+)\(", page.read_text())}
    names = sorted(name for name in written if (ROOT / "src" / "multitrack" / name.partition(".")[0]).is_dir())
    assert {"archive.push", "compare.compare", "export.export", "page.write_page", "plot.lineage"} <= set(names)
    program = "\n".join(["import multitrack", *(f"multitrack.{name}" for name in names)])
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_releases_that_were_run_are_those_of_the_environments() -> None:
    names = {"MLflow": "mlflow", "W&B": "wandb", "Neptune": "neptune", "TensorFlow": "tensorflow-cpu"}
    rows = re.findall(r"^\| ([\w&-]+) \| ([\d.]+) \| ([\w.]+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 12
    for file, column in ((".ci/oldest.txt", 1), (".ci/constraints.txt", 2)):
        lines = (ROOT / file).read_text().replace("_", "-").splitlines()
        pins = dict(line.partition(";")[0].split("==") for line in lines if "==" in line)
        for row in rows:
            assert pins[names.get(row[0], row[0].lower())] == row[column]
