"""Params that an integration states again: a second ``fit``, a search resumed with more trials.

A param is written once, so a later statement must not touch the first. One rule holds for ``fit/``,
``optimizer/``, ``model/`` and ``search/``: what is as before is not written again, and what differs goes
to ``fit/2/…``, the next time to ``fit/3/…``. Such a numbered section holds the differences only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multitrack.recording.run import Run
from multitrack.records import KERAS


def log_section(run: Run, section: str, params: Mapping[str, Any]) -> bool:
    """Record params under ``section/``, or what differs from there under the first ``section/<n>/`` that is free.

    Args:
        run: Where to.
        section: ``fit``, ``optimizer`` and so on.
        params: By name; a nested mapping moves to a numbered section as a whole.

    Returns:
        Whether anything was new.

    Raises:
        TypeError: A value has no plain form.
        RunClosedError: The run has ended.
    """
    if run.disabled:
        return False
    with run.integration.lock:  # what is the same must not become another one meanwhile: several fits may run at once
        return _log(run, section, params)


def _log(run: Run, section: str, params: Mapping[str, Any]) -> bool:
    same = {
        key: value for key, value in params.items() if not run.integration.would_change({f"{section}/{key}": value})
    }
    before = run.integration.param_count
    if same:
        run.log_params({section: same}, source=KERAS)
    changed = {key: value for key, value in params.items() if key not in same}
    number = 2
    while any(run.integration.would_change({f"{section}/{number}/{key}": value}) for key, value in changed.items()):
        number += 1
    if changed:
        run.log_params({f"{section}/{number}": changed}, source=KERAS)
    return run.integration.param_count > before
