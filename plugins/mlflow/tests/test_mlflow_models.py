"""Models in MLflow: shown on their run, registered once by reference if the option says so, with aliases."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow_server import mlflow_server

import multitrack
from multitrack.cli import main
from multitrack.delivery.lane_state import lane_file
from multitrack.recording.run import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is in the current directory."""
    monkeypatch.chdir(tmp_path)


def start(tmp_path: Path, **options: Any) -> Run:
    table = {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", **options}
    return multitrack.start_run("digits", backends=["mlflow"], config={"delivery": "off", "mlflow": table})


def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


def write(tmp_path: Path, uri: str, *, name: str = "classifier", **options: Any) -> Run:
    run = start(tmp_path, **options)
    run.log_artifact_ref(name, uri, kind="model", digest=f"sha256:{uri[-1] * 64}")
    run.end()
    multitrack.sync()
    assert run.flush(timeout=0).complete
    return run


def registered(tmp_path: Path, name: str = "classifier") -> dict[str, Any]:
    """The registered versions by our number, as MLflow's own client has them."""
    return {one.tags["multitrack.version"]: one for one in client(tmp_path).search_model_versions(f"name = '{name}'")}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def test_versions_are_registered_by_reference(tmp_path: Path) -> None:
    runs = [write(tmp_path, f"s3://bucket/{i}", register_models=True) for i in (1, 2)]
    found = registered(tmp_path)
    assert sorted(found) == ["1.0.0", "1.0.1"]
    for version, run, i in (("1.0.0", runs[0], 1), ("1.0.1", runs[1], 2)):
        one = found[version]
        assert (one.source, one.run_id, int(one.version)) == (f"s3://bucket/{i}", run.backend_ids["mlflow"], i)
        assert one.tags["multitrack.run_id"] == run.id
        assert one.tags["multitrack.digest"] == f"sha256:{str(i) * 64}"
        assert one.description == "; ".join(multitrack.open_models().get(f"classifier@{version}").reasons)
        tags = client(tmp_path).get_run(run.backend_ids["mlflow"]).data.tags
        shown = json.loads(tags["multitrack.model.classifier"])
        assert (shown["version"], shown["uri"]) == (version, f"s3://bucket/{i}")


def test_a_repeated_delivery_registers_nothing_twice(tmp_path: Path) -> None:
    run = write(tmp_path, "s3://bucket/1", register_models=True)
    assert run.directory is not None
    lane_file(run.directory, "mlflow").unlink()  # as if the courier had died before it saved
    multitrack.sync()
    assert run.flush(timeout=0).complete
    assert len(client(tmp_path).search_model_versions("name = 'classifier'")) == 1
    again = multitrack.start_run(run_id=run.id, backends=["mlflow"], config={"delivery": "off", "mlflow": {
        "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", "register_models": True}})  # fmt: skip
    again.end()
    multitrack.sync()
    assert len(client(tmp_path).search_model_versions("name = 'classifier'")) == 1


def test_without_the_option_the_registry_is_left_alone(tmp_path: Path) -> None:
    run = write(tmp_path, "s3://bucket/1")
    assert client(tmp_path).search_registered_models() == []
    assert "multitrack.model.classifier" in client(tmp_path).get_run(run.backend_ids["mlflow"]).data.tags
    result = invoke("alias", "classifier", "prod")
    assert (result.exit_code, result.output) == (0, "classifier 1.0.0 is now prod\n")
    assert client(tmp_path).search_registered_models() == []


def test_an_alias_moves_in_both(tmp_path: Path) -> None:
    for i in (1, 2):
        write(tmp_path, f"s3://bucket/{i}", register_models=True)
    for version in ("1.0.0", "1.0.1"):
        result = invoke("alias", f"classifier@{version}", "prod", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["backends"] == {"mlflow": "set"}
        here = multitrack.open_models().get("classifier@prod")
        there = client(tmp_path).get_model_version_by_alias("classifier", "prod")
        assert here.version == there.tags["multitrack.version"] == version
    assert invoke("alias", "classifier", "prod", "--remove").exit_code == 0
    assert multitrack.open_models().named("classifier").aliases == {}
    with pytest.raises(MlflowException):
        client(tmp_path).get_model_version_by_alias("classifier", "prod")


def test_an_alias_of_what_is_not_registered_yet_fails(tmp_path: Path) -> None:
    run = start(tmp_path, register_models=True)
    run.log_artifact_ref("classifier", "s3://bucket/1", kind="model")
    run.end()
    result = invoke("alias", "classifier", "prod")
    assert result.exit_code == 1
    assert "is not registered in MLflow" in result.output
    assert "multitrack sync" in result.output
    assert multitrack.open_models().named("classifier").aliases == {}, "the same in both"
    multitrack.sync()
    assert invoke("alias", "classifier", "prod").exit_code == 0
    assert client(tmp_path).get_model_version_by_alias("classifier", "prod").source == "s3://bucket/1"


def test_an_alias_that_mlflow_refuses_is_not_set_here(tmp_path: Path) -> None:
    write(tmp_path, "s3://bucket/1", register_models=True)
    result = invoke("alias", "classifier", "latest")
    assert result.exit_code == 1
    assert "the journal's alias is unchanged" in result.output
    assert multitrack.open_models().named("classifier").aliases == {}


def test_a_name_that_mlflow_refuses(tmp_path: Path) -> None:
    run = write(tmp_path, "s3://bucket/1", name="nets/it's: one", register_models=True)
    (found,) = registered(tmp_path, "nets_it_s_ one").values()
    assert found.source == "s3://bucket/1"
    assert client(tmp_path).get_registered_model("nets_it_s_ one").tags == {"multitrack.model": "nets/it's: one"}
    assert run.flush(timeout=0)["mlflow"].stand_ins == ["model nets/it's: one: called nets_it_s_ one in the registry"]


@pytest.mark.slow
def test_a_server_that_refuses_the_source_keeps_no_run_open(tmp_path: Path) -> None:
    """MLflow's server takes a local path only in the run's artifacts; another URI it takes."""
    (tmp_path / "model.bin").write_bytes(b"1")
    with mlflow_server(tmp_path) as address:
        run = start(tmp_path, tracking_uri=address, register_models=True)
        run.log_artifact_ref("local", "model.bin", kind="model")
        run.end()
        multitrack.sync()
        report = run.flush(timeout=0)
        assert report.complete
        (said,) = report["mlflow"].stand_ins
        assert said.startswith("not registered: local 1.0.0: PermanentError")
        there = MlflowClient(tracking_uri=address)
        assert there.get_run(run.backend_ids["mlflow"]).info.status == "FINISHED"
        remote = start(tmp_path, tracking_uri=address, register_models=True)
        remote.log_artifact_ref("remote", "s3://bucket/model", kind="model")
        remote.end()
        multitrack.sync()
        (found,) = there.search_model_versions("name = 'remote'")
        assert (found.source, found.run_id) == ("s3://bucket/model", remote.backend_ids["mlflow"])
