"""A model with its signature."""

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

place = "name" if mlflow.__version__ >= "3" else "artifact_path"
x = np.arange(6.0).reshape(3, 2)
model = LinearRegression().fit(x, x[:, 0])
with mlflow.start_run():
    mlflow.log_param("intercept", True)
    signature = infer_signature(x, model.predict(x))
    mlflow.sklearn.log_model(model, **{place: "model"}, signature=signature, pip_requirements=["scikit-learn"])
    mlflow.log_metric("r2", 1.0)
print("logged")
