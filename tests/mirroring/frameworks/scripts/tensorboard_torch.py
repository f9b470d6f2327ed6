"""A training loop with the writer of PyTorch."""

import torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(1)
x = torch.linspace(-1, 1, 32).unsqueeze(1)
y = 2 * x + 1
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

with SummaryWriter("runs/line") as writer:
    for epoch in range(6):
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_scalar("loss/train", loss, epoch)
        if epoch % 2 == 0:
            writer.add_scalar("lr", optimizer.param_groups[0]["lr"], epoch)
            writer.add_histogram("weights", model.weight, epoch)
        print(epoch, round(loss.item(), 4))
    writer.add_text("note", "a straight line")
    writer.add_graph(model, x)
