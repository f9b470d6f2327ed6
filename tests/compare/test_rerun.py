"""Running a run again: what is printed for a shell, for ``log_params`` and for pip does that."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from multitrack.compare.rerun import Rerun
from multitrack.journal.manifest import Context, read_manifest, write_manifest
from multitrack.plugins import distributions

(DOCUMENTED,) = re.findall(
    r"^```bash\n(.*?)^```$", (Path(__file__).parents[2] / "docs" / "reading.md").read_text(), re.MULTILINE | re.DOTALL
)
SCRIPT = """
import argparse, math, sys, multitrack
parser = argparse.ArgumentParser()
parser.add_argument("--recorded", default="whole")
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--opt", default="adam")
parser.add_argument("--layers", nargs="+", type=int, default=[8])
parser.add_argument("--flag", action="store_true")
parser.add_argument("--other", action="store_true")
parser.add_argument("--model/units", dest="model_units", type=int, default=3)
parser.add_argument("--epochs", "-e", type=int)
parser.add_argument("--password")
args = parser.parse_args()
config = {"delivery": "off"}
if args.recorded == "whole":
    with multitrack.start_run("p", params=args, config=config) as run:
        run.log_params({"extra": {"x": 1}})
else:
    given = {name: getattr(args, name) for name in ("recorded", "lr", "opt", "layers", "flag", "other")}
    multitrack.start_run("p", params=given, config=config).end()
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], prog_name="multitrack")


