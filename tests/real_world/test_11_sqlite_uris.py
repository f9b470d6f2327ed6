"""SQLite stores lie where their directory is, whatever letters its name has; what cannot be opened is said at start."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

import multitrack
from multitrack import ConfigError
from multitrack.config import absolute_uri
from multitrack_mlflow.uris import check, native_uri, sqlite_path
from processes import script

pytestmark = pytest.mark.case(11)

NAMES = ["q?m=1", "a b%20c", "x#y", "100%", "a&b;c@d:e", "läss🚀", "+plus", "'quoted\"", os.fsdecode(b"\xff\xfe")]


@pytest.mark.long("\\udcff\\udcfe")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["q?m=1", "a b%20c", "'quoted\"", os.fsdecode(b"\xff\xfe")])
def test_the_store_is_in_the_project(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    project.mkdir()
    (project / "multitrack.toml").write_text('backends = ["mlflow"]\nmlflow.tracking_uri = "sqlite:///mlflow.db"\n')
    out, errors = script(
        project,
        "run = multitrack.start_run('p', name='n')\nrun.log_metric('x', 0.5, step=1)\nprint(run.end().complete)\n",
    ).communicate(timeout=120)
    assert out == "True\n", errors
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {name}
    with sqlite3.connect(project / "mlflow.db") as store:
        assert store.execute("SELECT name, status FROM runs").fetchall() == [("n", "FINISHED")]
        assert store.execute("SELECT key, value, step FROM metrics").fetchall() == [("x", 0.5, 1)]
    store.close()
    (artifacts,) = sqlite3.connect(project / "mlflow.db").execute(
        "SELECT artifact_location FROM experiments WHERE name = 'p'"
    )
    assert artifacts[0] == (project / "mlruns" / "p").as_uri()


def test_two_projects_do_not_end_up_in_one_file(tmp_path: Path) -> None:
    for name in ("q?m=1", "q?m=2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "multitrack.toml").write_text('mlflow.tracking_uri = "sqlite:///mlflow.db"\n')
    stores = set()
    for name in ("q?m=1", "q?m=2"):
        config = tmp_path / name / "multitrack.toml"
        run = multitrack.start_run("p", backends=["mlflow"], config=config)
        assert run.end().complete
        stores.add(sqlite_path(run.manifest.backends[0].options["tracking_uri"]))
    assert stores == {tmp_path / "q?m=1" / "mlflow.db", tmp_path / "q?m=2" / "mlflow.db"}
    assert {path.name for path in tmp_path.rglob("*.db")} == {"mlflow.db"}
    assert len(list(tmp_path.rglob("mlflow.db"))) == 2


@pytest.mark.parametrize("name", NAMES)
def test_sqlalchemy_reads_the_same_file(tmp_path: Path, name: str) -> None:
    """Of this release; where it reads an escape as letters, SQLite itself decodes it."""
    from sqlalchemy import create_engine, text

    (tmp_path / name).mkdir()
    uri = absolute_uri("sqlite:///x.db", tmp_path / name)
    assert sqlite_path(uri) == tmp_path / name / "x.db"
    engine = create_engine(native_uri(uri))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE there (x)"))
    engine.dispose()
    assert (tmp_path / name / "x.db").stat().st_size > 0


def test_a_query_stays_a_query(tmp_path: Path) -> None:
    from sqlalchemy.engine import make_url

    (tmp_path / "a?b").mkdir()
    uri = absolute_uri("sqlite:///../a?timeout=5", tmp_path / "a?b" / "c")
    assert sqlite_path(uri) == tmp_path / "a?b" / "a"
    made = make_url(native_uri(uri))
    assert made.database is not None
    assert made.database.endswith("/a")
    assert made.query["timeout"] == "5"


def test_the_default_of_mlflows_own_variable_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///theirs.db")
    with multitrack.start_run(backends=["mlflow"], config={"delivery": "off"}) as run:
        assert sqlite_path(run.manifest.backends[0].options["tracking_uri"]) == tmp_path / "theirs.db"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite:///taken/mlflow.db", "taken is not a directory"), ("sqlite:///folder", "folder is a directory"),
        ("sqlite:///text.db", "is not a SQLite database"),
        ("sqlite:///:memory:", "in memory"), ("sqlite://", "in memory"),
        ("sqlite:///file:m5.db?mode=rwc&uri=true", "use a plain path, sqlite:////.*/m5.db"),
        ("sqlite:///m.db?mode=ro&uri=true", "use a plain path, sqlite:////.*/m.db"),
        ("SQLITE:///m.db", "in lower case, 'sqlite'"), ("MySQL+pymysql://h/x", "in lower case, 'mysql.pymysql'"),
        ("http://", "is malformed: host or port is missing"), ("http://[::1", "is malformed: Invalid IPv6 URL"),
        ("http://h:port", "is malformed: Port"), ("https:///api", "host or port is missing"),
        ("http://u:hunter2@", "host or port is missing"),
        ("ftp://h", "does not know 'ftp'; it supports sqlite"), ("uc:http://h", "does not know 'uc'"),
        ("postgresql://user:hunter2@h/db", "pip install psycopg2-binary"), ("mysql+pymysql://h/db", "pip install pymysql"),
    ],
)  # fmt: skip
def test_what_can_never_be_opened_is_an_error_at_start(tmp_path: Path, uri: str, says: str) -> None:
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("no database at all")
    with pytest.raises(ConfigError, match=says) as raised:
        multitrack.start_run(backends=["mlflow"], config={"mlflow": {"tracking_uri": uri}})
    assert "hunter2" not in str(raised.value)
    assert not (tmp_path / ".multitrack").exists()


def test_a_store_that_cannot_be_written_is_an_error_at_start(tmp_path: Path) -> None:
    """As an unprivileged user, whom permissions hold up."""
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    uri = f"sqlite:///{tmp_path}/locked/m.db"
    child = os.fork()
    if child == 0:
        refused = False
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            check(uri)
        except ValueError as error:
            refused = "cannot be read and written" in str(error)
        finally:
            os._exit(0 if refused else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("uri", ["http://h", "https://h:5000/api", "http://[::1]:5000", "HTTP://h", "databricks",
                                 "databricks://profile", "sqlite:///m.db?uri=false", "http://u:p@h:80"])  # fmt: skip
def test_what_can_be_opened_is_left_alone(uri: str) -> None:
    with multitrack.start_run(backends=["mlflow"], config={"mlflow": {"tracking_uri": uri}, "delivery": "off"}) as run:
        assert run.manifest.backends[0].name == "mlflow"


def test_a_scheme_that_a_plugin_of_mlflow_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"mlflow": {"tracking_uri": "azureml://u@h/db"}, "delivery": "off"}
    with pytest.raises(ConfigError, match="does not know 'azureml'"):
        multitrack.start_run(backends=["mlflow"], config=config)
    installed = tmp_path / "site" / "azureml_mlflow-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: azureml-mlflow\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[mlflow.tracking_store]\nazureml = azureml_mlflow:store\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    with multitrack.start_run(backends=["mlflow"], config=config) as run:
        assert run.manifest.backends[0].name == "mlflow"


@pytest.mark.long("sqlite:////proc/m.db-Errno 2")
@pytest.mark.slow
@pytest.mark.parametrize(("uri", "says"), [
    ("mysql+nodriver://h/x", "Can't load plugin"), ("sqlite+nodriver:///m.db", "Can't load plugin"),
    ("sqlite:////proc/m.db", "Errno 2"), ("databricks", "databricks"),
])  # fmt: skip
def test_what_mlflow_alone_can_tell_stops_the_lane_at_once(tmp_path: Path, uri: str, says: str) -> None:
    config = {"mlflow": {"tracking_uri": uri}, "delivery": "off"}
    run = multitrack.start_run(backends=["mlflow"], config=config)
    run.log_metric("x", 1.0)
    run.end()
    done = script(tmp_path, "from multitrack.cli import main\nmain(['sync'])\n")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 1, errors
    state = multitrack.open_journal().run(run.id).lanes()["mlflow"]
    assert state.stopped, errors
    assert says in str(state.problem)


def test_a_store_of_another_release_stops_the_lane_with_its_reason(tmp_path: Path) -> None:
    """Found out by MLflow alone: no retry will mend it."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    config = {"mlflow": {"tracking_uri": uri}, "delivery": "off"}
    multitrack.start_run(backends=["mlflow"], config=config).end()
    multitrack.sync()
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    store.close()
    run = multitrack.start_run(backends=["mlflow"], config=config)
    run.log_metric("x", 1.0)
    run.end()
    done = script(tmp_path, "from multitrack.cli import main\nmain(['sync'])\n")
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 1, errors
    assert "out-of-date database schema" in errors
    assert run.flush()["mlflow"].pending == 1
