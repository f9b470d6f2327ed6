"""Data that a run uses, and a model that it writes."""

from pathlib import Path

import wandb

Path("data").mkdir(exist_ok=True)
Path("data/train.csv").write_text("1\n2\n")
Path("data/test.csv").write_text("3\n")
Path("model.bin").write_bytes(b"weights")
run = wandb.init(project="digits", config={"lr": 0.1}, settings={"console": "off"})
data = wandb.Artifact("data", type="dataset")
data.add_dir("data")
run.log_artifact(data)
model = wandb.Artifact("net", type="model")
model.add_file("model.bin", name="weights.bin")
run.log_artifact(model)
remote = wandb.Artifact("remote", type="dataset")
remote.add_reference("https://example.invalid/data", name="data", checksum=False)
run.log_artifact(remote)
report = wandb.Artifact("report", type="text")
with report.new_file("report.txt") as file:
    file.write("all good")
wandb.log_artifact(report)
run.save("model.bin")
run.finish()
