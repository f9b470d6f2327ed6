"""Running a run again: the printed command runs it, and the printed params and packages are those recorded."""

import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import multitrack
from multitrack.cli import main
from multitrack.compare.rerun import Rerun
from multitrack.journal.manifest import Context, read_manifest, write_manifest
from multitrack.plugins import distributions

(DOCUMENTED,) = re.findall(
    r"^```bash\n(.*?)^```$", (Path(__file__).parents[2] / "docs" / "reading.md").read_text(), re.MULTILINE | re.DOTALL
)
SCRIPT = """
import argparse, multitrack
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--opt", default="adam")
parser.add_argument("--layers", nargs="+", type=int, default=[8])
parser.add_argument("--flag", action="store_true")
parser.add_argument("--epochs", "-e", type=int)
args = parser.parse_args()
with multitrack.start_run("p", params=args, config={"delivery": "off"}) as run:
    run.log_params({"extra": {"x": 1}})
    run.log_metric("val_loss", 0.5)
"""
#: Params of every type, and what JSON and YAML readers are known to alter.
PARAMS = {
    "a/b": 1, "a/c/d": 1e-05, "a/c/e": 1.5e300, "yes": True, "no": None, "nan": math.nan, "inf": -math.inf, "1": "1e5",
    "text": "a: b # 'c'\n\t\x7f\x85\u2028é😀", "list": [1, "x", [2.5, 1e22, None]], "empty": "", "true": "false",
    "big": 2**80, "beyond": 2**53 + 1, "whole": 1.0, "zero": -0.0, "none": [], "nothing": {}, "evil": "\x1b]0;x\x07\u202e",
    "<<": "<<", "=": "=", "infinity": "Infinity", "number": "NaN", "nans": [math.nan, math.inf],
}  # fmt: skip


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], prog_name="multitrack")


def context(*command: str, program: str | None = "/w/train.py", **more: Any) -> Context:
    return Context(
        user="u", host="h", pid=1, cwd="/w", program=program, command=list(command), executable="/bin/python",
        python="3.11.0", platform="linux", **more,
    )  # fmt: skip


def recorded_params(params: Any) -> dict[str, Any]:
    """The params that a run is given, as they are read back."""
    with multitrack.start_run("p", params=params, config={"delivery": "off"}) as run:
        pass
    return multitrack.open_journal().run(run.id).get_params()


def test_a_shell_runs_it_again() -> None:
    given = ["--lr", "nan", "--opt=it's a $HOME", "--layers", "1", "2", "3", "--flag", "-e", "2"]
    Path("train.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "./train.py", *given], check=True, capture_output=True)
    (first,) = multitrack.open_journal().runs()
    result = invoke("--rerun", "command")
    assert result.stdout == f"{sys.executable} ./train.py {shlex.join(given)}\n"
    assert result.stderr.startswith(f"# run: {first.id}\n# directory: {Path.cwd()}\n# Python: ")
    again, params = DOCUMENTED.splitlines()
    shell = f'multitrack() {{ {sys.executable} -m multitrack "$@"; }}; '
    subprocess.run(["bash", "-ec", shell + again], check=True, capture_output=True)
    (_, second) = multitrack.open_journal().runs()
    assert repr(second.get_params()) == repr(first.get_params())
    subprocess.run(["bash", "-ec", shell + params], check=True, capture_output=True)
    assert repr(recorded_params("best.json")) == repr(first.get_params())


def test_the_command_is_quoted_for_a_shell_and_its_terminal() -> None:
    words = ["python", "train.py", "it's\n\\n\ta $HOME `x`\x07é", "*", "", "\u202e\x9b1", "--x=[redacted]"]
    rerun = Rerun("r", {}, context(*words))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", rerun.command())
    script = f"printf '%s\\0' {rerun.command()}"
    shell = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert shell.stdout.decode().split("\0")[:-1] == words
    assert list(rerun.notes()) == ["redacted"]
    assert Rerun("r", {}, None).command() == ""


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_params_are_read_back_from_the_printed_file_with_their_types(form: str) -> None:
    odd = [
        PARAMS,
        {"a": 1, "a/b": 2},
        {"a/b": 2, "a": 1},
        {"a": {}, "a/b": {"c": []}},
        {"a/": 1, "/b": 2, "c//d": 3},
        {},
    ]
    for params in odd:
        with multitrack.start_run("p", params=params, config={"delivery": "off"}) as run:
            pass
        before = multitrack.open_journal().run(run.id).get_params()
        result = invoke(run.id, "--rerun", form)
        Path(f"again.{form}").write_bytes(result.stdout_bytes)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", result.stdout)
        assert repr(recorded_params(f"again.{form}")) == repr(before)
        rerun = Rerun.of(multitrack.open_journal().run(run.id))
        assert result.stdout.endswith({"json": rerun.to_json, "yaml": rerun.to_yaml}[form]())
        assert repr(rerun.params) == repr(before)
    assert "# command: " in (result.stdout if form == "yaml" else result.stderr)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(), st.lists, max_leaves=4
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), json_values, max_size=5)
)
def test_any_params_are_the_same_as_json_and_as_yaml(params: dict[str, Any]) -> None:
    rerun = Rerun("r", params, None)
    assert repr(flat(json.loads(rerun.to_json()))) == repr(flat(yaml.safe_load(rerun.to_yaml())))
    assert {name: repr(value) for name, value in flat(json.loads(rerun.to_json())).items()} == {
        name: repr(value) for name, value in params.items()
    }


def flat(nested: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in nested.items():
        inner = {f"{name}/{key}": item for key, item in flat(value).items()} if isinstance(value, dict) else {}
        found.update(inner or {name: value})
    return found


def test_yaml_without_pyyaml_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    multitrack.start_run("p", "a", params={"x": 1}, config={"delivery": "off"}).end()
    monkeypatch.setitem(sys.modules, "yaml", None)
    result = invoke("a", "--rerun", "yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'multitrack[yaml]'" in result.stderr
    assert "--rerun json" in result.stderr
    assert json.loads(invoke("a", "--rerun", "json").stdout) == {"x": 1}


def test_params_of_keras_are_left_out_and_a_secret_and_a_trial_are_noted() -> None:
    with multitrack.start_run("p", "a", params={"units": 64}, config={"delivery": "off"}) as run:
        run.log_params({"model": {"params": 2410}, "fit": {"epochs": 3}}, source="keras")
        run.log_params({"rate": 0.1}, source="keras tuner")
        run.log_params({"db": {"password": "hunter2!"}})
    trial = "# trial: the command is that of its search; its hyperparameters are the params (--rerun json)\n"
    left_out = "# left out: 2 params that Keras derived from the others\n"
    redacted = "# redacted: a secret was not recorded: put it in for [redacted]\n"
    assert invoke("a", "--rerun", "command").stderr.endswith(trial + redacted)
    result = invoke("a", "--rerun", "json")
    assert result.stderr.endswith(trial + left_out + redacted)
    text = invoke("a", "--rerun", "yaml").stdout
    assert trial + left_out + redacted in text
    assert yaml.safe_load(text) == json.loads(result.stdout)
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
