"""Every way a plugin can be wrong gives an error that names it and what to mend; a broken one that nobody selected harms nothing."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import ConfigError, PluginError, hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.plugins import distributions
from multitrack.testing import MemoryBackend


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    for name in ("memory", "extension", "thing"):
        multitrack.unregister(name)


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs a distribution ``multitrack-broken`` whose entry point is the given module's ``backend``."""

    def install(source: str, attribute: str = "backend") -> None:
        site = tmp_path / "site"
        info = site / "multitrack_broken-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: multitrack-broken\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[multitrack]\nbroken = broken_plugin:{attribute}\n")
        (site / "broken_plugin.py").write_text("from multitrack import hookimpl\n" + source)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(__import__("sys").modules, "broken_plugin", raising=False)

    return install


BROKEN = {
    "a class": ("class Backend:\n    @hookimpl\n    def open_run(self, run): ...\nbackend = Backend\n",
                r"is the class Backend, not an instance; register Backend\(\)"),
    "a misspelt hook": ("class B:\n    @hookimpl\n    def open_run(self, run): ...\n    @hookimpl\n"
                        "    def log_metrics(self, run, records): ...\nbackend = B()\n",
                        "unknown hook 'log_metrics'; did you mean 'log_metric'"),
    "no hook": ("class B:\n    def open_run(self, run): ...\nbackend = B()\n", "implements no hook; mark its methods"),
    "wrong arguments": ("class B:\n    @hookimpl\n    def open_run(self, runn): ...\nbackend = B()\n",
                        "wrong arguments.*runn"),
    "an import that fails": ("import nonexistent_sdk\nbackend = 1\n",
                             "cannot be imported: ModuleNotFoundError.*nonexistent_sdk.*reinstall or remove"),
    "no such attribute": ("x = 1\n", "cannot be imported: AttributeError"),
    "no backend": ("class B:\n    @hookimpl\n    def redact(self, text, name): ...\nbackend = B()\n",
                   "is not a backend: it has no open_run hook"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_names_its_distribution_and_what_to_mend(distribution: Any, what: str, tmp_path: Path) -> None:
    source, match = BROKEN[what]
    distribution(source)
    with pytest.raises(PluginError, match=match) as raised:
        multitrack.start_run(backends=["broken"])
    assert "multitrack-broken 1.2" in str(raised.value)
    assert not (tmp_path / ".multitrack").exists()


def test_an_import_path_that_leads_nowhere_is_told_what_it_must_be() -> None:
    with pytest.raises(PluginError, match=r"^plugin 'no_such:plugin' cannot be imported: .*'package.module:attribute'"):
        multitrack.start_run(config={"plugins": ["no_such:plugin"]})


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_that_nobody_selected_harms_nothing(distribution: Any, what: str) -> None:
    distribution(BROKEN[what][0])
    with multitrack.start_run(backends=["recording_backends:file"], config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0)
    assert run.status == "finished"


@pytest.mark.parametrize("what", ["a class", "a misspelt hook", "no hook", "wrong arguments"])
def test_register_checks_as_well(what: str) -> None:
    source, match = BROKEN[what]
    names: dict[str, Any] = {"hookimpl": hookimpl}
    exec(source, names)  # noqa: S102 - the sources above
    with pytest.raises(PluginError, match=match):
        multitrack.register(names["backend"])


def test_a_registered_backend_is_selected_by_name_and_needs_the_thread_host() -> None:
    memory = MemoryBackend()
    multitrack.register(memory)
    with pytest.raises(ConfigError, match='set delivery = "thread"'):
        multitrack.start_run(backends=["memory"])
    with pytest.raises(ConfigError, match='set delivery = "thread"'):
        multitrack.start_run(backends=memory)
    with multitrack.start_run(backends=["memory"], config={"delivery": "thread"}) as run:
        run.log_metric("x", 1.0, step=0)
    assert memory.runs[run.id].series["x"][0].value == 1.0
    with pytest.raises(ConfigError, match="named twice"):
        multitrack.start_run(backends=[memory, "memory"], config={"delivery": "thread"})


class Extension:
    name = "extension"

    @hookimpl
    def run_context(self, project: str, name: str) -> dict[str, Any]:
        return {"tags": {"cluster": f"{project}-a"}, "params": {"site": {"rack": 7}}}

    @hookimpl
    def redact(self, text: str, name: str) -> str | None:
        return text.replace("hunter2", "***") if "hunter2" in text else None


def test_run_context_adds_tags_and_params() -> None:
    multitrack.register(Extension())
    run = multitrack.start_run("p", config={"delivery": "off"})
    assert run.directory is not None
    told = multitrack.open_journal().run(run.id).summary()
    assert (told.tags, told.params) == ({"cluster": "p-a"}, {"site/rack": 7})
    assert told.sources["site/rack"].startswith("plugin")


def test_redact_sees_every_text_before_the_journal() -> None:
    multitrack.register(Extension())
    run = multitrack.start_run(
        config={"delivery": "off"}, params={"url": "x-hunter2", "list": ["hunter2"]}, tags={"t": "hunter2"}
    )
    run.log_lines(["hunter2 said", "fine"])
    run.log_artifact_ref("a", "s3://bucket/hunter2")
    assert run.directory is not None
    assert b"hunter2" not in (run.directory / "000001.jsonl").read_bytes()
    assert multitrack.open_journal().run(run.id).summary().params["url"] == "x-***"


class Raising:
    name = "thing"

    @hookimpl
    def run_context(self, project: str) -> dict[str, Any]:
        raise RuntimeError("no cluster here")

    @hookimpl
    def redact(self, text: str) -> str:
        raise RuntimeError("no idea")


def test_an_extension_that_raises_keeps_no_run_from_starting_and_no_text_unwithheld(
    caplog: pytest.LogCaptureFixture,
) -> None:
    multitrack.register(Raising())
    run = multitrack.start_run(config={"delivery": "off"}, params={"secret": "x"})
    assert multitrack.open_journal().run(run.id).summary().params == {"secret": "[redacted]"}
    assert "no cluster here" in caplog.text


def test_plugins_named_in_the_config_are_loaded(distribution: Any) -> None:
    distribution(
        "class E:\n    @hookimpl\n    def run_context(self):\n        return {'tags': {'from': 'dist'}}\nbackend = E()\n"
    )
    run = multitrack.start_run(config={"delivery": "off", "plugins": ["broken"]})
    assert multitrack.open_journal().run(run.id).summary().tags == {"from": "dist"}


class BadOpener:
    name = "thing"

    @hookimpl
    def open_run(self, run: RunInfo) -> Any:
        return "an id"


def test_installed_distributions_are_those_of_importlib_metadata() -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    known = {normal(found.name): found.version for found in reversed(list(metadata.distributions()))}
    assert distributions.packages() == {name: known[name] for name in distributions.packages()}
    assert distributions.packages().keys() >= {"msgspec", "pluggy", "multitrack", "multitrack-mlflow"}
    points = list(distributions.entry_points())
    assert {name for name, _, _ in points} >= {"mlflow", "wandb", "neptune"}
    for name, distribution, place in points:
        assert distributions.entry_point(name) == (distribution, place)


@pytest.mark.parametrize(
    "folder", ["multitrack_thing-1.2.dist-info", "Multitrack.Thing-1.2.dist-info", "other-1.2.dist-info"]
)
@pytest.mark.parametrize("name", ["thing", "Thing"])
def test_entry_points_are_found_whatever_their_distribution_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    info = tmp_path / "site" / folder
    info.mkdir(parents=True)
    distribution = folder.partition("-")[0].replace("_", "-").lower().replace(".", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "# made by hand\n[console_scripts]\nthing = wrong:main\n\n[multitrack]\nother=o:o\n"
        f"{name} =  my.module:backend.attribute \n[zzz]\n{name} = wrong\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path / "nowhere"))
    assert distributions.entry_point(name) == (f"{distribution} 1.2", "my.module:backend.attribute")
    assert distributions.entry_point("thong") is None


def test_a_hook_that_returns_nonsense_stops_its_lane_alone() -> None:
    memory = MemoryBackend()
    with multitrack.start_run(backends=[BadOpener(), memory], config={"delivery": "thread"}) as run:
        run.log_metric("x", 1.0, step=0)
    report = run.end()
    assert "must return multitrack.hookspecs.Opened" in str(report["thing"].problem)
    assert (report["thing"].pending, report["memory"].complete) == (1, True)
    assert Opened("x").position is None


@pytest.mark.parametrize(
    "name", ["files", "goodseed", "mlflow", "neptune", "prometheus", "tensorboard", "trackio", "wandb"]
)
def test_an_sdk_that_is_not_installed_is_said_at_start(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The distribution is there, its tracker's SDK is not."""
    monkeypatch.setattr("multitrack.plugins.sdk._find", lambda module: (None, None))
    with pytest.raises(multitrack.BackendNotInstalledError, match=rf"'\./plugins/{name}'; .* 'multitrack\[{name}\]'"):
        multitrack.start_run(backends=[name])
    assert not (tmp_path / ".multitrack").exists()


def test_a_wrong_name_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "multitrack.toml").write_text('backends = ["mflow"]\n')
    with pytest.raises(multitrack.UnknownBackendError, match=r"multitrack\.toml: unknown backend 'mflow'") as raised:
        multitrack.start_run()
    assert (raised.value.key, raised.value.source) == ("backends", str(tmp_path / "multitrack.toml"))
    monkeypatch.setenv("MULTITRACK_BACKENDS", "wand")
    with pytest.raises(multitrack.UnknownBackendError, match=r"^environment variable MULTITRACK_BACKENDS: unknown"):
        multitrack.start_run()
    with pytest.raises(multitrack.UnknownBackendError, match=r"^unknown backend 'trakio'"):
        multitrack.start_run(backends=["trakio"])
