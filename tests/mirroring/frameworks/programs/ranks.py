"""Data-parallel training: each rank writes event files, rank 0 also logs to MLflow. Rank 1 kills itself if told so."""

import os
import signal
import sys
import time

import mlflow
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(1)
model = DistributedDataParallel(torch.nn.Linear(1, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.linspace(rank, rank + 1, 8).unsqueeze(1)
if rank == 0:
    mlflow.set_experiment("ranks")
    mlflow.start_run(run_name="rank 0")
    mlflow.log_params({"ranks": dist.get_world_size()})
with SummaryWriter(f"logs/rank{rank}") as writer:
    for step in range(4):
        loss = torch.nn.functional.mse_loss(model(x), 2 * x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_scalar("loss", loss, step)
        if rank == 0:
            mlflow.log_metric("loss", loss.item(), step=step)
            print(step, round(loss.item(), 4), flush=True)
        if step == 2 and "kill" in sys.argv:
            writer.flush()
            dist.barrier()
            if rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(100)  # torchrun ends this rank
if rank == 0:
    mlflow.end_run()
dist.destroy_process_group()
