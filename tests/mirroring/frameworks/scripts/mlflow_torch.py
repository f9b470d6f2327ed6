"""A training loop of PyTorch, and its model with a signature."""

import mlflow
import torch
from mlflow.models import infer_signature

torch.manual_seed(1)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.linspace(-1, 1, 16).unsqueeze(1)
mlflow.set_experiment("line")
with mlflow.start_run(run_name="plain"):
    mlflow.log_params({"lr": 0.1, "optimizer": "SGD"})
    for step in range(4):
        loss = torch.nn.functional.mse_loss(model(x), 2 * x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mlflow.log_metric("loss", loss.item(), step=step)
        print(step, round(loss.item(), 4))
    signature = infer_signature(x.numpy(), model(x).detach().numpy())
    mlflow.pytorch.log_model(
        model, name="model", signature=signature, serialization_format="pickle", pip_requirements=["torch"]
    )
