"""The ways to observe a program: modules, subprocesses, code of the user's own, and where its runs are delivered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from multitrack.cli import main
from multitrack.errors import ConfigError, MultitrackError
from multitrack.mirroring.session import Session
from observed import MULTITRACK, recorded, run, verified
from processes import wait_until
from small import PYTHON, TRAIN, WAITING, alone, losses, started, under, variables, write


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


THREE = pytest.approx([1.0, 1 / 2, 1 / 3])


def test_a_module_of_a_package(place: Path) -> None:
    write(place / "package", name="part.py")
    write(place / "package", "", name="__init__.py")
    done = under(place, PYTHON, "-m", "package.part")
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert losses(place) == {"one": THREE}
    (found,) = verified(place.parent / "journal", "tensorboard")
    assert found.passed
    assert found.equal > 3


def test_a_chosen_tracker_alone(place: Path) -> None:
    program = write(place, TRAIN.replace("one", "other"))
    assert under(place, PYTHON, program, options=("--tracker", "wandb")).out == "trained\n"
    assert losses(place) == {}
    program = write(place)
    assert under(place, PYTHON, program, options=("--tracker", "tensorboard")).out == "trained\n"
    assert losses(place) == {"one": THREE}
    with pytest.raises(ConfigError, match=r"'tensorbord' cannot be mirrored \(did you mean 'tensorboard'"):
        Session(["tensorbord"])
    with pytest.raises(MultitrackError):
        Session(backends=["no such backend"])


def test_the_program_finds_its_environment_as_without(place: Path) -> None:
    program = write(
        place, "import json, os, sys\nprint(json.dumps([dict(os.environ), sys.path, sys.argv, __name__]))\n"
    )
    assert under(place, PYTHON, program, "--epochs", "3").out == alone(place, PYTHON, program, "--epochs", "3").out
    without = {**variables(), "PYTHONPATH": ""}
    told = json.loads(under(place, PYTHON, program, **without).out)
    assert told[:2] == json.loads(alone(place, PYTHON, program, **without).out)[:2]


@pytest.mark.parametrize("options", [(), ("--subprocesses",)])
def test_subprocesses_are_observed_on_request(place: Path, options: tuple[str, ...]) -> None:
    write(place)
    outer = write(
        place,
        f"import subprocess, sys\nsubprocess.run([sys.executable, 'train.py'])\n{TRAIN}".replace("one", "two"),
        "outer.py",
    )
    done = under(place, PYTHON, outer, options=options)
    assert (done.status, done.out, done.err) == (0, "trained\ntrained\n", "")
    assert losses(place) == ({"one": THREE, "two": THREE} if options else {"two": THREE})


def test_launchers_have_their_subprocesses_observed(place: Path) -> None:
    """As torchrun does, a launcher starts the training in another process."""
    write(place)
    launcher = write(
        place,
        f"#!{PYTHON}\nimport subprocess, sys\nsys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)\n",
        "torchrun",
    )
    launcher.chmod(0o755)
    done = under(place, launcher, "train.py")
    assert (done.status, done.out) == (0, "trained\n")
    assert losses(place) == {"one": THREE}


@pytest.mark.parametrize(
    "program", [("-I", "train.py"), ("-S", "train.py"), ("-c", "print('trained')"), ("sh", "train.sh")]
)
def test_no_observed_process_is_said(place: Path, program: tuple[str, str]) -> None:
    """With a shell between, and its own module path, nothing of ours runs in the training."""
    write(place, "print('trained')")
    write(place, f"PYTHONPATH=elsewhere exec {PYTHON} train.py", "train.sh")
    done = under(place, *(program if program[0] == "sh" else (PYTHON, *program)), options=("--subprocesses",))
    assert (done.status, done.out) == (0, "trained\n")
    is_observed = program[0] == "-c"
    assert done.err == "" if is_observed else done.err.startswith("multitrack: nothing was mirrored: no Python process")


def test_a_process_behind_a_shell_is_observed(place: Path) -> None:
    write(place, TRAIN)
    done = under(place, "sh", "-c", f"{PYTHON} train.py; true")
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert losses(place) == {"one": THREE}


def test_a_program_whose_children_log_is_told_the_option(place: Path) -> None:
    write(place, TRAIN)
    launcher = write(place, "import subprocess, sys\nsubprocess.run([sys.executable, 'train.py'])\n", "launch.py")
    done = under(place, PYTHON, launcher)
    assert (done.status, done.out) == (0, "trained\n")
    assert (
        "the program itself started no run. Python programs that it starts are observed with --subprocesses" in done.err
    )
    shutil.rmtree(place / "logs")
    done = under(place, PYTHON, launcher, options=("--subprocesses",))
    assert (done.status, done.err) == (0, "")
    assert losses(place) == {"one": THREE}


def test_two_processes_of_one_program(place: Path) -> None:
    program = write(place, "import os\nrank = 'ab'[os.fork() == 0]\n" + TRAIN.replace('"logs/one"', "'logs/' + rank"))
    done = under(place, PYTHON, program)
    assert (done.status, done.out.count("trained")) == (0, 2)
    assert losses(place) == {"a": THREE, "b": THREE}


def test_a_sitecustomize_of_the_users_own(place: Path) -> None:
    own = write(
        place / "site",
        "import builtins, sys\nbuiltins.OWN = __file__\nif 'exec' not in sys.orig_argv: print('own', __name__)\n",
        "sitecustomize.py",
    )
    program = write(place, f"import sys\nprint(OWN, sys.modules['sitecustomize'].__file__)\n{TRAIN}")
    done = under(place, PYTHON, program, **variables(own.parent))
    assert (
        done.out
        == alone(place, PYTHON, program, **variables(own.parent)).out
        == f"own sitecustomize\n{own} {own}\ntrained\n"
    )
    assert losses(place) == {"one": THREE}


def test_a_failing_sitecustomize_is_told_as_without(place: Path) -> None:
    own = write(place / "site", "1 / 0\n", "sitecustomize.py")
    program = write(place)
    done = under(place, PYTHON, program, **variables(own.parent))
    bare = alone(place, PYTHON, program, **variables(own.parent))
    assert (done.status, done.out) == (bare.status, bare.out) == (0, "trained\n")
    assert "ZeroDivisionError" in bare.err
    assert done.err.splitlines()[-1] == bare.err.splitlines()[-1]


def test_standard_input_reaches_the_program(place: Path) -> None:
    program = write(place, f"{TRAIN}\nprint(input())\n")
    done = subprocess.run(
        [*MULTITRACK, "exec", "--", PYTHON, str(program)], cwd=place, env={**os.environ, **variables()}, input="typed\n",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\ntyped\n", "")


def test_what_cannot_be_run(place: Path) -> None:
    text = write(place, "no program", "text")
    assert run(place, *MULTITRACK, "exec", "--", "no-such-program").status == 127
    done = run(place, *MULTITRACK, "exec", "--", text)
    assert (done.status, done.err) == (126, f"multitrack: {text}: Permission denied\n")


def test_runs_are_seen_and_delivered_while_the_program_runs(place: Path) -> None:
    place.mkdir()
    (place / "multitrack.toml").write_text('backends = ["files"]\n')
    process = started(place, PYTHON, write(place, WAITING), "catch")
    journal = place.parent / "journal"
    wait_until(lambda: losses(place) == {"one": [1.0, 1.0]})
    wait_until(lambda: any(lane.delivered for lane in recorded(journal)[0].lanes().values()))
    shown = CliRunner().invoke(main, ["runs", "--journal", str(journal), "--json"])
    assert [each["status"] for each in json.loads(shown.output)] == ["running"]
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("caught SIGTERM\n", "", 5)
    (seen,) = recorded(journal)
    assert seen.summary().status == "finished"


@pytest.mark.parametrize(("options", "backends"), [((), {"files"}), (("--to", "tensorboard"), {"tensorboard"})])
def test_delivered_elsewhere_and_back_only_on_request(
    place: Path, options: tuple[str, ...], backends: set[str]
) -> None:
    program = write(place)
    (place / "multitrack.toml").write_text('backends = ["files", "tensorboard"]\n')
    done = under(place, PYTHON, program, options=options)
    assert (done.out, done.err) == ("trained\n", "")
    journal = place.parent / "journal"
    wait_until(
        lambda: (
            {name: lane.settled for name, lane in recorded(journal)[0].lanes().items()} == dict.fromkeys(backends, True)
        )
    )


def test_a_writer_that_writes_nothing_is_no_trouble(place: Path) -> None:
    program = write(place, f"from tensorboardX import SummaryWriter\nSummaryWriter('logs/none').close()\n{TRAIN}")
    done = under(place, PYTHON, program)
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert losses(place) == {"one": THREE}


MIRROR = "import multitrack\nsession = multitrack.mirror()\n"


def test_mirror_in_a_script(place: Path) -> None:
    program = write(place, f"{MIRROR}{TRAIN}print(session.finish(60).runs)\n")
    done = run(place, PYTHON, program, **variables(), MULTITRACK_JOURNAL=str(place.parent / "journal"))
    assert (done.status, done.out, done.err) == (0, "trained\n['one']\n", "")
    assert losses(place) == {"one": THREE}


def test_mirror_in_a_script_that_does_not_wait(place: Path) -> None:
    program = write(place, f"{MIRROR}{TRAIN}")
    done = run(place, PYTHON, program, **variables(), MULTITRACK_JOURNAL=str(place.parent / "journal"))
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    wait_until(
        lambda: losses(place) == {"one": THREE} and recorded(place.parent / "journal")[0].summary().status == "finished"
    )


@pytest.mark.slow
def test_mirror_after_the_run_began(place: Path) -> None:
    """Each session has the run, which goes on into the second one."""
    text = f"""
