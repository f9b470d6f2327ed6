# Sets up everything by itself; needs Python 3.11 or later with pip.
#   make demo    the main job: a tracked KerasTuner search on handwritten digits, into MLflow, W&B and Neptune
#   make test    formatting, linting, types and all tests; on JAX and PyTorch those that depend on the Keras backend
#   make checks, make tests    the first three; and the tests without those on JAX and PyTorch; `make tests AGAIN=1` runs
#                    up to five that failed once more, by themselves, as CI does
#   make long    the tests that `make test` leaves out, such as the whole contract on the public functions of W&B and Trackio
#   make keras   all tests of the Keras callback and the tuners on JAX and PyTorch
#   make spark   the tests of `multitrack export` with Spark, which needs Java
#   make drift   the tests of `multitrack drift` with Evidently, which does not install beside the rest
#   make engines  searches with chief and workers placed by Ray, Dask and, where Debian's is installed, Slurm
#   make frameworks  the tests of `multitrack exec` with PyTorch, Lightning, Transformers, XGBoost, torchrun and Jupyter
#   make oldest  the trackers' tests, the main job and Keras on the oldest releases that are supported; no part of the tests
#   make bench   measures everything, beside other trackers, and writes docs/performance.md
#   make coverage    which lines the tests run, with a floor: those tests that are not slow, or SLOW=1 all of them;
#                    `make tests COVERAGE=1` counts them in its own run, as CI does
#   make docs    the site: docs/, the READMEs and a reference from the docstrings, in site/; broken links fail
#   make rehearsal   all of a release but the upload: builds, checks, installs and runs what lies in dist/ then
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
PLUGINS := $(patsubst %/pyproject.toml,--editable %,$(wildcard plugins/*/pyproject.toml))
KERAS_TESTS := tests/keras tests/keras_tuner
KERAS_LONG := --long
ENGINES_TESTS := tests/engines
# Those in which the backend's arrays, threads and steps matter. Of the hooks, which no backend calls itself, these.
HOOKS_TESTS := a_custom_training_loop_in_a_search batches_that_a_loop_numbers_over_all_epochs \
	batches_that_a_loop_numbers_in_each_epoch_begin_at_1_in_each_run tensors_and_arrays_in_logs_and_numbers
BACKEND_TESTS := $(patsubst %,tests/keras/test_%.py,asynchronous batches callback goes_on hooks_on_threads numbers \
	ranks_jax ranks_torch rates) tests/keras_tuner/test_tuners.py $(patsubst %,tests/keras/test_hooks.py::test_%,$(HOOKS_TESTS))
# More than the cores that a small machine has: most of the time of most tests is waits.
# Couriers have the lowest priority; at this one, the tests leave them a share of a processor that all tests want.
NICE := nice -n 15
PYTEST := -m pytest --numprocesses 5 --dist loadscope --no-loadscope-reorder
DATA := .coverage-data
MEASURED := COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/$(DATA)/of
REPORT := COVERAGE_FILE=$(DATA)/of $(BIN)/coverage combine --quiet && COVERAGE_FILE=$(DATA)/of $(BIN)/coverage report
# The oldest Trackio has only public functions to write with.
OLDEST_TESTS := $(filter-out plugins/trackio/tests,$(wildcard plugins/*/tests)) tests/test_main_job.py \
	plugins/trackio/tests/test_contract_trackio.py plugins/trackio/tests/test_trackio_public_way.py \
	tests/keras/test_callback.py tests/keras_tuner/test_tuners.py tests/pages/test_report.py tests/mirroring/test_exec.py

.PHONY: demo test checks tests long keras spark drift engines frameworks oldest bench coverage measuring docs rehearsal lint types mypy pyright clean

demo: .venv/demo
	$(BIN)/python examples/digits_search.py

test: checks tests
	$(MAKE) --no-print-directory keras KERAS_TESTS='$(BACKEND_TESTS)' KERAS_LONG=

# Side by side, for each of them has one core busy.
checks: .venv/dev
	$(MAKE) --no-print-directory --jobs=2 --output-sync lint types

tests: .venv/dev $(if $(COVERAGE),measuring)
	$(if $(COVERAGE),$(MEASURED)) $(NICE) $(BIN)/python $(PYTEST) $(if $(AGAIN),--cache-clear || .ci/again $(BIN)/python)
	$(if $(COVERAGE),$(REPORT))

long: .venv/dev
	$(NICE) $(BIN)/python $(PYTEST) --long -m long

# A file that is named is collected whatever backend it is for. On TensorFlow they are part of the tests; PyTorch has an environment of its own.
keras: .venv/dev .venv-torch/ready
	KERAS_BACKEND=jax $(NICE) $(BIN)/python -m pytest $(KERAS_LONG) --numprocesses 3 $(filter-out %_torch.py,$(KERAS_TESTS))
	KERAS_BACKEND=torch $(NICE) .venv-torch/bin/python -m pytest $(KERAS_LONG) --numprocesses 3 $(filter-out %_jax.py,$(KERAS_TESTS))

# `make test` skips those that need PySpark.
spark: .venv-spark/ready
	$(NICE) .venv-spark/bin/python -m pytest tests/export/test_spark.py

