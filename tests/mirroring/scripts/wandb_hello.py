import wandb

run = wandb.init(project="hello", config={"lr": 0.02, "architecture": "CNN", "epochs": 5})
for epoch in range(5):
    accuracy = 1 - 2.0**-epoch
    loss = 2.0**-epoch
    print(f"epoch={epoch}, accuracy={accuracy}, loss={loss}")
    wandb.log({"accuracy": accuracy, "loss": loss})
wandb.finish()
