"""Two processes that torch trains together: one run, and all of rank 0's numbers in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack.reading.recorded_run import RecordedRun
from processes import free_ports, together

TRAIN = """
import json, os, sys
import keras, numpy, torch
import torch.distributed as dist
import multitrack
from multitrack.keras import TrackingCallback

rank = int(os.environ["RANK"])
keras.utils.set_random_seed(7)
x = torch.tensor(numpy.random.default_rng(rank).normal(size=(20, 4)).astype("float32"))
y = x.sum(dim=1, keepdim=True)

had = {}
with multitrack.start_run(name="one") as run:
    dist.init_process_group("gloo")
    run.log_params({"ranks": dist.get_world_size()})
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    had["loss"] = []
    for step in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        had["loss"].append(float(loss))
        run.log_metric("loss", loss, step=step)
    run.log_list_metric("weights", net.module.weight.detach().flatten())
    run.log_lines(f"rank {rank}")
    run.set_tags({"rank": str(rank)})
    run.log_artifact_ref("data", "s3://bucket/data")
    run.flush()
    had["weights"] = net.module.weight.detach().flatten().tolist()
    with multitrack.start_run(name="child", parent=run) as child:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        fit = model.fit(x, y, epochs=2, batch_size=5, verbose=0, callbacks=[TrackingCallback(log_freq=2)])
        had["fit"] = fit.history["loss"]
with multitrack.start_run(name="each", config={"delivery": "off", "ranks": "all", "journal": "all"}) as own:
    own.log_metric("rank", rank, step=0)
open(f"rank-{rank}.json", "w").write(json.dumps(had))
dist.barrier()
dist.destroy_process_group()
"""

# As Keras' guide to torch starts them: no launcher, nothing in the environment.
SPAWNED = """
import torch.distributed as dist
here = multitrack.environment.ranks.this_process()
assert here.size == 1, here
rank = int(os.environ["NUMBER"])
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{os.environ['PORT']}", rank=rank, world_size=2)
with multitrack.start_run(name="spawned") as run:
    run.log_metric("rank", rank, step=0)
dist.barrier()
dist.destroy_process_group()
assert multitrack.environment.ranks.this_process().size == 1
"""


def values(run: RecordedRun, name: str) -> list[float | None]:
    return [point.value for point in run.get_metrics()[name]]


@pytest.mark.slow
def test_a_training_of_two_processes_under_torchrun_is_one_run_of_rank_0(project: Path) -> None:
    (project / "train.py").write_text(TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
                "--master-port", str(free_ports(1)[0])]  # fmt: skip
    done = subprocess.run(
        [*torchrun, "train.py"], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("multitrack: rank 1 of 2 (torchrun): records nothing") == 1

    had, other = (json.loads((project / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert had["loss"] != other["loss"]  # each has its own data
    assert had["weights"] == other["weights"]  # and all have learnt from all of it
    runs = {run.manifest.name: run for run in multitrack.open_journal().runs()}
    assert sorted(runs) == ["child", "one"]
    one, child = runs["one"], runs["child"]
    assert one.get_params() == {"ranks": 2}
    assert values(one, "loss") == had["loss"]
    assert [point.step for point in one.get_metrics()["loss"]] == [0, 1, 2, 3, 4]
    assert one.get_list_metrics()["weights"] == had["weights"]
    assert [line.text for line in one.get_lines()] == ["rank 0"]
    assert one.summary().tags["rank"] == "0"
    assert child.manifest.parent == one.id
    assert values(child, "loss") == had["fit"]
    assert [point.step for point in child.get_metrics()["batch/loss"]] == [2, 4, 6, 8]

    each = {run.manifest.name: run for run in multitrack.open_journal(project / "all").runs()}
    assert sorted(each) == ["each", "each-rank0", "each-rank1"]
    assert [values(each[f"each-rank{rank}"], "rank") for rank in (0, 1)] == [[0], [1]]


@pytest.mark.slow
def test_processes_that_find_each_other_without_a_launcher(project: Path) -> None:
    port = str(free_ports(1)[0])
    said = together(
        project, "import multitrack.environment.ranks\n" + SPAWNED, [{"NUMBER": str(i), "PORT": port} for i in range(2)]
    )
    assert "rank 1 of 2 (torch.distributed): records nothing" in said[1]
    (run,) = multitrack.open_journal().runs()
    assert values(run, "rank") == [0]
