"""A process with a real MLflow server behind the proxy of the fault tests, so that neither is in the training's.

    python tests/benchmarks/faulty.py

Prints the proxy's address; each line it is given is the fault that every request meets from then on.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def faulty_mlflow() -> Iterator[tuple[str, Callable[[str], None]]]:
    """Its address, and what switches the fault: ``healthy``, ``hung`` or ``slow``."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    out, back = process.stdin, process.stdout

    def switch(fault: str) -> None:
        out.write(f"{fault}\n")
        out.flush()
        assert back.readline() == f"{fault}\n"

    try:
        yield back.readline().strip(), switch
    finally:
        process.communicate()


def main() -> None:
    sys.path += [str(TESTS), *(str(TESTS.parent / "plugins" / name / "tests") for name in ("mlflow", "wandb"))]
    sys.path.append(str(TESTS / "faults"))
    import proxy
    from sites import MlflowServer, MlflowSite

    faults = {"hung": proxy.hung, "slow": proxy.slow(3)}
    with tempfile.TemporaryDirectory() as scratch:
        server = MlflowServer(Path(scratch))
        try:
            with MlflowSite(server) as site:
                print(site.options["tracking_uri"], flush=True)
                for line in sys.stdin:
                    name = line.strip()
                    if name == "healthy":
                        site.proxy.lift()
                    else:
                        site.proxy.fail(faults[name])
                    print(name, flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
