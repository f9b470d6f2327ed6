"""Two processes that Keras trains together on JAX: the callback records on process 0, whatever was started when."""

import json
from pathlib import Path

import pytest

import multitrack
from processes import free_ports, together

TRAIN = """
import json
import keras, numpy
from multitrack.keras import TrackingCallback

number = int(os.environ["NUMBER"])
early = multitrack.start_run(name=f"early-{number}")
keras.distribution.initialize(f"127.0.0.1:{os.environ['PORT']}", 2, number)
keras.distribution.set_distribution(
    keras.distribution.DataParallel(devices=keras.distribution.list_devices(), auto_shard_dataset=False)
)
keras.utils.set_random_seed(7)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)), "mse")
x = numpy.random.default_rng(0).normal(size=(40, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)

def fit():
    return model.fit(x, y, epochs=2, batch_size=10, verbose=0, callbacks=[TrackingCallback(log_freq=2)]).history

had = {"early": fit()}
early.end()
with multitrack.start_run(name="late"):
    had["late"] = fit()
open(f"rank-{number}.json", "w").write(json.dumps(had))
"""


@pytest.mark.slow
def test_the_callback_records_on_process_0_also_where_the_run_was_started_too_early(project: Path) -> None:
    port = str(free_ports(1)[0])
    said = together(project, TRAIN, [{"NUMBER": str(i), "PORT": port} for i in range(2)])
    had = json.loads((project / "rank-0.json").read_text())
    runs = {run.manifest.name: run for run in multitrack.open_journal().runs()}
    assert sorted(runs) == ["early-0", "early-1", "late"]
    for name, trained in (("early-0", (4, 8)), ("late", (12, 16))):
        metrics = runs[name].get_metrics()
        assert [point.value for point in metrics["loss"]] == had[name.split("-")[0]]["loss"]
        assert [point.step for point in metrics["loss"]] == [0, 1]
        assert len(metrics["batch/learning_rate"]) == 4
        rates = [0.1 * 0.5 ** (batches / 5) for batches in trained]
        assert [point.value for point in metrics["learning_rate"]] == pytest.approx(rates)
        assert runs[name].summary().mistakes == 0
    assert runs["early-1"].get_metrics() == {}
    early = f"TrackingCallback: rank 1 of 2 (jax.distributed): records nothing, though run {runs['early-1'].id} is open"
    assert said[1].count(early) == 1
    assert said[1].count("rank 1 of 2 (jax.distributed): records nothing, because one training is one run") == 1
    assert "multitrack" not in said[0]
