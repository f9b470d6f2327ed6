"""The Trainer of Transformers reports to W&B, MLflow and TensorBoard."""

import os

import torch
from transformers import BertConfig, BertForSequenceClassification, PrinterCallback, Trainer, TrainingArguments

os.environ |= {"WANDB_PROJECT": "words", "WANDB_WATCH": "all", "MLFLOW_EXPERIMENT_NAME": "words"}


class Words(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        return {"input_ids": torch.arange(index, index + 6) % 20, "labels": torch.tensor(index % 2)}


torch.manual_seed(1)
model = BertForSequenceClassification(
    BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
               max_position_embeddings=8)
)  # fmt: skip
arguments = TrainingArguments(
    "out", report_to=["wandb", "mlflow", "tensorboard"], run_name="tiny", num_train_epochs=2,
    per_device_train_batch_size=4, logging_steps=2, eval_strategy="epoch", save_strategy="epoch", use_cpu=True,
    disable_tqdm=True, seed=1,
)  # fmt: skip
trainer = Trainer(model, arguments, train_dataset=Words(), eval_dataset=Words())
trainer.remove_callback(PrinterCallback)  # it prints durations
result = trainer.train()
print(result.global_step, [round(each["loss"], 4) for each in trainer.state.log_history if "loss" in each])
