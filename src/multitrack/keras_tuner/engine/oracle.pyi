from keras_tuner.engine.oracle import Objective as Objective
from keras_tuner.engine.oracle import Oracle as Oracle
