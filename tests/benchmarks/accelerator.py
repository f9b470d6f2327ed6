"""What the callback adds to a training on a GPU or TPU, where a look at a result waits for the device.

Training and callback are those of the group ``training``. A callback that made the training wait for the device at
each batch would show in *by the clock* and not in its hooks, as the device then idles between two steps. The callback
that does nothing shows how much of that Keras itself causes for having a batch hook to call.

Not part of ``make bench``: it needs a machine with an accelerator, and there JAX and PyTorch that use it:

    .venv/bin/python -m pip install 'jax[cuda12]'
    .venv-torch/bin/python -m pip install --upgrade --force-reinstall torch   # the default build has CUDA
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from bench import Case, Figures, Group, Results

from training import KERAS, case, measured

BACKENDS = ("jax", "torch")
KINDS = ("small", "middling", "large")
TRACKERS = ("one that does nothing", "multitrack")


def on_device(backend: str, kind: str, tracker: str) -> Callable[[float], Figures]:
    """A case of ``training`` on the default device, which must be an accelerator unless it only shows that it runs."""

    def run(scale: float) -> Figures:
        if scale >= 1 and not _accelerators(backend):
            raise SystemExit(
                f"{KERAS[backend]} sees no GPU or TPU here; the head of accelerator.py says how to install it"
            )
        return measured(kind, tracker, settled=False)(scale)

    return run


def _accelerators(backend: str) -> int:
    """Number of devices beside the CPU."""
    module: Any = importlib.import_module(backend)
    if backend == "jax":
        return sum(device.platform != "cpu" for device in module.devices())
    return int(module.cuda.device_count())


def _case(backend: str, kind: str, tracker: str) -> Case:
    on_cpu = case(backend, kind, tracker)
    variables = {name: value for name, value in on_cpu.environment.items() if name != "CUDA_VISIBLE_DEVICES"}
    return dataclasses.replace(on_cpu, run=on_device(backend, kind, tracker), environment=variables)


ROWS = [(backend, kind, tracker) for backend in BACKENDS for kind in KINDS for tracker in TRACKERS]


def page(results: Results) -> str:
    head = ["model, ms a batch", "callback", "per epoch (limit 1 %)", "in its hooks", "per batch (limit 1 %)"]
    head += ["in its hooks", "in its hooks on other threads", "noise of a pair"]
    lines = [f"| on the device | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for backend, kind, tracker in ROWS:
        name = _case(backend, kind, tracker).name
        if name not in results:
            continue
        cells = [KERAS[backend], f"{kind}, {results.median(name, 'bare') * 1e3:.2f}", tracker]
        for figure in ("epoch", "batch"):
            measured_here = figure in results.rounds[name][0]  # the callback that does nothing has no hook of epochs
            cells.append(f"{results.median(name, figure) - 1:+.1%}" if measured_here else "")
            cells.append(f"{results.median(name, f'{figure} hooks'):.2%}" if measured_here else "")
        cells += [f"{results.median(name, 'batch beside'):.2%}", f"{results.median(name, 'noise'):.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


SHORT = [_case("jax", "small", "one that does nothing"), _case("jax", "small", "multitrack")]
GROUP = Group("accelerator", [_case(*row) for row in ROWS], page, rounds=5, short=SHORT)
