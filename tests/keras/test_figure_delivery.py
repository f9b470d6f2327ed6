"""With ``upload = ["figure"]`` a tracker holds the figure itself, not only where it is."""

from pathlib import Path

from mlflow.tracking import MlflowClient

import multitrack
from multitrack.keras import TrackingCallback, confusion_matrix


def test_the_figure_of_a_fit_is_in_mlflow(model, data, project, tmp_path_factory):
    uri = f"sqlite:///{project}/mlflow.db"
    config = {"delivery": "thread", "mlflow": {"tracking_uri": uri, "upload": ["figure", "text"]}}
    figures = {"confusion": confusion_matrix(*data, "confusion.png", ["no", "yes"])}
    with multitrack.start_run(backends=["mlflow"], config=config) as run:
        model.fit(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(figures=figures)])
    client, native = MlflowClient(uri), run.backend_ids["mlflow"]
    assert [found.path for found in client.list_artifacts(native, "figure")] == ["figure/confusion.png"]
    held = client.download_artifacts(native, "figure/confusion.png", str(tmp_path_factory.mktemp("held")))
    assert Path(held).read_bytes() == (project / "confusion.png").read_bytes()
    assert "multitrack.artifact.confusion" in client.get_run(native).data.tags