# `make test` skips those that need Evidently.
drift: .venv-drift/ready
	.venv-drift/bin/python -m pytest --numprocesses 2 tests/drift

# One after the other: each test has six processes. `make test` skips them.
engines: .venv-engines/ready
	KERAS_BACKEND=jax $(NICE) .venv-engines/bin/python -m pytest $(ENGINES_TESTS)

# `make test` skips the first, and runs the others with a stand-in of tensorboardX.
frameworks: .venv-frameworks/ready
	$(NICE) .venv-frameworks/bin/python -m pytest --numprocesses 2 tests/mirroring/frameworks \
		$(patsubst %,tests/mirroring/test_%.py,mirror session signals troubles)

# The newest that are supported are those of `make test`.
oldest: .venv-oldest/ready
	.venv-oldest/bin/python $(PYTEST) $(OLDEST_TESTS)

bench: .venv/dev .venv-peers/ready .venv-torch/bench
	$(BIN)/python tests/benchmarks

coverage: measuring
	$(MEASURED) $(NICE) $(BIN)/python $(PYTEST) $(if $(SLOW),,-m 'not slow')
	$(REPORT)

# Coverage starts in each process that has its variables, trainings and commands included; measured_couriers.py has it
# start in couriers.
measuring: .venv/dev
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && cp .ci/measured_couriers.py $$site \
		&& echo 'import measured_couriers' > $$site/measured_couriers.pth
	rm -rf $(DATA) && mkdir $(DATA)

# Not --quiet, which would have --strict overlook warnings.
docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --config-file .ci/mkdocs.yml
	@echo site/index.html

rehearsal: .venv-release/ready
	.ci/rehearsal

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: mypy pyright

mypy: .venv/dev
	$(BIN)/mypy

pyright: .venv/dev
	$(BIN)/basedpyright --level error

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

.venv-spark/ready: pyproject.toml .ci/spark.txt | .venv/bin/python
	@echo "installing PySpark into .venv-spark (a minute or two)"
	@command -v java >/dev/null || { echo "Spark needs Java: apt-get install default-jre-headless"; exit 1; }
	rm -rf .venv-spark
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-spark
	.venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/spark.txt \
		--editable '.[export,testing]'
	@touch $@

.venv-drift/ready: pyproject.toml .ci/drift.txt | .venv/bin/python
	@echo "installing Evidently with older releases of pandas and Plotly into .venv-drift (a minute or two)"
	rm -rf .venv-drift
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-drift
	.venv-drift/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/drift.txt \
		--editable '.[drift,testing]'
	@touch $@

.venv-engines/ready: pyproject.toml plugins/*/pyproject.toml .ci/engines.txt .ci/constraints.txt | .venv/bin/python
	@echo "installing Ray and Dask beside Keras and JAX into .venv-engines (a minute or two)"
	rm -rf .venv-engines
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-engines
	.venv-engines/$(PIP:.venv/%=%) --editable '.[keras-tuner,testing]' --requirement .ci/engines.txt \
		$(patsubst %,--editable plugins/%,mlflow neptune wandb)
	@touch $@

.venv-frameworks/ready: pyproject.toml plugins/*/pyproject.toml .ci/frameworks.txt .ci/constraints.txt | .venv/bin/python
	@echo "installing PyTorch, Lightning, Transformers, XGBoost and Jupyter into .venv-frameworks (two or three minutes)"
	rm -rf .venv-frameworks
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-frameworks
	.venv-frameworks/$(PIP:.venv/%=%) --editable '.[testing]' --requirement .ci/frameworks.txt \
		$(patsubst %,--editable plugins/%,files mlflow neptune tensorboard wandb)
	@touch $@

.venv-oldest/ready: pyproject.toml plugins/*/pyproject.toml .ci/oldest.txt | .venv/bin/python
	@echo "installing the oldest supported releases into .venv-oldest (a minute or two)"
	rm -rf .venv-oldest
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/oldest.txt \
		--editable '.[keras-tuner,plot,report,testing,yaml]' $(PLUGINS)
	@touch $@

# The tests do without; the benchmarks deliver to MLflow, and compare with its callback.
.venv-torch/bench: .venv-torch/ready plugins/mlflow/pyproject.toml
	.venv-torch/$(PIP:.venv/%=%) --editable plugins/mlflow
	@touch $@

.venv-docs/ready: .ci/docs.txt | .venv/bin/python
	rm -rf .venv-docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/docs.txt
	@touch $@

.venv-release/ready: .ci/release.txt | .venv/bin/python
	rm -rf .venv-release
	$(BIN)/python -m pip install --quiet --disable-pip-version-check virtualenv
	$(BIN)/python -m virtualenv --quiet .venv-release
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/release.txt
	@touch $@

clean:
	rm -rf .venv .venv-drift .venv-engines .venv-spark .venv-frameworks .venv-oldest .venv-peers .venv-torch .venv-docs .venv-release .venv-bootstrap $(DATA) dist site digits-run digits-grid distributed-run ray-run dask-run resumed-run tabular-run drift-run .hypothesis .pytest_cache .mypy_cache .ruff_cache
