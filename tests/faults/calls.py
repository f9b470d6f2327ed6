"""What a training that is to be killed logs: call number ``n`` follows from the seed and ``n`` alone.

So the process that logs need not say what it logged, only how far it came, and whoever compares makes the same calls
again.
"""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple

from multitrack import Run

#: Values of a list that the journal writes in parts: more than 1 MiB of JSON.
LONG = 45_000


class Call(NamedTuple):
    """One call of a ``log_*`` method.

    Attributes:
        method: The method of :class:`multitrack.Run`.
        args: What it is given.
    """

    method: str
    args: tuple[Any, ...]

    def make(self, run: Run) -> None:
        """Make it."""
        getattr(run, self.method)(*self.args)


def call(seed: int, n: int, *, long_at: int = -1) -> Call:
    """Call number ``n`` of the training with this seed; ``long_at`` is the number of one that logs a long list."""
    chance = random.Random(f"{seed}/{n}")
    if n == long_at:
        # 24 characters each, so that few rows of a tracker make a line that is too long for one write.
        return Call("log_list_metric", ("signal", [-(n + 1 + i / LONG + 1 / 7) * 1e-200 for i in range(LONG)]))
    kind = chance.choices(_KINDS, _WEIGHTS)[0]
    match kind:
        case "point":
            return Call("log_metric", ("loss", n + chance.random(), n))
        case "points":
            return Call("log_metrics", ({"acc": chance.random(), "val/acc": -n, "gaps": math.nan}, n))
        case "repeat":  # key, step and value of the one before, and often its millisecond
            return Call("log_metric", ("plateau", 1.0, 0))
        case "simple":
            return Call("log_metric", ("best", n + 0.5))
        case "list":
            return Call("log_list_metric", ("signal", [n + i / 256 for i in range(chance.randint(1, 50))]))
        case "artifact":
            return Call("log_artifact_ref", (f"checkpoint-{n % 4}", f"s3://bucket/checkpoint-{n}", "model"))
        case "lines":
            several = [f"line {n}.{i} grüße 🚀" for i in range(chance.randint(1, 4))]
            return Call("log_lines", (several, chance.choice(("stdout", "stderr", "log"))))
        case "tags":
            return Call("set_tags", ({f"phase-{n % 3}": f"call {n}", "last": str(n)},))
        case _:
            # No float is whole: a server's JSON need not tell 3.0 from 3.
            return Call("log_params", ({f"late/{n}": chance.choice((n, n + 1 / 3, f"text {n}", n % 2 == 0))},))


_KINDS = ("point", "points", "repeat", "simple", "list", "artifact", "lines", "tags", "params")
_WEIGHTS = (50, 10, 8, 6, 8, 3, 10, 3, 2)

#: What every process of the run gives to ``start_run``; the params are recorded by the first one only.
PARAMS: dict[str, Any] = {"lr": 0.001, "model": {"units": 64, "name": "small"}, "shuffle": True}


def start_tags(first: int) -> dict[str, str]:
    """The tags that the process gives to ``start_run`` whose first call is number ``first``."""
    return {"started": f"at call {first}"}
