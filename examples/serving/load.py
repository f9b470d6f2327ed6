"""Sends digits with their true labels to services, and says what was answered.

    python load.py eu=http://127.0.0.1:8001 us=http://127.0.0.1:8002 --rate 50 --seconds 60 --drop eu:20:40

``--drop eu:20:40``: from second 20 to 40, the labels sent to ``eu`` are wrong, as if its model had become worse.
"""

import argparse
import asyncio
import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import httpx
from sklearn.datasets import load_digits

IMAGES, LABELS = (part[1200:].tolist() for part in load_digits(return_X_y=True))  # the others are the training data


class Deployment:
    """Requests to one service, and what became of them."""

    def __init__(self, name: str, url: str, drop: tuple[float, float]) -> None:
        self.name, self.url, self.drop = name, url, drop
        self.answered: list[int] = []
        self.unanswered: list[int] = []
        self.latencies: list[float] = []
        self.workers: set[int] = set()
        self.dropped: list[int] = []
        self.first = random.SystemRandom().randrange(2**20) * 10**9  # no two loads send the same numbers

    async def run(self, seconds: float, rate: float, concurrency: int) -> None:
        """Send ``rate`` requests a second, each when it is due; later, if ``concurrency`` others wait for answers."""
        begun, numbers = time.monotonic(), itertools.count()
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as client:

            async def send() -> None:
                while (due := (number := next(numbers)) / rate) < seconds:
                    await asyncio.sleep(begun + due - time.monotonic())
                    await self.ask(client, number, dropped=self.drop[0] <= due < self.drop[1])

            await asyncio.gather(*(send() for _ in range(concurrency)))

    async def ask(self, client: httpx.AsyncClient, number: int, *, dropped: bool) -> None:
        """Send one image. A request without an answer is not repeated: it may have been recorded."""
        i, request = random.randrange(len(IMAGES)), self.first + number
        label = (LABELS[i] + dropped) % 10
        self.dropped += [request] * dropped
        sent = time.perf_counter()
        try:
            answer = await client.post("/predict", json={"pixels": IMAGES[i], "label": label, "request": request})
            answer.raise_for_status()
        except httpx.HTTPError:  # the worker died
            self.unanswered.append(request)
            await asyncio.sleep(0.05)
        else:
            self.latencies.append(time.perf_counter() - sent)
            self.workers.add(answer.json()["worker"])
            self.answered.append(request)

    def result(self) -> dict[str, Any]:
        ordered = sorted(self.latencies) or [float("nan")]
        p50, p99 = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99))
        return {"answered": self.answered, "unanswered": self.unanswered, "dropped": self.dropped,
                "workers": len(self.workers), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}  # fmt: skip


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deployments", nargs="+", metavar="NAME=URL", help="a deployment and its address")
    parser.add_argument("--rate", type=float, default=50, help="requests a second to each deployment")
    parser.add_argument("--concurrency", type=int, default=8, help="most requests at once to each deployment")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--drop", default="", metavar="NAME:FROM:TO", help="when the labels of a deployment are wrong")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers of all requests")
    arguments = parser.parse_args()
    dropped, *times = arguments.drop.split(":")
    drops = {dropped: tuple(map(float, times))} if times else {}
    deployments = [Deployment(name, url, drops.get(name, (0.0, 0.0)))
                   for name, _, url in (text.partition("=") for text in arguments.deployments)]  # fmt: skip
    await asyncio.gather(*(each.run(arguments.seconds, arguments.rate, arguments.concurrency) for each in deployments))
    results = {each.name: each.result() for each in deployments}
    for name, told in results.items():
        print(f"{name}: {len(told['answered'])} answered by {told['workers']} workers, {len(told['unanswered'])} not, "
              f"p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms")  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main())
