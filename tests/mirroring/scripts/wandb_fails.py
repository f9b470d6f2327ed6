import wandb

with wandb.init(project="digits", config={"lr": 10.0}) as run:
    run.log({"loss": 1.0})
    run.log({"loss": float("nan")})
    raise ValueError("the loss is not a number")