import wandb
run = wandb.init(project="p")
run.log({{"loss": 1.0}})
{MIRROR}
run.log({{"loss": 0.5}})
session.finish(60)
session = multitrack.mirror()
run.log({{"loss": 0.25}})
run.finish()
print(len(session.finish(60).runs))
"""
    done = run(place, PYTHON, write(place, text), MULTITRACK_JOURNAL=str(place.parent / "journal"))
    assert (done.status, done.out) == (0, "1\n"), done.err
    assert list(losses(place).values()) == [[1.0, 0.5, 0.25]]


@pytest.mark.slow
def test_sessions_of_one_run_in_one_second(place: Path) -> None:
    """W&B puts a number behind the name of the second one's directory."""
    program = write(place, "import wandb\nfor i in range(3):\n    with wandb.init(project='p', id='same') as run:\n"
                    "        run.log({'loss': float(i)}, step=i)\n")  # fmt: skip
    done = under(place, PYTHON, program, WANDB_SILENT="true")
    assert (done.status, done.err) == (0, "")
    assert list(losses(place).values()) == [[0.0, 1.0, 2.0]]


@pytest.mark.slow
def test_the_project_that_a_program_gives_neptune(place: Path) -> None:
    """The client's files do not have it; later imports of the same files keep it."""
    program = write(place, "import os, neptune\n"
                    "for project in ('team/one', 'team/two', None):\n"
                    "    with neptune.init_run(project=project, name=str(project), git_ref=False) as run:\n"
                    "        run['loss'].append(1.0)\n")  # fmt: skip
    done = under(place, PYTHON, program, NEPTUNE_PROJECT="of/variable")
    assert done.status == 0, done.err
    expected = {"team/one": "team/one", "team/two": "team/two", "None": "of/variable"}
    journal = place.parent / "journal"
    assert {each.manifest.name: each.manifest.project for each in recorded(journal)} == expected
    assert [(found.error, found.findings) for found in verified(journal, "neptune")] == [(None, [])] * 3
    imported = run(place, *MULTITRACK, "import", ".neptune", "--journal", journal)
    assert imported.status == 0, imported.err
    assert {each.manifest.name: each.manifest.project for each in recorded(journal)} == expected


