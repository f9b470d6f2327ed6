"""Handles of namespaces, values without a type, texts, and the end by a block."""

import neptune
from neptune.utils import stringify_unsupported

with neptune.init_run(project="team/digits", capture_hardware_metrics=False, capture_stdout=False) as run:
    train = run["train"]
    train["loss"].append(0.5)
    train["loss"].append(0.25)
    train["inner"]["deep/er"].append(7, step=3)
    train["notes"].append("begin")
    train["notes"].extend(["more", "end"])
    run["setup"] = stringify_unsupported(
        {"shape": [28, 28], "callback": None, "ok": False, "rate": 0.5, "n": {"m": (1,)}}
    )
    run["single"] = stringify_unsupported([1, 2])
    run["/odd//path/"] = 3
    run.assign({"direct": {"a": 1}, "b": "text"})
    run["handle"].assign("by assign")
    assert run.exists("train/loss")
    assert not run.exists("train/nothing")
    assert "loss" in run.get_structure()["train"]
