"""The contract's tests of the hooks that are called at ``start_run``: options and environment variables."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest

from multitrack import plugins
from multitrack.testing.subject import ContractSubject

_START: Final = """
import json, sys
import multitrack
run = multitrack.start_run(config=json.loads(sys.argv[1]), backends=[sys.argv[2]])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


class HooksContract(ContractSubject):
    """What a training process asks of a backend is checked, and cheap."""

    def test_options_are_checked(self) -> None:
        """The options are a struct with defaults and a docstring, which rejects unknown names."""
        options = plugins.load_backend(self.backend).options_type()
        assert issubclass(options, msgspec.Struct)
        assert options.__struct_config__.forbid_unknown_fields, "a misspelt option in a config is silently ignored"
        assert options.__doc__, "nothing says what the options mean"
        required = [field.name for field in msgspec.structs.fields(options) if field.required]
        assert required == [], f"naming the backend is not enough to use it: {required} have no defaults"

    def test_environment_variables_are_names(self) -> None:
        """Each is the name of a variable, or a prefix with ``*``; together they do not let everything through."""
        names = plugins.load_backend(self.backend).environment_variables()
        assert not isinstance(names, str), "the courier gets the variables named by its letters"
        odd = [name for name in names if not re.fullmatch(r"[A-Za-z_]\w*\*?", name, re.ASCII)]
        assert odd == [], "the courier gets no such variable, or all of the training's, with every secret"

    def test_a_start_imports_no_sdk(self, tmp_path: Path) -> None:
        """``start_run`` does not import the packages that the backend's distribution requires, such as the SDK."""
        own = [entry.dist for entry in importlib.metadata.entry_points(group="multitrack", name=self.backend)]
        if not own:
            pytest.skip(f"no installed distribution has the backend {self.backend}, so its SDK is not known")
        heavy = {module for distribution in own if distribution for module in _required(distribution)}
        config = {"delivery": "off", self.backend: self.options(tmp_path)}
        imported = heavy & _imported(self.backend, json.dumps(config), tmp_path)
        assert imported == set(), "each start of a training waits for the SDK, and shares its process with it"


def _required(distribution: importlib.metadata.Distribution) -> set[str]:
    """Return the top-level modules of the distributions that a distribution requires, but for the core's."""
    names = _names(distribution.requires) - _names(importlib.metadata.requires("multitrack")) - {"multitrack"}
    return {module for name in names for module in _modules(name)}


def _names(requirements: list[str] | None) -> set[str]:
    """The distributions of requirements that are no extras."""
    return {re.split(r"[^\w.-]", text)[0] for text in requirements or () if "extra ==" not in text}


def _modules(distribution: str) -> set[str]:
    """The top-level modules of an installed distribution; none if it is not installed."""
    try:
        files = importlib.metadata.files(distribution) or ()
    except importlib.metadata.PackageNotFoundError:
        return set()  # for another system or Python
    return {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"} - {".."}


def _imported(backend: str, config: str, directory: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _START, config, backend],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"start_run failed in a new process: {done.stderr}")
    return set(json.loads(done.stdout.splitlines()[-1]))
