"""A config that is completed and changed after the start."""

import argparse

import wandb

with wandb.init(project="digits", config=argparse.Namespace(lr=0.1, units=64)) as run:
    run.config.batch = 32
    run.config["seed"] = 7
    run.config.update({"opt": {"name": "adam", "beta": 0.9}})
    run.config.setdefaults({"seed": 8, "epochs": 3})
    wandb.config.update({"note": "x"}, allow_val_change=True)
    assert wandb.config.lr == 0.1
    assert run.config["opt"]["beta"] == 0.9
    assert "units" in run.config
    assert run.config.get("absent", 1) == 1
    assert dict(run.config)["seed"] == 7
    run.log({"loss": 1.0})