def context(*command: str, program: str | None = "/w/train.py", **more: Any) -> Context:
    return Context(
        user="u", host="h", pid=1, cwd="/w", program=program, command=list(command), executable="/bin/python",
        python="3.11.0", platform="linux", **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (
            ["--lr", "nan", "--opt=it's a $HOME", "--layers", "1", "2", "3", "--flag", "--model/units", "5", "-e", "2"],
            "--lr nan '--opt=it'\"'\"'s a $HOME' --layers 1 2 3 --flag --model/units 5 -e 2",
        ),
        ([], ""),
        (
            ["--recorded", "code", "--lr=1e-7", "--opt=", "--layers", "4", "5", "--flag"],
            "--recorded code --lr=1e-7 --opt= --layers 4 5 --flag",
        ),
    ],
)
def test_a_shell_runs_it_again(given: list[str], printed: str) -> None:
    Path("train.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "./train.py", *given], check=True, capture_output=True)
    (first,) = multitrack.open_journal().runs()
    (line,) = DOCUMENTED.splitlines()
    line = line.replace("multitrack", f"{sys.executable} -m multitrack")
    line = line.replace('"python', f'"{sys.executable}').replace(" --best metrics.val_loss:min", "")
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    (_, again) = multitrack.open_journal().runs()
    assert repr(again.get_params()) == repr(first.get_params())
    result = invoke(first.id, "--rerun", "args")
    assert result.stdout == f"{printed}\n"
    assert result.stderr.startswith(f"# run: {first.id}\n# command: {sys.executable} ./train.py")
    assert ("extra/x=1 (defaults, short options, positions, or set by the script)" in result.stderr) == (
        "code" not in given
    )


def test_the_command_s_arguments_are_given_where_they_are_those_of_the_params() -> None:
    parsed = {"lr": 0.3, "model_units": 3, "data": "a.csv", "cache": False, "n": 2}
    sources = dict.fromkeys(parsed, "command line")
    pairs = ["--lr=0.3", "--model_units=3", "--data=a.csv", "--n=2"]
    for command, program, expected in (
        (["python", "train.py", "--lr", "0.3"], "/w/train.py", ["--lr", "0.3"]),
        (["python", "-W", "error", "../w/train.py", "--model-un=3"], "/w/train.py", ["--model-un=3"]),
        (["python", "-m", "package.train", "--lr=0.3"], "/w/package/train.py", ["--lr=0.3"]),
        (["python", "/bin/train", "fit", "a.csv"], "/bin/train", ["fit", "a.csv"]),
        (["python", "train.py", "-l", "3e-1"], "/w/train.py", ["-l", "3e-1"]),
        (["python", "train.py", "--no-cache"], "/w/train.py", ["--no-cache"]),
        (["python", "train.py"], "/w/train.py", []),
        (["python", "pytest", "-n", "2", "tests"], "/bin/pytest", pairs),  # a Namespace made by hand
        (["python", "train.py", "--", "x"], "/w/train.py", pairs),
        (["python", "-c", "import train", "--lr", "0.3"], None, pairs),
    ):
        rerun = Rerun("r", parsed, context(*command, program=program), sources)
        assert rerun.arguments() == expected, command
    mixed = Rerun("r", parsed | {"code": 1}, context("python", "train.py", "--n"), sources | {"code": "code"})
    assert (mixed.arguments(), mixed.omitted("args")) == (
        ["--n"],
        {
            "not named here": "lr=0.3, model_units=3, data=a.csv, cache=False, code=1 "
            "(defaults, short options, positions, or set by the script)"
        },
    )
    assert Rerun("r", parsed, None, sources).arguments() == pairs


def test_params_from_code_are_arguments_as_python_reads_them() -> None:
    params = {
        "nan": math.nan, "inf": -math.inf, "none": None, "yes": True, "no": False, "list": [1, "a b", [2.5, None]],
        "empty": [], "dict": {}, "tiny": 1e-05, "big": 2**80,
    }  # fmt: skip
    rerun = Rerun("r", params, None)
    assert rerun.shell() == (
        f"--nan=nan --inf=-inf --yes --list 1 'a b' '[2.5, null]' --empty '--dict={{}}' --tiny=1e-05 --big={2**80}"
    )
    assert rerun.omitted("args") == {"false, so not given": "no", "none, so not given": "none"}
    assert rerun.omitted("yaml") == {}


@pytest.mark.parametrize(
    ("given", "value", "says"),
    [
        ("--lr 9", 0.05, False),
        ("--lr=0.1 --lr 5e-2", 0.05, True),
        ("--l nan", math.nan, True),
        ("--lr 1e3", 1000, True),
        ("--lr", 3, True),  # a counter, or a constant
        ("--lr 10k", 10_000, False),
        (f"--lr {2**80}", 2**80, True),
        ("--lr -0.5", -0.5, True),
        ("--lr 1 2 3", [1, 2, 3], True),
        ("--lr 1 2 3", [1, 2], False),
        ("--lr 1 --lr 2", [1, 2], True),
        ("--lr 1 2 --lr 3 4", [3, 4], True),
        ("--lr=1,2", [1, 2], True),
        ("--lr", [], True),
        ("--lr ./data/", "data", True),
        ("--lr=adam", "sgd", False),
        ("--lr", True, True),
        ("--lr", False, False),
        ("--no-lr", False, True),
        ("--no-lr", True, False),
        ("--lr false", False, True),
        ("--lr x", None, False),
    ],
)
def test_the_command_s_arguments_are_given_where_they_read_as_what_was_recorded(
    given: str, value: Any, says: bool
) -> None:
    for source in ("command line", "code"):
        rerun = Rerun("r", {"lr": value, "other": 1}, context("python", "train.py", *given.split()), {"lr": source})
        assert rerun.own == says
        if says:
            assert rerun.arguments() == given.split()
        else:
            assert rerun.arguments()[-1] == "--other=1"
            assert rerun.omitted("args")["changed by the script"].startswith(f"lr was {value}, the command says ")


def test_params_that_the_script_changed_are_told(tmp_path: Path) -> None:
    Path("sweep.py").write_text(
        "import argparse, multitrack\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--lr', type=float, default=0.1)\n"
        "parser.add_argument('--batch-size', type=int, default=3)\n"
        "parser.add_argument('--ckpt')\n"
        "args = parser.parse_args()\n"
        "for lr in (args.lr, 0.05):\n"
        "    args.lr = lr\n"
        "    for source, params in (('args', args), ('vars', vars(args))):\n"
        "        name = f'{lr} {source}'\n"
        "        with multitrack.start_run('p', name, params=params, config={'delivery': 'off'}) as run:\n"
        "            run.log_metric('loss', lr)\n"
    )
    subprocess.run([sys.executable, "sweep.py", "--lr", "9", "--batch-size=5"], check=True, capture_output=True)
    for source in ("args", "vars"):
        result = invoke(f"9.0 {source}", "--rerun", "args")
        assert result.stdout == "--lr 9 --batch-size=5\n"
        assert "# not named here: ckpt=None (defaults, short" in result.stderr
        result = invoke(f"0.05 {source}", "--rerun", "args")
        assert result.stdout == "--lr=0.05 --batch_size=5\n"
        assert result.stderr.endswith(
            "# none, so not given: ckpt\n# params as arguments: the command itself took others\n"
            "# changed by the script: lr was 0.05, the command says 9\n"
        )
    subprocess.run([sys.executable, "sweep.py"], check=True, capture_output=True)
    told = invoke("--where", "params.batch_size = 3", "--best", "metrics.loss").stdout
    assert "\nnot named here  lr=0.05, batch_size=3, ckpt=None (defaults, short " in re.sub(r"  +", "  ", told)
    told = invoke("--where", "params.batch_size = 5 and name = '0.05 vars'", "--best", "metrics.loss").stdout
    assert "\nparams as arguments  --lr=0.05 --batch_size=5\n" in re.sub(r"  +", "  ", told)


def test_what_a_tuner_chose_no_command_says() -> None:
    told = context("python", "train.py", "--lr", "0.1")
    rerun = Rerun("r", {"lr": 0.1, "units": 3}, told, {"lr": "code", "units": "keras tuner"})
    assert rerun.arguments() == ["--lr=0.1", "--units=3"]
    assert rerun.omitted("args") == {"params as arguments": "the command itself took others"}
    grid = Rerun("r", {"rate": 0.1}, context("python", "train.py", "--fraction", "0.1"), {"rate": "code"})
    assert (grid.own, grid.arguments()) == (False, ["--rate=0.1"])  # the number may be any other


def test_what_keras_said_is_left_out_and_counted_and_a_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import train"])  # not the tests' own
    with multitrack.start_run("p", "a", params={"units": 64}, config={"delivery": "off"}) as run:
        run.log_params({"model": {"params": 2410}, "fit": {"epochs": 3}}, source="keras")
        run.log_params({"rate": 0.1}, source="keras tuner")
        run.log_params({"db": {"password": "hunter2!"}})
    result = invoke("a", "--rerun", "args")
    assert result.stdout == "--units=64 --rate=0.1 '--db/password=[redacted]'\n"
    left_out = "# left out: 2 params that follow from the rest: what Keras said of the fit or search\n"
    redacted = "# redacted: a secret was not recorded: put it in for [redacted]\n"
    assert result.stderr.endswith(left_out + redacted)
    text = invoke("a", "--rerun", "yaml").stdout
    assert left_out + redacted in text
    assert yaml.safe_load(text) == {"units": 64, "rate": 0.1, "db": {"password": "[redacted]"}}


def test_requirements_are_what_an_index_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    for name, installer, direct in (
        ("plain", "pip", None),
        ("checkout", "pip", {"url": "file:///w/checkout", "dir_info": {"editable": True}}),
        ("forked", "uv", {"url": "https://me:secret123@git.org/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}),
        ("wheel", "pip", {"url": "file:///w/wheel-1.0.whl", "archive_info": {}}),
        ("numpy", "conda", {"url": "file:///croot/numpy", "dir_info": {}}),
        ("odd", "pip", ["no mapping"]),
    ):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "INSTALLER").write_text(f"{installer}\n")
        if direct is not None:
            (info / "direct_url.json").write_text(json.dumps(direct))
    monkeypatch.syspath_prepend(site)
    assert "multitrack" in distributions.packages()
    monkeypatch.setattr(sys, "path", [str(site)])
    told = distributions.urls_of_packages()
    assert told == {
        "checkout": "file:///w/checkout", "wheel": "file:///w/wheel-1.0.whl",
        "forked": "git+https://me:secret123@git.org/x@abc",
    }  # fmt: skip
    rerun = Rerun("r", {}, context(packages=distributions.packages(), urls=told))
    assert rerun.requirements() == (
        "# checkout 1.0: from file:///w/checkout, not from an index\n"
        "# forked 1.0: from git+https://me:secret123@git.org/x@abc, not from an index\n"
        "numpy==1.0\nodd==1.0\nplain==1.0\n"
        "# wheel 1.0: from file:///w/wheel-1.0.whl, not from an index\n"
    )


def test_the_packages_of_a_run_are_recorded_with_where_they_are_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "forked-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "INSTALLER").write_text("pip")
    direct = {"url": "https://me:secret123@git.org/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    (info / "direct_url.json").write_text(json.dumps(direct))
    monkeypatch.syspath_prepend(info.parent)
    run = multitrack.start_run("p", "a", config={"delivery": "off"})
    run.end()
    text = invoke("a", "--rerun", "requirements").stdout
    assert "\n# forked 1.0: from git+https://git.org/x@abc, not from an index\n" in text
    assert "\nmsgspec==" in text
    assert "secret123" not in text

    assert run.directory is not None
    manifest = read_manifest(run.directory)
    assert manifest.context is not None
    early = msgspec.structs.replace(manifest.context, packages={}, urls={}, complete=False)
    write_manifest(run.directory, msgspec.structs.replace(manifest, context=early))
    result = invoke("a", "--rerun", "requirements")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"multitrack: the packages of run {run.id} were not recorded: it ended too soon\n"
