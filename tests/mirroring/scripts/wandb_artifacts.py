"""Data by reference and a model's file."""

from pathlib import Path

import wandb

Path("model.bin").write_bytes(b"weights")
with wandb.init(project="digits", job_type="train") as run:
    data = wandb.Artifact("train", type="dataset", metadata={"rows": 100})
    data.add_reference("https://bucket.example/train.csv", checksum=False)
    run.log_artifact(data)
    model = wandb.Artifact("classifier", type="model")
    model.add_file("model.bin")
    logged = run.log_artifact(model, aliases=["best"])
    run.log({"accuracy": 0.9})
    run.save("model.bin")
print(data.name, model.type)
