"""Handlers of namespaces, series in one call, texts as a series, and values that are replaced or removed."""

import datetime

import neptune
from neptune.utils import stringify_unsupported

run = neptune.init_run(project="team/digits")
params = run["params"]
params["model"] = stringify_unsupported({"layers": [1, 2], "bias": True, "nothing": None})
params["model/units"] = 32
params["model/units"] = 64
params["model/units"].assign(128)
params["started"] = datetime.datetime(2024, 1, 2, 3, 4, 5)
run["gone"] = 1
del run["gone"]
run["metrics/loss"].extend([1.0, 0.5, 0.25], steps=[0, 1, 2])
run["metrics"].append({"a": 1.0, "b": 2.0}, step=0)
run["said"].append("hello")
run["said"].extend(["brave", "world"])
run.wait()
run.stop()
print("stopped")
