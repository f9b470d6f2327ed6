"""A copy of the installation that is broken on purpose: ``multitrack exec`` runs the program as without it."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import multitrack
import multitrack_console
from multitrack.cli.exec import exec_
from observed import Done, run
from small import TRAIN, losses, variables, write

SOURCE = Path(multitrack.__file__).parent
ROOT = SOURCE.parents[1]
#: Prints what it was given, logs, and exits with the status that is asked for.
PROGRAM = f"import sys\nprint(sys.argv[1:], file=sys.stderr)\n{TRAIN}sys.exit(int(sys.argv[1]))\n"


class Installation:
    """Python with a copy of multitrack; all other packages are those of this Python."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory, symlinks=True)
        self.python = directory / "bin" / "python"
        self.command = directory / "bin" / "multitrack"
        (self.site,) = directory.glob("lib/*/site-packages")
        shutil.copytree(SOURCE, self.site / "multitrack", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(multitrack_console.__file__, self.site)
        others = (sysconfig.get_path("purelib"), *sorted(ROOT.glob("plugins/*/src")))
        (self.site / "others.pth").write_text("\n".join(map(str, others)))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        module, _, function = project["scripts"]["multitrack"].partition(":")
        self.command.write_text(
            f"#!{self.python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        self.command.chmod(0o755)

    def write(self, file: str, text: str) -> None:
        """Write a file over that of a package, or in front of all packages."""
        (self.site / file).parent.mkdir(exist_ok=True)
        (self.site / file).write_text(text)

    def execute(self, place: Path, *arguments: object, options: tuple[str, ...] = ()) -> Done:
        """Run the program under the installation's ``multitrack exec``."""
        program = (self.python, write(place, PROGRAM), *map(str, arguments))
        return run(
            place, self.command, "exec", *options, "--journal", place.parent / "journal", "--", *program, **variables()
        )


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def test_the_copy_works(installation: Installation, place: Path) -> None:
    """Otherwise the tests below would pass without breaking anything."""
    done = installation.execute(place, 3)
    assert (done.status, done.out, done.err) == (3, "trained\n", "['3']\n")
    assert len(losses(place)["one"]) == 3
    done = run(place, installation.python, "-c", "import multitrack, click; print(multitrack.__file__, click.__file__)")
    assert done.out.split() == [str(installation.site / "multitrack" / "__init__.py"), click.__file__]


def _remove(installation: Installation) -> None:
    shutil.rmtree(installation.site / "multitrack")


def _written(file: str, text: str) -> Callable[[Installation], None]:
    return lambda installation: installation.write(file, text)


BREAKS: dict[str, tuple[Callable[[Installation], None], str]] = {
    "no package": (_remove, "ModuleNotFoundError: No module named 'multitrack'"),
    "a syntax error at the top": (_written("multitrack/__init__.py", "def (\n"), "SyntaxError"),
    "a syntax error in exec": (_written("multitrack/cli/exec.py", "x = = 1\n"), "SyntaxError"),
    "half of a module": (_written("multitrack/errors.py", (SOURCE / "errors.py").read_text().partition("class RunError(")[0]), "ImportError: cannot import name"),
    "an exit in a module": (_written("multitrack/records.py", "import sys\nsys.exit(0)\n"), "SystemExit: 0"),
    "no click": (_written("click.py", "raise ModuleNotFoundError(\"No module named 'click'\")\n"), "No module named 'click'"),
    "click of another time": (_written("click.py", "def command(*a, **b): ...\n"), "AttributeError"),
    "msgspec for another Python": (
        _written("msgspec/__init__.py", "raise ImportError('_core.so: undefined symbol: _PyLong_New')\n"),
        "undefined symbol",
    ),
    "pluggy of another time": (_written("pluggy/__init__.py", ""), "AttributeError: module 'pluggy'"),
    "the command fails as it starts": (
        _written("multitrack/cli/output.py", (SOURCE / "cli/output.py").read_text().replace("def streams() -> Iterator[None]:", "def streams(): raise RuntimeError('on purpose')\ndef _() -> Iterator[None]:")),
        "RuntimeError: on purpose",
    ),
}  # fmt: skip


@pytest.mark.long("no package", "no click", "a syntax error in exec", "the command fails as it starts")
@pytest.mark.parametrize("name", BREAKS)
def test_the_program_runs_as_without(installation: Installation, place: Path, name: str) -> None:
    """One line says that nothing is mirrored; all else is the program's own."""
    how, said = BREAKS[name]
    how(installation)
    done = installation.execute(
        place, 5, "--flag", options=("--tracker", "tensorboard", "--to=files", "--subprocesses")
    )
    line, *errors = done.err.splitlines()
    assert line.startswith("multitrack: nothing is mirrored, multitrack itself is broken: ")
    assert said in line
    place = place.with_name("alone")
    alone = run(place, installation.python, write(place, PROGRAM), "5", "--flag", **variables())
    assert (done.status, done.out, errors) == (alone.status, alone.out, alone.err.splitlines())
    assert (done.status, errors) == (5, ["['5', '--flag']"])
    files = [[re.sub(r"\d+", "N", name) for name in each.files if "__pycache__" not in name] for each in (done, alone)]
    assert sorted(files[0]) == sorted(files[1])
    assert len(files[0]) > 1


@pytest.mark.parametrize(
    ("file", "text", "options", "said"),
    [
        ("multitrack_broken.py", "1 / 0\n", ("--to", "multitrack_broken:plugin"), "ZeroDivisionError"),
        ("multitrack_broken.py", "import sys\nsys.exit(4)\n", ("--to", "multitrack_broken:plugin"), "SystemExit: 4"),
        ("multitrack/mirroring/session.py", "1 / 0\n", (), "division by zero"),
        ("multitrack/mirroring/follower.py", "1 / 0\n", (), "the follower ended with 1"),
        ("multitrack/journal/manifest.py", "x = = 1\n", (), "multitrack itself is broken: SyntaxError"),
    ],
)  # fmt: skip
def test_a_plugin_or_a_part_is_broken(
    installation: Installation, place: Path, file: str, text: str, options: tuple[str, ...], said: str
) -> None:
    installation.write(file, text)
    done = installation.execute(place, 3, options=options)
    assert (done.status, done.out) == (3, "trained\n")
    (line,) = [line for line in done.err.splitlines() if line != "['3']"]
    assert line.startswith("multitrack: ")
    assert said in line


def test_ends_and_signals_are_those_of_the_program(installation: Installation, place: Path) -> None:
    _remove(installation)
    program = write(place, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert run(place, installation.command, "exec", installation.python, program).status == -signal.SIGKILL
    pipe = "yes | head -1; echo ${PIPESTATUS[0]}"  # 141: Python ignores the signal, which a program is not to notice
    assert (
        run(place, installation.command, "exec", "bash", "-c", pipe).out
        == run(place, "bash", "-c", pipe).out
        == "y\n141\n"
    )
    done = run(place, installation.command, "exec", "--", "no-such-program")
    assert (done.status, done.err.splitlines()[1:]) == (127, ["multitrack: no-such-program: not found"])
    done = run(place, installation.command, "exec", "--", str(program))
    assert (done.status, done.err.splitlines()[1:]) == (126, [f"multitrack: {program}: Permission denied"])


def test_other_commands_and_wrong_usage_fail_as_broken(installation: Installation, place: Path) -> None:
    _remove(installation)
    for arguments in (["runs"], ["exec", "--bogus", "--", "echo"], ["exec"], []):
        done = run(place, installation.command, *arguments)
        assert (done.status, done.out) == (1, "")
        assert done.err.splitlines()[-1] == "ModuleNotFoundError: No module named 'multitrack'"


def test_wrong_usage_starts_no_program(installation: Installation, place: Path) -> None:
    for options in (["--bogus"], ["--tracker", "tensorbord"], ["--to", "no-such-backend"], ["--help"]):
        done = run(place, installation.command, "exec", *options, "--", "echo", "begun")
        assert "begun" not in done.out
        assert done.status == (0 if options == ["--help"] else 2)


def test_a_program_that_has_begun_is_not_begun_again(installation: Installation, place: Path) -> None:
    text = (SOURCE / "cli" / "exec.py").read_text()
    installation.write(
        "multitrack/cli/exec.py", text.replace("def _end(", "def _end(*_, **__): raise RuntimeError\ndef _(", 1)
    )
    done = installation.execute(place, 3)
    assert (done.status, done.out) == (3, "trained\n")
    assert done.err.splitlines() == ["['3']", "multitrack: not everything was mirrored: RuntimeError"]
    text = text.replace("    status = _run(", "    _run(")
    installation.write("multitrack/cli/exec.py", text)
    done = installation.execute(place, 3)
    assert (done.status, done.out) == (1, "trained\n")
    assert "NameError" in done.err.splitlines()[-1] or "UnboundLocalError" in done.err.splitlines()[-1]


def test_the_options_are_those_of_the_command() -> None:
    options = [each for each in exec_.params if isinstance(each, click.Option)]
    names = {each.opts[0].removeprefix("--") + ("" if each.is_flag else "=") for each in options}
    assert all(len(each.opts) == 1 and not each.secondary_opts for each in options)
    assert names == set(multitrack_console.OPTIONS)


def test_it_needs_the_standard_library_alone() -> None:
    text = Path(multitrack_console.__file__).read_text()
    modules = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert len(modules) > 5
    assert modules <= {*sys.stdlib_module_names}
