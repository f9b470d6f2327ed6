"""The events are what OpenLineage's own classes make of the same runs."""

import json
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openlineage.client import event_v2 as ol
from openlineage.client.facet_v2 import (
    dataset_type_dataset,
    dataset_version_dataset,
    execution_parameters_run,
    job_type_job,
    parent_run,
    processing_engine_run,
    source_code_location_job,
    tags_dataset,
    tags_run,
)
from openlineage.client.serde import Serde

import multitrack
from chains import RAW, chain, start
from multitrack import __version__
from multitrack.cli import main
from multitrack.journal.manifest import GitState
from multitrack.lineage.openlineage import _repository, dataset_name, events, run_uuid

FACETS: dict[str, Any] = {
    "executionParameters": lambda parameters: execution_parameters_run.ExecutionParametersRunFacet(
        [execution_parameters_run.ExecutionParameter(**each) for each in parameters]
    ),
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "parent": lambda run, job: parent_run.ParentRunFacet(parent_run.Run(**run), parent_run.Job(**job)),
    "jobType": job_type_job.JobTypeJobFacet,
    "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
    "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}


def facets(told: dict[str, Any], tags: Any) -> dict[str, Any]:
    """The facets, made by the classes, which raise on a field that they do not have."""
    return {
        name: tags(fields["tags"])
        if name == "tags"
        else FACETS[name](**{key: value for key, value in fields.items() if not key.startswith("_")})
        for name, fields in told.items()
    }


def run_tags(tags: list[dict[str, str]]) -> Any:
    return tags_run.TagsRunFacet([tags_run.TagsRunFacetFields(**tag) for tag in tags])


def dataset_tags(tags: list[dict[str, str]]) -> Any:
    return tags_dataset.TagsDatasetFacet([tags_dataset.TagsDatasetFacetFields(**tag) for tag in tags])


def made(event: dict[str, Any]) -> ol.RunEvent:
    def datasets(role: str, kind: Any) -> list[Any]:
        return [kind(one["namespace"], one["name"], facets=facets(one["facets"], dataset_tags)) for one in event[role]]

    run, job = event["run"], event["job"]
    return ol.RunEvent(
        eventType=ol.RunState[event["eventType"]], eventTime=event["eventTime"], producer=event["producer"],
        run=ol.Run(run["runId"], facets(run["facets"], run_tags)),
        job=ol.Job(job["namespace"], job["name"], facets(job["facets"], None)),
        inputs=datasets("inputs", ol.InputDataset), outputs=datasets("outputs", ol.OutputDataset),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """Without the releases of facets, which grow, the producer in them, and what is empty."""
    if isinstance(value, dict):
        found = {key: plain(each) for key, each in value.items() if key != "_producer"}
        return {key: each for key, each in found.items() if each not in ({}, [])}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return re.sub(r"/facets/\d+-\d+-\d+/", "/facets/", value) if isinstance(value, str) else value


def recorded() -> list[dict[str, Any]]:
    return list(events(multitrack.open_journal().lineage().graph, __version__))


def test_the_classes_of_openlineage_make_the_same_events(tmp_path: Path) -> None:
    chain(tmp_path)
    params = {"x": float("nan"), "text": "ä", "yes": True, "none": None, "list": [1, 2.5], "huge": 2**70}
    with start("search", params=params, tags={"stage": "prod"}) as parent:
        start("trial", parent=parent).end("failed")
    found = recorded()
    assert len(found) == 10
    for event in found:
        assert plain(Serde.to_dict(made(event))) == plain(event)
    search = next(event for event in found if {"key": "stage", "value": "prod", "source": "multitrack"} in event["run"]["facets"]["tags"]["tags"])  # fmt: skip
    parameters = search["run"]["facets"]["executionParameters"]["parameters"]
    assert {each["key"]: each["value"] for each in parameters} == {
        "x": "NaN", "text": "ä", "yes": "true", "none": "null", "list": "[1, 2.5]", "huge": str(2**70),
    }  # fmt: skip


def test_each_status_ends_as_openlineage_calls_it() -> None:
    for status in ("finished", "failed", "killed"):
        run = start(status)
        run.log_artifact_ref("data", "s3://b/data", role="input", version="s3:1")
        run.log_artifact_ref("model", "s3://b/model", kind="model", digest="sha256:2")
        run.end(status)
    running = start("running")
    told = [(event["eventType"], len(event["inputs"]), len(event["outputs"])) for event in recorded()]
    running.end()
    ends = [each for end in ("COMPLETE", "FAIL", "ABORT") for each in (("START", 1, 0), (end, 1, 1))]
    assert told == [*ends, ("START", 0, 0)]


def test_a_trial_names_its_parent_and_its_job() -> None:
    with start("search") as parent:
        start("trial", parent=parent).end()
    first, *_, last = recorded()
    job = first["job"]
    assert job["namespace"] == "digits"
    assert last["job"]["name"] == f"{job['name']}.child"
    told = last["run"]["facets"]["parent"]
    assert told["run"] == {"runId": first["run"]["runId"]} == {"runId": run_uuid(parent.id)}
    assert told["job"] == {"namespace": "digits", "name": job["name"]}
    assert uuid.UUID(run_uuid(parent.id)) == uuid.uuid5(uuid.NAMESPACE_URL, f"multitrack:{parent.id}")
    (run,) = (run for run in multitrack.open_journal().runs() if run.manifest.parent is None)
    assert datetime.fromisoformat(first["eventTime"]).timestamp() * 1000 == pytest.approx(run.facts.created, abs=0.01)


def test_versions_are_facets_and_places_are_names(tmp_path: Path) -> None:
    chain(tmp_path)
    prepare, train, _ = (event for event in recorded() if event["eventType"] == "COMPLETE")
    (raw,), (clean,), (classifier,) = prepare["inputs"], prepare["outputs"], train["outputs"]
    assert (raw["namespace"], raw["name"]) == ("https://data.example.org", "/raw.csv")
    assert raw["facets"]["version"]["datasetVersion"] == RAW
    assert (clean["namespace"], clean["name"]) == ("file", str(tmp_path / "clean.csv"))
    assert clean["facets"]["version"]["datasetVersion"].startswith("sha256:")
    assert classifier["facets"]["datasetType"]["datasetType"] == "MODEL"
    assert classifier["facets"]["version"]["datasetVersion"] == "1.0.0"
    assert clean["facets"]["datasetType"]["datasetType"] == "FILE"


@pytest.mark.parametrize(("uri", "namespace", "name"), [
    ("s3://bucket/a/b.csv?versionId=3", "s3://bucket", "a/b.csv"),
    ("s3a://bucket/a", "s3://bucket", "a"),
    ("gs://bucket/a b", "gs://bucket", "a b"),
    ("file:///data/a%20b.csv", "file", "/data/a b.csv"),
    ("file://host/a", "file://host", "/a"),
    ("hdfs://namenode:8020/a", "hdfs://namenode:8020", "/a"),
    ("hf://datasets/owner/name@main", "hf://datasets", "/owner/name@main"),
    ("urn:x:y", "urn", "x:y"),
    ("https://host", "https://host", "/"),
    ("http://[broken", "unknown", "http://[broken"),
    ("no scheme", "unknown", "no scheme"),
])  # fmt: skip
def test_datasets_are_named_by_the_conventions(uri: str, namespace: str, name: str) -> None:
    assert dataset_name(uri) == (namespace, name)


@pytest.mark.parametrize(("remote", "url"), [
    ("git@host.example:owner/repo.git", "ssh://git@host.example/owner/repo.git"),
    ("host:repo.git", "ssh://host/repo.git"),
    ("https://host.example/owner/repo.git", "https://host.example/owner/repo.git"),
    ("/srv/git/a repo", "file:///srv/git/a%20repo"),
    (None, "file:///root"),
])  # fmt: skip
def test_a_repository_has_a_url(remote: str | None, url: str) -> None:
    assert _repository(GitState("12", remote=remote, root="/root")) == url


def test_the_command_prints_an_event_a_line(tmp_path: Path) -> None:
    chain(tmp_path)
    done = CliRunner().invoke(main, ["lineage", "classifier", "--up", "--openlineage"])
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.output.splitlines()]
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"] * 2
