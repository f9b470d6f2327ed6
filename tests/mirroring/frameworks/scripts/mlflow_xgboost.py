"""Autologging of XGBoost: its own training, and its estimators."""

import mlflow
import numpy as np
import xgboost

mlflow.set_experiment("trees")
mlflow.xgboost.autolog(log_models=False)
x = np.random.default_rng(1).random((60, 3))
y = x[:, 0] + 2 * x[:, 1]
train, valid = xgboost.DMatrix(x[:40], label=y[:40]), xgboost.DMatrix(x[40:], label=y[40:])
results = {}
with mlflow.start_run(run_name="booster"):
    xgboost.train(
        {"max_depth": 2, "eta": 0.3, "objective": "reg:squarederror"}, train, num_boost_round=5, verbose_eval=False,
        evals=[(train, "train"), (valid, "valid")], evals_result=results, early_stopping_rounds=3,
    )  # fmt: skip
with mlflow.start_run(run_name="estimator"):
    xgboost.XGBRegressor(n_estimators=3, max_depth=2).fit(x[:40], y[:40], eval_set=[(x[40:], y[40:])], verbose=False)
print({part: [round(value, 3) for value in values["rmse"]] for part, values in results.items()})
