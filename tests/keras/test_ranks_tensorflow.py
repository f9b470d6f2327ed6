"""TensorFlow's strategies: several workers are one run of the chief; several replicas in a process are one run anyway."""

import json
from pathlib import Path

import pytest

import multitrack
from processes import free_ports, together

# Keras 3 does not fit under MultiWorkerMirroredStrategy, so that the workers run TensorFlow's own loop.
WORKERS = """
import json
import tensorflow as tf

number = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    w = tf.Variable(0.0)

@tf.function
def step(x):
    def on_replica(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((w * x - 2.0 * x) ** 2)
        slope = tape.gradient(loss, w)
        total = tf.distribute.get_replica_context().all_reduce("mean", slope)
        w.assign_sub(0.1 * total)
        return loss
    return strategy.reduce("mean", strategy.run(on_replica, args=(x,)), axis=None)

x = tf.range(4, dtype=tf.float32) / 4 + number
with multitrack.start_run(name="workers", params={"workers": strategy.num_replicas_in_sync}) as run:
    for i in range(3):
        loss = step(x)
        run.log_metrics({"loss": loss, "w": w, "worker": number}, step=i)
assert run.disabled == (not strategy.extended.should_checkpoint)
"""

REPLICAS = """
import json
import keras, numpy, tensorflow as tf
from multitrack.keras import TrackingCallback

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
x = numpy.random.default_rng(0).normal(size=(40, 4)).astype("float32")
with multitrack.start_run(name="replicas", params={"replicas": strategy.num_replicas_in_sync}):
    fit = model.fit(x, x.sum(axis=1, keepdims=True), epochs=2, batch_size=10, verbose=0,
                    callbacks=[TrackingCallback(log_freq=2)])
open("had.json", "w").write(json.dumps(fit.history))
"""


@pytest.mark.slow
def test_workers_of_one_training_are_one_run_of_worker_0(project: Path) -> None:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}})} for i in (0, 1)]
    said = together(project, WORKERS, tasks)
    assert "multitrack" not in said[0]
    assert said[1].count("multitrack: rank 1 of 2 (TF_CONFIG: worker 1): records nothing") == 1
    (run,) = multitrack.open_journal().runs()
    assert run.get_params() == {"workers": 2}
    metrics = run.get_metrics()
    w, expected = 0.0, []
    data = [i / 4 for i in range(8)]  # of both
    for _ in range(3):
        w -= 0.1 * sum(2 * (w * x - 2 * x) * x for x in data) / 8
        expected.append(w)
    assert [point.value for point in metrics["w"]] == pytest.approx(expected)
    assert [point.value for point in metrics["worker"]] == [0, 0, 0]
    assert [point.step for point in metrics["loss"]] == [0, 1, 2]


@pytest.mark.slow
def test_replicas_in_one_process_are_one_run_with_each_point_once(project: Path) -> None:
    together(project, REPLICAS, [{}])
    had = json.loads((project / "had.json").read_text())
    (run,) = multitrack.open_journal().runs()
    assert run.get_params()["replicas"] == 2
    metrics = run.get_metrics()
    assert [point.value for point in metrics["loss"]] == had["loss"]
    assert [point.step for point in metrics["loss"]] == [0, 1]
    assert [point.step for point in metrics["batch/loss"]] == [2, 4, 6, 8]
    assert [point.value for point in metrics["learning_rate"]] == pytest.approx([0.1, 0.1])
    assert [point.value for point in metrics["batch/learning_rate"]] == pytest.approx([0.1] * 4)
    assert run.get_params()["fit/steps"] == 4
    assert run.summary().mistakes == 0
