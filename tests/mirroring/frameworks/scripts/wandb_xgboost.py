"""The callback that W&B has for XGBoost."""

import numpy as np
import wandb
import xgboost
from wandb.integration.xgboost import WandbCallback

run = wandb.init(project="trees", config={"depth": 2})
x = np.random.default_rng(1).random((60, 3))
y = x[:, 0] + 2 * x[:, 1]
model = xgboost.XGBRegressor(
    n_estimators=5, max_depth=2, eval_metric="rmse", early_stopping_rounds=3,
    callbacks=[WandbCallback(log_model=True, define_metric=True)],
)  # fmt: skip
model.fit(x[:40], y[:40], eval_set=[(x[40:], y[40:])], verbose=False)
print(model.best_iteration, round(model.best_score, 3))
run.finish()
