"""Describe the machine: system, processor, memory, NVIDIA GPUs and their driver.

Everything comes from ``/proc`` and ``/etc/os-release``, but the memory of GPUs and the CUDA release: these need
``nvidia-smi``, which may take seconds. No library of a GPU is loaded, and no GPU is initialised.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec

from multitrack._text import clean_text
from multitrack.environment import commands
from multitrack.journal.provenance import Gpu, Hardware

#: Timeout of nvidia-smi, in seconds: without a persistent driver it initialises each GPU. With git's, it is below the
#: 10 seconds that the end of a run waits.
_NVIDIA_SMI: Final = 3.5
_LIMIT: Final = 2_000_000
_DRIVER: Final = Path("/proc/driver/nvidia")


def hardware() -> Hardware:
    """Describe the machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return msgspec.structs.replace(_machine(), visible=None if visible is None else clean_text(visible))


@functools.cache
def _machine() -> Hardware:
    """What no run changes; asked once in a process."""
    gpus, driver, cuda = _nvidia()
    return Hardware(
        system=_field("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)') or os.uname().sysname,
        kernel=os.uname().release,
        machine=os.uname().machine,
        cpu=_field("/proc/cpuinfo", r"^(?:model name|Model)\s*:\s*(.*)"),
        cpus=os.cpu_count(),
        usable_cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        memory=int(_field("/proc/meminfo", r"^MemTotal:\s*(\d+) kB") or 0) * 1024 or None,
        gpus=gpus, driver=driver, cuda=cuda,
    )  # fmt: skip


def _nvidia() -> tuple[list[Gpu], str | None, str | None]:
    """The GPUs, the driver's release and that of CUDA."""
    program = shutil.which("nvidia-smi")
    parts: list[bytes] = []

    def take(chunk: bytes) -> bool:
        parts.append(chunk)
        return sum(map(len, parts)) <= _LIMIT

    if program is not None and commands.run([program, "-q"], Path("/"), take, seconds=_NVIDIA_SMI) is None:
        return parse_nvidia_smi(b"".join(parts).decode(errors="replace"))
    names = [_field(path, r"^Model:\s*(.*)") or "unknown" for path in sorted((_DRIVER / "gpus").glob("*/information"))]
    return [Gpu(name) for name in names], _field(_DRIVER / "version", r"Kernel Module.*?\s(\d+\.[\d.]+)"), None


def parse_nvidia_smi(text: str) -> tuple[list[Gpu], str | None, str | None]:
    """Read the output of ``nvidia-smi -q``: the GPUs, the driver's release and that of CUDA."""
    gpus: list[Gpu] = []
    facts: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition(" : "))
        if not colon:
            section = key
        elif key == "Product Name":
            gpus.append(Gpu(value))
        elif key == "Total" and section == "FB Memory Usage" and gpus:
            gpus[-1] = msgspec.structs.replace(gpus[-1], memory=value)
        else:
            facts.setdefault(key, value)
    return gpus, facts.get("Driver Version"), facts.get("CUDA Version")


def _field(path: str | Path, pattern: str) -> str | None:
    """The first match in a small file of the system; None if there is no such file or field."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else None
