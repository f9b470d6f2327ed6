"""The HParams tab: a run with params is a session, and a session group of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from multitrack.records import KERAS, Params, Status, number_to_json, typed_params
from multitrack_tensorboard.tags import PARAMS

#: A param as the HParams tab holds it.
HParam = bool | float | str

START: Final = "_hparams_/session_start_info"
END: Final = "_hparams_/session_end_info"
PLUGIN: Final = "hparams"
#: Maximum length of a text in the tab's table, in characters.
LENGTH: Final = 500
# Numbers of Status in TensorBoard's protocol buffers.
_STATUS: Final[dict[Status, int]] = {"finished": 1, "failed": 2, "killed": 2, "running": 3}


def hparams_of(record: Params) -> tuple[dict[str, HParam], list[str]]:
    """Convert params for the tab; return them, and a sentence for each that the tab cannot hold.

    The params that the Keras callback reads from a fit are left out: some thirty, which would hide those of a search.
    """
    params: dict[str, HParam] = {}
    stand_ins: list[str] = []
    if record.source == KERAS:
        return params, stand_ins
    for key, value in typed_params(record).items():
        params[key], problem = _hparam(value, record.values[key])
        if problem is not None:
            stand_ins.append(f"param {key}: {problem} in the HParams tab, exact in the text {PARAMS}")
    return params, stand_ins


def session_start(message: Any, params: Mapping[str, HParam], group: str, time: int) -> bytes:
    """Return the content for a session's start.

    Args:
        message: TensorBoard's ``HParamsPluginData``.
        params: The params.
        group: Name of the session group, unique to the run. Without one, equal params would make one group.
        time: Start time of the run (ms).
    """
    data = message()
    data.session_start_info.group_name = group
    data.session_start_info.start_time_secs = time / 1000
    for key, value in params.items():
        slot = data.session_start_info.hparams[key]
        if isinstance(value, bool):
            slot.bool_value = value
        elif isinstance(value, str):
            slot.string_value = value
        else:
            slot.number_value = value
    content: bytes = data.SerializeToString(deterministic=True)
    return content


def session_end(message: Any, status: Status, time: int) -> bytes:
    """Return the content for a session's end; the tab knows success and failure only."""
    data = message()
    data.session_end_info.status = _STATUS[status]
    data.session_end_info.end_time_secs = time / 1000
    content: bytes = data.SerializeToString(deterministic=True)
    return content


def _hparam(value: Any, plain: Any) -> tuple[HParam, str | None]:
    if isinstance(value, bool):
        return value, None
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return str(value), "a text"
        if math.isfinite(number) and number == value:
            return number, None
        return str(number_to_json(value)), "a text"
    if value is None:
        return "None", None
    text = value if isinstance(value, str) else msgspec.json.encode(plain).decode()
    if len(text) > LENGTH:
        return text[: LENGTH - 1] + "…", f"{len(text)} characters, cut"
    return text, None
