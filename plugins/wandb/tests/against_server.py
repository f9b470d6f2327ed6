"""Checks delivery against any W&B-compatible server: ``WANDB_API_KEY=… python against_server.py --url http://host:port``.

A run to its end, one that goes on, and one whose training and courier are killed: every row must be there once. The
rows are read with W&B's public API, or, where the server does not know that, as the file of the run's history.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from wandb_trainings import kill, start, sync, train

PROJECT = "multitrack-check"


class Server:
    """The server, and where on it the runs are."""

    def __init__(self, url: str, entity: str) -> None:
        self.url, self.entity = url.rstrip("/"), entity
        self.options = json.dumps({"base_url": self.url, "entity": entity, "mode": "online"})

    def losses(self, run_id: str) -> list[tuple[int, float]]:
        """Step and value of each row that it has."""
        return [(row["multitrack/step"], row["loss"]) for row in self._rows(run_id) if "loss" in row]

    def _rows(self, run_id: str) -> list[dict[str, Any]]:
        import wandb

        try:
            api = wandb.Api(overrides={"base_url": self.url})
            return list(api.run(f"{self.entity}/{PROJECT}/{run_id}").scan_history())
        except Exception:
            request = urllib.request.Request(f"{self.url}/files/{self.entity}/{PROJECT}/{run_id}/wandb-history.jsonl")
            key = base64.b64encode(f"api:{os.environ['WANDB_API_KEY']}".encode()).decode()
            request.add_header("Authorization", f"Basic {key}")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return [json.loads(line) for line in answer if line.strip()]
            except OSError:
                return []


def is_once(server: Server, name: str, run_id: str, wanted: list[int], perhaps: int | None = None) -> bool:
    """Print and tell whether each wanted point is there once; one more may be there."""
    deadline = time.monotonic() + 30
    while True:
        found = sorted(server.losses(run_id))
        without = [point for point in found if point[0] != perhaps]
        good = without == [(i, i / 8) for i in wanted] and len(found) - len(without) <= 1
        if good or time.monotonic() > deadline:
            break
        time.sleep(1)  # the server may count later than it answers
    print(f"{'ok  ' if good else 'FAIL'} {name}: {len(found)} rows, {len(set(found))} distinct, of {len(wanted)}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="the server")
    parser.add_argument("--entity", default="default", help="user or team")
    parser.add_argument("--kills", type=int, default=3, help="how often to kill")
    arguments = parser.parse_args()
    server, good = Server(arguments.url, arguments.entity), []
    with tempfile.TemporaryDirectory(prefix="multitrack-check-") as directory:
        place = Path(directory)
        run_id = f"check-{uuid.uuid4().hex[:8]}"
        train(place, run_id, 0, 500, server.options)
        good.append(is_once(server, "to the end", run_id, list(range(500))))
        train(place, run_id, 500, 600, server.options)
        good.append(is_once(server, "continued", run_id, list(range(600))))
        for way in ("sync", "run_id") * arguments.kills:
            run_id = f"check-{uuid.uuid4().hex[:8]}"
            training = start(place, run_id, 0, 1_000_000, server.options, pause=0.005)
            returned = kill(training, place, lambda run_id=run_id: bool(server.losses(run_id)))
            wanted = list(range(returned))
            if way == "run_id":
                train(place, run_id, returned + 1, returned + 51, server.options)
                wanted += range(returned + 1, returned + 51)
            sync(place)
            good.append(is_once(server, f"killed, then {way}", run_id, wanted, perhaps=returned))
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
