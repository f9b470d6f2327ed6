"""The loggers that Lightning has for TensorBoard, W&B and MLflow, in one training."""

import logging
import warnings

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Line(pl.LightningModule):
    def __init__(self, lr: float = 0.1, units: int = 1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, units)

    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val/loss", torch.nn.functional.mse_loss(self.layer(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


pl.seed_everything(1)
x = torch.linspace(-1, 1, 32).unsqueeze(1)
data = DataLoader(TensorDataset(x, 2 * x + 1), batch_size=8)
loggers = [
    TensorBoardLogger("logs", name="line", log_graph=True),
    WandbLogger(project="digits", name="line", log_model=True, tags=["small"]),
    MLFlowLogger("digits", run_name="line", tracking_uri="sqlite:///mlflow.db", log_model=True, tags={"size": "small"}),
]
trainer = pl.Trainer(
    max_epochs=3, accelerator="cpu", logger=loggers, log_every_n_steps=2, enable_progress_bar=False,
    enable_model_summary=False, default_root_dir="root",
)  # fmt: skip
trainer.fit(Line(), data, data)
print(sorted(trainer.callback_metrics), [logger.name for logger in loggers])
