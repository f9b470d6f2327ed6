"""`examples/dask_search.py` with Dask itself: four workers, one process is killed, and Dask runs its task again."""

from pathlib import Path

import pytest

from placed_search import check_trackers, example, killed, workers


@pytest.mark.timeout(300)
def test_a_search_on_dask_with_a_process_killed(tmp_path: Path) -> None:
    example("dask_search.py", "--trials", "6", where=tmp_path)
    attempts = check_trackers(tmp_path / "dask-run", 6)
    assert len(workers(attempts)) > 1
    ((lost, again),) = killed(attempts)
    assert lost.summary().tags["keras_tuner/tuner_id"] == again.summary().tags["keras_tuner/tuner_id"] == "worker-2"
    assert again.context.pid != lost.context.pid
