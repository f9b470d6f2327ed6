from multitrack.keras_tuner.tuners import BaseTuner as BaseTuner
