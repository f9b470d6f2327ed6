from multitrack.keras_tuner.engine import base_tuner as base_tuner
from multitrack.keras_tuner.engine import hypermodel as hypermodel
from multitrack.keras_tuner.engine import hyperparameters as hyperparameters
from multitrack.keras_tuner.engine import metrics_tracking as metrics_tracking
from multitrack.keras_tuner.engine import oracle as oracle
from multitrack.keras_tuner.engine import trial as trial
from multitrack.keras_tuner.engine import tuner as tuner
