"""Autologging of Lightning, under its older name."""

import logging
import warnings

import mlflow
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class Line(pl.LightningModule):
    def __init__(self, lr: float = 0.1, units: int = 1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, units)

    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


pl.seed_everything(1)
x = torch.linspace(-1, 1, 32).unsqueeze(1)
data = DataLoader(TensorDataset(x, 2 * x + 1), batch_size=8)
trainer = pl.Trainer(
    max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
)  # fmt: skip
mlflow.pytorch.autolog(log_models=False)
with mlflow.start_run(run_name="line"):
    trainer.fit(Line(), data, data)
print(sorted(trainer.callback_metrics))