def test_a_call_costs_no_time_when_the_follower_is_stopped(place: Path) -> None:
    """The follower is another process, which the program never waits for."""
    program = write(
        place,
        f"{MIRROR}import os, signal\nos.kill(session._process.pid, signal.SIGSTOP)\n{TRAIN}os.kill(session._process.pid, signal.SIGCONT)\n",
    )
    begun = time.monotonic()
    done = run(place, PYTHON, program, **variables(), MULTITRACK_JOURNAL=str(place.parent / "journal"))
    assert (done.status, done.out) == (0, "trained\n")
    assert time.monotonic() - begun < 30
    assert sys.executable


def test_settings_that_turn_it_off(place: Path) -> None:
    program = write(place)
    done = under(place, PYTHON, program, MULTITRACK_DISABLED="1")
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert not (place.parent / "journal").exists()
    done = under(place, PYTHON, program, MULTITRACK_DELIVERY="off", MULTITRACK_BACKENDS="files")
    assert (done.status, done.err) == (0, "")
    (found,) = recorded(place.parent / "journal")
    time.sleep(1)  # a courier would have begun
    assert {name: lane.id for name, lane in found.lanes().items()} == {"files": None}


def test_a_tracker_that_is_away_holds_nothing_up(place: Path) -> None:
    done = under(
        place, PYTHON, write(place), MULTITRACK_BACKENDS="mlflow", MULTITRACK_MLFLOW_TRACKING_URI="http://127.0.0.1:9"
    )
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert losses(place) == {"one": THREE}


def test_a_mistyped_option_is_no_program(place: Path) -> None:
    done = under(place, PYTHON, write(place), options=("--bogus",))
    assert (done.status, done.out) == (2, "")
    assert "no such option" in done.err.lower()


def test_an_sdk_that_is_switched_off_is_no_trouble(place: Path) -> None:
    write(place, "import wandb\nwandb.init(mode='disabled', project='p').log({'a': 1})\nwandb.finish()\n", "w.py")
    write(place, "import neptune\nneptune.init_run(mode='debug')['a'] = 1\n", "n.py")
    for name in ("w.py", "n.py"):
        assert (
            under(place, PYTHON, name, WANDB_SILENT="true").err == alone(place, PYTHON, name, WANDB_SILENT="true").err
        )
    assert not (place.parent / "journal" / "runs").exists()
