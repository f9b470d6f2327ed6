"""Cases that people met, as written, each with neighbours of its own; ``python tests/real_world`` runs all of them."""

import os

# Some of the cases train models; on the CPU, and without TensorFlow's messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
