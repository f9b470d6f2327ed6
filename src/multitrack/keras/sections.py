"""Record params that an integration sets again: for a second ``fit``, or a search resumed with more trials.

A param is written once, so a later value must not replace the first. One rule holds for ``fit/``, ``optimizer/``,
``model/`` and ``search/``: equal values are not written again, and differing ones go to ``fit/2/…``, the next time to
``fit/3/…``. Such a numbered section holds the differences only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multitrack.recording.run import Run
from multitrack.records import KERAS


def log_section(run: Run, section: str, params: Mapping[str, Any]) -> bool:
    """Record params under ``section/``, and those that differ from it under the first free ``section/<n>/``.

    Args:
        run: The run to record into.
        section: Prefix such as ``fit`` or ``optimizer``.
        params: Values by name; a nested mapping moves to a numbered section as a whole.

    Returns:
        True if any param was new.

    Raises:
        TypeError: A value cannot be converted to plain JSON.
        RunClosedError: The run has ended.
    """
    if run.disabled:
        return False
    with run.integration.lock:  # the comparison must stay true until the write; several fits may run at once
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
