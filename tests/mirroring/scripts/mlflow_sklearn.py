"""Autologging of scikit-learn."""

import mlflow
import numpy as np
from sklearn.linear_model import LogisticRegression

mlflow.sklearn.autolog(log_models=False, log_post_training_metrics=False)
x = np.arange(20.0).reshape(10, 2)
y = np.array([0, 1] * 5)
model = LogisticRegression(C=0.5, max_iter=50).fit(x, y)
print(model.predict(x).shape, mlflow.active_run())
