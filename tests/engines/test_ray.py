"""`examples/ray_search.py` with Ray itself: four workers, one is killed for good, and one joins."""

from pathlib import Path

import pytest

from placed_search import check_trackers, example, killed, workers


@pytest.mark.timeout(300)
def test_a_search_on_ray_with_a_worker_killed_and_one_added(tmp_path: Path) -> None:
    printed = example("ray_search.py", "--trials", "10", where=tmp_path)
    attempts = check_trackers(tmp_path / "ray-run", 10)
    assert workers(attempts) == {f"worker-{number}" for number in (1, 2, 3, 4, 5)}
    ((lost, again),) = killed(attempts)
    assert lost.summary().tags["keras_tuner/tuner_id"] == "worker-2"
    assert again.summary().tags["keras_tuner/tuner_id"] != "worker-2"
    assert "multitrack: worker worker-2 gives no sign of life: its trial " in printed
    assert "killed worker-2; worker-5 joins" in printed
