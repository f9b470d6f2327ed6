"""Fixtures and the selection of tests by Keras backend, shared with the tests of the callback."""

from keras_fixtures import *  # noqa: F403
from keras_fixtures import collect_ignore_glob as collect_ignore_glob
