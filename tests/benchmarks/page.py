"""docs/performance.md: each group's table between two comments, with where and when it was measured."""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

import bench

PAGE = bench.ROOT / "docs" / "performance.md"
_NAMED = (
    "multitrack",
    "msgspec",
    "pluggy",
    "mlflow",
    "wandb",
    "neptune",
    "keras",
    "tensorflow-cpu",
    "jax",
    "numpy",
    "fastapi",
    "uvicorn",
    "scikit-learn",
    "prometheus-client",
)
_ELSEWHERE = {bench.PEERS: ("swanlab", "tensorboardx", "trackio"), bench.TORCH: ("torch",)}


def write(name: str, text: str, rounds: int) -> None:
    """Put a group's table in its place.

    Raises:
        SystemExit: The page has no place for it.
    """
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    page = PAGE.read_text()
    if begin not in page or end not in page:
        raise SystemExit(f"{PAGE} has no place for {name!r}: put {begin} and {end} where its table belongs")
    head, rest = page.split(begin, 1)
    _, tail = rest.split(end, 1)
    command = f"`python tests/benchmarks --only {name}`"
    times = "1 round" if rounds == 1 else f"{rounds} rounds"
    note = f"{command}, {times}, {datetime.date.today().isoformat()}; {machine()}."
    PAGE.write_text(f"{head}{begin}\n{text.strip()}\n\n{note}\n{end}{tail}")
    bench.tell(f"{name}: written to {PAGE.relative_to(bench.ROOT)}")


def machine() -> str:
    """Versions and machine, in one line."""
    model = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    optimized = "" if "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")) else " built without PGO"
    versions = [f"{name} {version}" for name in _NAMED if (version := _version(name))]
    for python, wanted in _ELSEWHERE.items():
        found = python.parents[1].glob("lib/*/site-packages/*.dist-info")
        names = (each.name.removesuffix(".dist-info").partition("-") for each in found)
        versions += sorted(f"{name} {version}" for name, _, version in names if name.lower() in wanted)
    memory = re.search(r"MemTotal: *(\d+)", _read("/proc/meminfo"))
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model.group(1) if model else platform.machine()}, {_gpus()}"
        f"{int(memory.group(1)) / 2**20 if memory else 0:.0f} GB, Linux {platform.release().split('-')[0]}, "
        f"{_filesystem(tempfile.gettempdir())}, Python {platform.python_version()}{optimized}, {', '.join(versions)}"
    )


def _gpus() -> str:
    """The models of NVIDIA's GPUs, as its driver tells them, each with a comma after it."""
    told = "".join(map(_read, map(str, Path("/proc/driver/nvidia/gpus").glob("*/information"))))
    return "".join(f"{model}, " for model in re.findall(r"^Model:\s*(.*)", told, re.MULTILINE))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _filesystem(path: str) -> str:
    """The type of the filesystem that cases write to."""
    mounts = [line.split()[1:3] for line in _read("/proc/mounts").splitlines()]
    inside = [(len(place), kind) for place, kind in mounts if os.path.commonpath([place, path]) == place]
    return max(inside, default=(0, "unknown filesystem"))[1]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return sys.platform
