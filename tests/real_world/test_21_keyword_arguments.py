"""Every public call takes its arguments by the names that the docs give them."""

import ast
import inspect
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from quiet import ROOT
from recording_backends import FileBackend

pytestmark = pytest.mark.case(21)

#: One value for each argument of each public method of a run; the test below checks that none is missing.
CALLS: dict[str, dict[str, Any]] = {
    "log_params": {"params": {"lr": 0.1}, "source": "sweep"},
    "log_metric": {"name": "loss", "value": 0.5, "step": 3},
    "log_metrics": {"metrics": {"acc": 0.5}, "step": 3},
    "log_list_metric": {"name": "latency", "values": [1.0, 2.0]},
    "log_artifact_ref": {
        "name": "weights", "uri": "s3://b/w", "kind": "model", "role": "input", "digest": "sha256:0",
        "version": "dvc:md5:0", "size": 3, "schema": {"inputs": ["x"]}, "target": None, "objective": None,
    },
    "log_lines": {"lines": ["a", "b"], "stream": "stdout"},
    "set_tags": {"tags": {"team": "vision"}},
    "wait_open": {"timeout": 0.0},
    "flush": {"timeout": 0.0},
    "activate": {},
    "end": {"status": "failed"},
}  # fmt: skip
#: How the parts of multitrack talk to each other; nobody else calls them.
INSIDE = {
    "adopt", "after_fork", "ancestors", "family", "owns", "record_params", "record_tags", "set_aside", "start_capture",
    "stop_capture",
}  # fmt: skip


def public_methods(kind: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in inspect.getmembers(kind)
        if inspect.isfunction(member) and not name.startswith("_")
    }


def arguments(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def test_every_method_of_a_run_by_keyword() -> None:
    methods = public_methods(multitrack.Run)
    assert set(methods) - INSIDE == set(CALLS)
    with multitrack.start_run(
        project="p", name="n", params={"a": 1}, tags={"t": "x"}, notes="text", group="g", parent=None, deployment=None, trigger=None,
        backends=[], run_id="it", config={"delivery": "off"}, capture=(), disabled=False,
    ) as run:  # fmt: skip
        for name, given in CALLS.items():
            assert list(given) == arguments(methods[name])
            getattr(run, name)(**given)
    (found,) = multitrack.open_journal(path=None).runs()
    assert found.get_params() == {"a": 1, "lr": 0.1}
    assert found.get_series(name="loss").values == [0.5]
    assert found.get_series(name="acc").steps == [3]
    assert found.get_list_metrics(name="latency") == {"latency": [1.0, 2.0]}
    assert [line.text for line in found.get_lines(from_time=None, to_time=None, limit=None)] == ["a", "b"]
    assert found.summary().tags == {"t": "x", "team": "vision"}
    assert [(ref.uri, ref.size) for ref in found.summary().artifacts] == [("s3://b/w", 3)]
    assert found.summary().status == "failed"


def test_start_run_takes_what_its_docstring_names() -> None:
    given = [
        "project", "name", "params", "tags", "notes", "group", "parent", "deployment", "trigger", "backends", "run_id",
        "config", "capture", "disabled",
    ]  # fmt: skip
    assert arguments(multitrack.start_run) == given


def test_the_other_public_functions(tmp_path: Path) -> None:
    multitrack.start_run(config={"delivery": "off"}).end()
    handler = multitrack.LogHandler(run=None, level=logging.INFO)
    assert handler.level == logging.INFO
    assert list(multitrack.sync(runs=[], journal=".multitrack", trust=[])) == []
    multitrack.register(plugin=FileBackend(), name="mine")
    multitrack.unregister(name="mine")


def documented(function: Any) -> list[str]:
    """The arguments that a Google-style docstring describes."""
    section = re.search(r"\n *Args:\n((?: +.*\n|\n)*?)(?: *\n)* *(?:[A-Z]\w+:|$)", inspect.getdoc(function) or "")
    return re.findall(r"^ {4}\*{0,2}(\w+):", section[1], re.MULTILINE) if section else []


def public_functions() -> Iterator[tuple[str, Any]]:
    from multitrack import keras

    for module in (multitrack, keras):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield name, thing
            elif inspect.isclass(thing) and thing.__module__.startswith("multitrack"):
                if not issubclass(thing, Exception):  # they take a message
                    yield name, thing
                yield from ((f"{name}.{method}", found) for method, found in public_methods(thing).items()
                            if found.__module__.startswith("multitrack"))  # fmt: skip


def test_docstrings_name_real_arguments() -> None:
    seen = 0
    for name, function in public_functions():
        described = documented(function)
        taken = arguments(function)
        if "kwargs" not in taken:
            assert set(described) <= set(taken), f"{name}: its docstring names {set(described) - set(taken)}"
            assert [one for one in taken if one in described] == described, f"{name}: in another order"
        assert not any(one.endswith("_") for one in taken), name
        seen += len(described)
    assert seen > 50


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Calls such as ``run.log_metric(name, value, step=n)`` in a text, with the names of their arguments."""
    for found in re.finditer(r"`(?:run|multitrack)\.(\w+)(\([^`]*\))`", text):
        try:
            call = ast.parse(found[1] + found[2].replace("=)", "=0)").replace("=,", "=0,"), mode="eval").body
        except SyntaxError:
            continue
        if isinstance(call, ast.Call):
            yield found[1], [
                *(argument.id if isinstance(argument, ast.Name) else "" for argument in call.args),
                *(keyword.arg or "" for keyword in call.keywords),
            ]  # fmt: skip


def test_the_readme_and_the_docs_name_real_arguments() -> None:
    seen = 0
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for name, given in calls(path.read_text()):
            owners = (multitrack.Run, RecordedRun, JournalReader, multitrack)
            function = next(getattr(owner, name) for owner in owners if callable(getattr(owner, name, None)))
            taken = arguments(function)
            for place, argument in enumerate(given):
                if argument:
                    assert argument in taken, f"{path.name}: {name}({argument}) takes {taken}"
                    seen += argument == taken[place] if place < len(taken) else 0
    assert seen > 10
