"""A training loop of PyTorch whose gradients and weights W&B watches."""

import torch
import wandb

torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
x = torch.rand(32, 2)
with wandb.init(project="sums", config={"lr": 0.05, "units": 4}) as run:
    run.watch(model, log="all", log_freq=1)
    for step in range(5):
        loss = torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"loss": loss, "lr": optimizer.param_groups[0]["lr"]})
        print(step, round(loss.item(), 4))
    torch.save(model.state_dict(), "weights.pt")
    run.log_artifact("weights.pt", name="weights", type="model")
