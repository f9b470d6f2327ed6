"""Export a journal, and die at the given step: ``kill -9`` before or after a file is created, written, named or deleted.

Run as ``python killed_export.py JOURNAL DATA STEP``; 0 never dies, and prints the number of steps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import multitrack
from multitrack.dataset.stores import LocalStore
from multitrack.export import export
from multitrack.tables.parquet import Writer

steps = 0


def step() -> None:
    global steps
    steps += 1
    if steps == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


def around(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        step()
        found = call(*arguments)
        step()
        return found

    return called


create = LocalStore.create


@contextlib.contextmanager
def creating(store: LocalStore, path: str) -> Iterator[IO[bytes]]:
    step()
    with create(store, path) as file:
        step()
        yield file
        file.flush()
        step()
    step()


def main() -> None:
    LocalStore.create = creating  # type: ignore[method-assign]
    LocalStore.commit = around(LocalStore.commit)  # type: ignore[method-assign]
    LocalStore.delete = around(LocalStore.delete)  # type: ignore[method-assign]
    Writer._write = around(Writer._write)  # type: ignore[method-assign]
    os.replace = around(os.replace)
    export(multitrack.open_journal(sys.argv[1]).runs(), sys.argv[2], keep=0)
    print(steps)


if __name__ == "__main__":
    main()
