"""Instructions of one call, counted by callgrind: the same on a busy machine, so that small changes can be told.

    python tests/benchmarks/instructions.py              needs valgrind
    python tests/benchmarks/instructions.py --only write,log_metric

Counted as the difference between two processes that make some calls and some more, divided by how many more. An import
is the difference between a process with it and one without. The kernel's side of ``write`` is not counted:
its share of the time is in the benchmark ``call``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETUP = """
import os, sys, time, threading
import multitrack, msgspec
run = multitrack.start_run("bench", config={"delivery": "off"}, backends=[])
out = os.open("bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
write, log, encoder, x = os.write, run.log_metric, msgspec.json.Encoder(), 0.3141592653589793
line = b'{"record":"metric","time":1763716261123,"values":{"loss":0.3141592653589793},"step":12345}\\n'
many = {f"metric_{i}": x + i for i in range(10)}
multitrack.recording.lifecycle.join_context(run)  # a thread would be counted
log("loss", x, 0); run.log_metrics(many, 0)
"""
CALLS = {
    "nothing": "pass",
    "write": "write(out, line)",
    "a JSON line by hand": """write(out, encoder.encode(
        {"record": "metric", "time": time.time_ns() // 1000000, "values": {"loss": x}, "step": i}) + b"\\n")""",
    "log_metric": 'log("loss", x, i)',
    "log_metric by keyword": 'log("loss", x, step=i)',
    "log_metric without step": 'log("simple", x)',
    "log_metrics of 10": "run.log_metrics(many, i)",
    "log_lines of 1": 'run.log_lines("epoch 1: loss 0.3141, accuracy 0.93, 12 s")',
}
#: What is counted once, and what the other process does.
ONCE = {
    "import multitrack": ("import multitrack", "pass"),
    "import msgspec, pluggy": ("import msgspec, pluggy", "pass"),
}


def of_process(code: str) -> int:
    """Instructions of a whole process, whose modules are compiled already."""
    code += "\nimport os; os._exit(0)"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        for prefix in ([], ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out"]):
            done = subprocess.run(
                [*prefix, sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=True,
                env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "PYTHONPATH": str(HERE.parent.parent / "src")},
            )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found.group(1))


def instructions(call: str, times: int) -> int:
    """Instructions of a process that makes so many calls."""
    # Only what happens inside of functools.reduce is counted, which nothing else here calls.
    code = f"{SETUP}\ndef step(_, i):\n    {call}\nimport functools\nfunctools.reduce(step, range({times}), None)\nos._exit(0)"
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=functools_reduce", f"--callgrind-out-file={directory}/out", sys.executable, "-c", code],
            cwd=directory, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "PYTHONPATH": str(HERE.parent.parent / "src")},
        )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found.group(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of: {', '.join([*CALLS, *ONCE])}")
    parser.add_argument(
        "--calls", type=int, default=4000, help="how many more the second process makes (default: 4000)"
    )
    given = parser.parse_args()
    wanted = re.split(r",(?! )", given.only) if given.only else [*CALLS, *ONCE]
    if unknown := set(wanted) - {*CALLS, *ONCE}:
        parser.error(f"--only: no call {', '.join(sorted(unknown))}")
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed")
    print("| call | instructions |\n|---|---|")
    for name in wanted:
        if name in ONCE:
            done, without = map(of_process, ONCE[name])
            print(f"| {name} | {done - without:,} |", flush=True)
            continue
        more, some = instructions(CALLS[name], 1000 + given.calls), instructions(CALLS[name], 1000)
        print(f"| {name} | {(more - some) / given.calls:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
