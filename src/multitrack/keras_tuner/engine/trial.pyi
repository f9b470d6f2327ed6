from keras_tuner.engine.trial import Trial as Trial
from keras_tuner.engine.trial import TrialStatus as TrialStatus
