"""Threads that decode a struct for the first time at once: without ``prepared``, msgspec crashes the process."""

import subprocess
import sys

#: Decodes new structs in four threads at once.
PROGRAM = """
import json, sys, threading
import msgspec
from multitrack.journal.prepared import prepared

sys.setswitchinterval(1e-6)
content = json.dumps({f"f{number}": {"a": 1, "b": {}} for number in range(40)}).encode()
decoded = []


def made():
    class Inner(msgspec.Struct):
        a: int
        b: "dict[str, int]"
        c: "list[str] | None" = None

    return msgspec.defstruct("Outer", [(f"f{number}", Inner | None, None) for number in range(40)])


def decode(kind, barrier):
    barrier.wait()
    decoded.append(msgspec.json.decode(content, type=prepared(kind)).f39.a)


for _ in range(400):
    kind, barrier = made(), threading.Barrier(4)
    threads = [threading.Thread(target=decode, args=(kind, barrier)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(decoded == [1] * 1600)
"""


def test_threads_may_decode_a_prepared_type_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
