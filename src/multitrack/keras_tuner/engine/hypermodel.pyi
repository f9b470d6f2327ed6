from keras_tuner.engine.hypermodel import HyperModel as HyperModel
