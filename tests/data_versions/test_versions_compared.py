"""The version of data, from the call to tables, filters and plugins."""

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

import multitrack
from data_tools import git, logged, repository
from multitrack import hookimpl
from multitrack.cli import main
from multitrack.compare import compare
from multitrack.records import ArtifactRef


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def two_versions(tmp_path: Path) -> list[str]:
    """Two runs that read one file in two versions, and a third that reads the second version again."""
    repo = repository(tmp_path / "repo")
    found = []
    for name, text in (("first", "1\n"), ("second", "2\n"), ("third", "2\n")):
        (repo / "train.csv").write_text(text)
        (repo / "code.py").write_text(name)
        git(repo, "add", "-A")
        git(repo, "commit", "-qm", name)
        with multitrack.start_run(name=name, project="p", backends=[]) as run:
            run.log_artifact_ref("train", repo / "train.csv", kind="dataset", role="input")
            run.log_artifact_ref("test", "s3://bucket/test.csv?versionId=7", kind="dataset", role="input")
            run.log_artifact_ref("weights", "s3://bucket/weights", kind="model")
        reference = next(
            ref for ref in multitrack.open_journal().run(run.id).summary().artifacts if ref.name == "train"
        )
        assert reference.version is not None
        found.append(reference.version)
    return found


def test_two_runs_on_two_versions_differ(two_versions: list[str]) -> None:
    first, second, third = two_versions
    assert first != second == third
    journal = multitrack.open_journal()
    every = compare(journal.runs())
    assert [str(column) for column in every.columns if column.group == "versions"] == [
        "versions.train",
        "versions.test",
    ]
    assert [row.cells["versions.train"] for row in every.rows] == two_versions
    assert {row.cells["versions.test"] for row in every.rows} == {"s3:7"}
    differing = compare(journal.runs(), diff=True)
    assert [str(column) for column in differing.columns if column.group == "versions"] == ["versions.train"]
    assert "versions" not in {
        column.group for column in compare([journal.run("second"), journal.run("third")], diff=True).columns
    }
    assert first in invoke("compare", "--diff", "--csv")


def test_runs_are_filtered_by_version(two_versions: list[str]) -> None:
    def names(where: str) -> set[str]:
        return {run["name"] for run in json.loads(invoke("runs", "--json", "--where", where))}

    first, second, _ = two_versions
    assert names(f"versions.train = {first}") == {"first"}
    assert names(f'versions.train != "{first}" and versions.test = s3:7') == {"second", "third"}
    assert names("versions.train ~ git:") == {"first", "second", "third"}
    assert second in invoke("show", "second")
    artifacts = json.loads(invoke("show", "second", "--json"))["artifacts"]
    assert {ref["name"]: ref["version"] for ref in artifacts} == {"train": second, "test": "s3:7", "weights": None}


def test_a_digest_stands_for_a_version(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    reference = logged(tmp_path / "a")
    (run,) = multitrack.open_journal().runs()
    assert run.get("versions.train") == reference.digest is not None


class Finder:
    """A plugin with the hook, and how it was called."""

    name = "finder"

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Path | None, str | None]] = []

    @hookimpl
    def find_data_version(self, uri: str, path: Path | None, digest: str | None) -> object:
        assert threading.current_thread() is not threading.main_thread()
        self.calls.append((uri, path, digest))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def with_plugin(finder: Finder, uri: str | Path) -> ArtifactRef:
    multitrack.register(finder)
    try:
        return logged(uri)
    finally:
        multitrack.unregister("finder")


def test_a_plugins_version_comes_before_ours(tmp_path: Path) -> None:
    finder = Finder("lakefs:commit:42")
    assert with_plugin(finder, "lakefs://repo/main/x").version == "lakefs:commit:42"
    (tmp_path / "a").write_text("1")
    reference = with_plugin(finder, tmp_path / "a")
    assert reference.version == "lakefs:commit:42"
    assert finder.calls == [("lakefs://repo/main/x", None, None), (reference.uri, tmp_path / "a", reference.digest)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, ""),
        (
            OSError("no server"),
            "plugin 'finder' could not find the version of lakefs://repo/main/x: OSError: no server",
        ),
        (3, "plugin 'finder' must return a string or None from find_data_version, got 3"),
    ],
)
def test_without_an_answer_ours_counts(answer: object, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    assert with_plugin(Finder(answer), "lakefs://repo/main/x").version == "lakefs:branch:main"
    assert reason in caplog.text


def test_a_version_with_a_secret_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    finder = Finder("x:https://user:secret@host/1 " + "0123456789" * 4)
    version = with_plugin(finder, "lakefs://repo/main/x").version
    assert version is not None
    assert "secret" not in version
    assert "0123456789" not in version


def test_what_is_not_found_when_the_process_ends_is_left_out() -> None:
    """The reference stays, complete, and the reason is counted."""
    go = threading.Event()

    class Slow(Finder):
        @hookimpl
        def find_data_version(self, uri: str, path: Path | None, digest: str | None) -> object:
            go.wait(60)
            return "late:1"

    multitrack.register(Slow(None))
    try:
        run = multitrack.start_run(backends=[], config={"exit": "detach"})
        run.log_artifact_ref("train", "s3://bucket/train", digest="sha256:00", role="input")
        run.end()
    finally:
        go.set()
        multitrack.unregister("finder")
    recorded = multitrack.open_journal().run(run.id)
    (reference,) = recorded.summary().artifacts
    assert (reference.pending, reference.version, reference.digest) == (False, None, "sha256:00")
    assert any("the version of s3://bucket/train was not ready" in reason for _, reason in recorded.get_mistakes())


def test_a_reference_without_a_version_is_recorded_as_before() -> None:
    logged("s3://bucket/train", digest="sha256:00")
    (run,) = multitrack.open_journal().runs()
    lines = [line for path in run.directory.glob("*.jsonl") for line in path.read_text().splitlines()]
    (line,) = [line for line in lines if '"record":"artifact"' in line]
    assert {*json.loads(line)} == {"record", "time", "name", "uri", "kind", "role", "digest"}


def test_a_path_that_cannot_be_looked_at_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert logged(tmp_path / "loop" / "train", digest=False).version is None
    assert logged(tmp_path / ("x" * 300), digest=False).version is None
