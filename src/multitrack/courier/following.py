"""Follow the orders of a training process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from multitrack.courier.loop import Courier
from multitrack.courier.orders import Ending
from multitrack.security.redaction import Redactor, secret_values


def follow(order: dict[str, Any], courier: Courier, ending: Ending, redactor: Redactor) -> None:
    """Follow one order, but for those that concern the whole process: its environment and its priority.

    Args:
        order: The order (:mod:`multitrack.courier.orders`).
        courier: The courier of the training process.
        ending: Takes its runs, and how long to go on after it.
        redactor: Takes the secrets in the runs' options.
    """
    if "path" in order:
        ending.path = order["path"]
        sys.path.extend(part for part in order["path"] if part not in sys.path)
    if "add" in order:
        directory = Path(order["add"])
        ending.runs[directory] = order
        for options in order.get("options", {}).values():
            redactor.add(secret_values(options))
        courier.add(directory, order.get("options"), interval=order.get("interval", 1.0))
        if alerts := order.get("alerts"):
            courier.watch(directory, alerts, order.get("interval", 1.0))
        if seconds := order.get("compact"):
            courier.compact(directory, seconds)
    if "replace" in order:
        ending.replace.set()
    if "nudge" in order or "replace" in order:
        courier.nudge()
    if "stop" in order:
        ending.limit = float(order["stop"])
