from keras_tuner.errors import FailedTrialError as FailedTrialError
from keras_tuner.errors import FatalError as FatalError
from keras_tuner.errors import FatalRuntimeError as FatalRuntimeError
from keras_tuner.errors import FatalTypeError as FatalTypeError
from keras_tuner.errors import FatalValueError as FatalValueError
