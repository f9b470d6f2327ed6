from keras_tuner.engine.tuner import maybe_distribute as maybe_distribute

from multitrack.keras_tuner.tuners import Tuner as Tuner
