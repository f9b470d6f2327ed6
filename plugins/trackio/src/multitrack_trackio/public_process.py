"""A process that writes one batch with Trackio's public functions; see :mod:`multitrack_trackio.public_way`.

It reads the batch as JSON from standard input, and imports nothing but Trackio.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
from typing import Any

_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def main() -> None:
    """Write the batch."""
    batch = json.load(sys.stdin)
    import trackio  # noqa: PLC0415 - the batch is complete first, even if the courier is killed now

    wanted = {
        "project": batch["project"], "name": batch["name"], "config": batch["config"], "resume": "allow",
        "embed": False, "auto_log_gpu": False, "auto_log_cpu": False,
    }  # fmt: skip
    known = inspect.signature(trackio.init).parameters
    trackio.init(**{key: value for key, value in wanted.items() if key in known})
    for row in batch["rows"]:
        values: dict[str, Any] = {key: _NUMBERS.get(value, value) if isinstance(value, str) else value
                                  for key, value in row["values"].items()}  # fmt: skip
        figure = row.get("figure")
        if figure:
            values[figure["key"]] = trackio.Image(figure["source"], caption=figure["caption"])
        trackio.log(values, step=row["step"])
    trackio.finish()


if __name__ == "__main__":
    main()
