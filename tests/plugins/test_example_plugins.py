"""The plugins in examples/plugins, loaded as a config names them."""

import tomllib
from pathlib import Path

import pytest

import multitrack
from multitrack.summaries.summary import Summary

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in EXAMPLES.glob("*/src"):
        monkeypatch.syspath_prepend(path)
    for name in ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "HOSTNAME"):
        monkeypatch.delenv(name, raising=False)


def entry_point(name: str) -> str:
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())["project"]
    return str(project["entry-points"]["multitrack"][name])


def recorded(plugin: str, **arguments: object) -> Summary:
    """The summary of a run with a plugin, with two lines."""
    run = multitrack.start_run("digits", config={"delivery": "off", "plugins": [entry_point(plugin)]}, **arguments)
    run.log_lines(["for ada@example.org, CUST-004711", "loss 0.5 at step 4711"])
    run.log_artifact_ref("export", "s3://bucket/cust4711/of-ada@example.org")
    run.end()
    return multitrack.open_journal().run(run.id).summary()


def lines() -> list[str]:
    (run,) = multitrack.open_journal().runs()
    return [line.text for line in run.get_lines()]


def test_the_facts_of_a_slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_PARTITION": "",
           "SLURM_JWT": "eyJhbGciOi", "POD_NAME": "stray"}  # fmt: skip
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    assert recorded("job_facts", tags={"mine": "kept"}).tags == {
        "mine": "kept", "slurm/job_id": "4711", "slurm/job_name": "train", "slurm/array_task_id": "3",
    }  # fmt: skip


def test_the_facts_of_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import multitrack_job_facts

    namespace = tmp_path / "namespace"
    monkeypatch.setattr(multitrack_job_facts.plugin, "_namespace", namespace)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("HOSTNAME", "train-0-x7k2p")
    assert recorded("job_facts").tags == {"kubernetes/pod": "train-0-x7k2p"}
    namespace.write_text("research\n")
    assert recorded("job_facts").tags["kubernetes/namespace"] == "research"
    for name, value in {"POD_NAME": "train-0", "POD_NAMESPACE": "vision", "NODE_NAME": "gpu-7",
                        "JOB_COMPLETION_INDEX": "0", "DATABASE_PASSWORD": "hunter2"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert recorded("job_facts").tags == {
        "kubernetes/pod": "train-0", "kubernetes/namespace": "vision", "kubernetes/node": "gpu-7",
        "kubernetes/job_index": "0",
    }  # fmt: skip


def test_no_facts_outside_of_a_job(caplog: pytest.LogCaptureFixture) -> None:
    assert recorded("job_facts").tags == {}
    assert caplog.messages == []


def test_the_page_of_facts_is_complete() -> None:
    import multitrack_job_facts

    text = (EXAMPLES / "job_facts" / "README.md").read_text()
    for tag, variable in {**multitrack_job_facts.SLURM, **multitrack_job_facts.KUBERNETES}.items():
        assert f"| `{tag}` | `{variable}`" in text


def test_addresses_and_customers_never_reach_the_journal() -> None:
    told = recorded(
        "redact",
        name="for ada@example.org",
        params={"data": {"customer": "Ada & Sons"}, "path": "cust-4711.parquet", "mails": ["a@b.example.com", "none"]},
        tags={"owner": "Ada <ada.l+x@mail.example.org>"},
    )
    assert told.params == {
        "data/customer": "[customer]", "path": "[customer].parquet", "mails": ["[email]", "none"],
    }  # fmt: skip
    assert told.tags == {"owner": "Ada <[email]>"}
    assert lines() == ["for [email], [customer]", "loss 0.5 at step 4711"]
    assert [ref.uri for ref in told.artifacts] == ["s3://bucket/[customer]/[email]"]
    (run,) = multitrack.open_journal().runs()
    assert run.manifest.name == "for [email]"
    written = b"".join(path.read_bytes() for path in Path(".multitrack").rglob("*") if path.is_file())
    assert not [text for text in (b"example.org", b"example.com", b"004711", b"Sons") if text in written]


@pytest.mark.parametrize(
    "line", ["a" * 200_000, "a." * 100_000, "a@" * 100_000, "a@b." + "c." * 100_000, "CUST" * 50_000]
)
@pytest.mark.timeout(20)
def test_a_long_line_takes_no_longer_than_others(line: str) -> None:
    from multitrack_redact import plugin

    assert plugin.redact(line, "") is None
