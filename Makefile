# Sets up everything by itself; needs Python 3.11 or later with pip.
#   make demo    the main job: a tracked KerasTuner search on handwritten digits, into MLflow, W&B and Neptune
#   make test    formatting, linting, types and all tests
#   make keras   the tests of the Keras callback and the tuners on JAX and PyTorch; part of the tests
#   make bench   measures everything, beside other trackers, and writes docs/performance.md
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
PLUGINS := --editable plugins/mlflow --editable plugins/wandb --editable plugins/neptune
KERAS_TESTS := tests/keras tests/keras_tuner

.PHONY: demo test keras bench lint types clean

demo: .venv/demo
	$(BIN)/python examples/digits_search.py

test: lint types
	$(BIN)/python -m pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder
	$(MAKE) --no-print-directory keras

# On TensorFlow they are part of the above; PyTorch has an environment of its own.
keras: .venv/dev .venv-torch/ready
	KERAS_BACKEND=jax $(BIN)/python -m pytest --numprocesses 3 $(KERAS_TESTS)
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest --numprocesses 3 $(KERAS_TESTS)

bench: .venv/dev .venv-peers/ready .venv-torch/bench
	$(BIN)/python tests/benchmarks

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: .venv/dev
	$(BIN)/mypy

# Some Pythons come without venv's bootstrap; virtualenv, from pip, brings its own.
.venv/bin/python:
	$(PYTHON) -m venv .venv || ( rm -rf .venv && $(PYTHON) -m pip install --quiet --target .venv-bootstrap virtualenv \
		&& PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet .venv && rm -rf .venv-bootstrap )

.venv/demo: .venv/bin/python pyproject.toml plugins/*/pyproject.toml .ci/constraints.txt
	@echo "installing multitrack, the trackers' SDKs, Keras and TensorFlow into .venv (a minute or two)"
	$(PIP) --editable '.[keras-tuner,yaml]' $(PLUGINS) --requirement .ci/demo.txt
	@touch $@

.venv/dev: .venv/demo .ci/dev.txt
	$(PIP) --requirement .ci/dev.txt
	@touch $@

# Trackers that do not install beside the others.
.venv-peers/ready: .ci/peers.txt | .venv/bin/python
	rm -rf .venv-peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/peers.txt
	@touch $@

.venv-torch/ready: pyproject.toml .ci/torch.txt .ci/constraints.txt | .venv/bin/python
	@echo "installing PyTorch beside Keras into .venv-torch (a minute or two)"
	rm -rf .venv-torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-torch
	.venv-torch/$(PIP:.venv/%=%) --editable '.[keras-tuner,plot,testing]' --requirement .ci/torch.txt
	@touch $@

# The tests do without; the benchmarks deliver to MLflow, and compare with its callback.
.venv-torch/bench: .venv-torch/ready plugins/mlflow/pyproject.toml
	.venv-torch/$(PIP:.venv/%=%) --editable plugins/mlflow
	@touch $@

clean:
	rm -rf .venv .venv-peers .venv-torch .venv-bootstrap digits-run digits-grid distributed-run resumed-run tabular-run .pytest_cache .mypy_cache .ruff_cache
