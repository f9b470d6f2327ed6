"""Services under load, whose workers and couriers are killed at random; one deployment's accuracy drops for a while.

    python tests/faults/serving.py [--seconds 300] [--seed N]

Two deployments with two workers each. At the end, each request that was answered is recorded once, the alert has fired
once within its window and was resolved once, for the deployment that dropped alone, and the monitor's page shows it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent, HERE.parent / "pages"):
    sys.path.insert(0, str(folder))

import multitrack  # noqa: E402
from alert_servers import http_server  # noqa: E402
from browser import Page, chromium  # noqa: E402
from multitrack.monitor import monitor  # noqa: E402
from multitrack.page.render import write_page  # noqa: E402
from multitrack.reading.recorded_run import RecordedRun  # noqa: E402
from multitrack.records import Metric  # noqa: E402
from services import Service, compared, load, loaded, requests_in, runs_of, service  # noqa: E402

DROPS, STAYS = "eu", "us"
#: That so many of ten values of a good model are wrong does not happen by chance.
RULE = "score:mean over {window}s of 10 values < 0.5 by deployment"


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def couriers(home: Path) -> list[int]:
    """The couriers of a directory's runs."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and b"multitrack.courier" in (entry / "cmdline").read_bytes()
                and (entry / "cwd").readlink() == home
            ):
                found.append(int(entry.name))
    return found


class Killer(threading.Thread):
    """Kills a worker or a courier every now and then.

    Attributes:
        kills: How many of each it killed.
    """

    def __init__(self, services: Sequence[Service], home: Path, chance: random.Random, pause: float) -> None:
        super().__init__()
        self.kills: Counter[str] = Counter()
        self._services, self._home, self._chance, self._pause = services, home, chance, pause
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._chance.uniform(0.2, 2) * self._pause):
            kind = self._chance.choice(("worker", "worker", "courier"))
            if kind == "worker":
                found = children(self._chance.choice(self._services).server.pid)
            else:
                found = couriers(self._home)
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._chance.choice(found), signal.SIGKILL)
                    self.kills[kind] += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


class Chaos:
    """One round.

    Attributes:
        wrong: What is wrong, told.
        seen: What came about, counted.
    """

    def __init__(self, home: Path, seconds: float, seed: int, *, rate: float = 40) -> None:
        self.home = home
        self.journal = home / ".multitrack"
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        self.window = max(3, round(seconds / 12))
        chance = random.Random(seed)
        with http_server() as posted, contextlib.ExitStack() as stack:
            (home / "multitrack.toml").write_text(
                f'interval = 0.3\n[[alerts]]\nwhen = "{RULE.format(window=self.window)}"\n'
                f'[notify.webhook]\nurl = "{posted.url}/alerts"\n'
            )
            served = [
                stack.enter_context(service(name, "gunicorn --preload", home, ready=False)) for name in (DROPS, STAYS)
            ]
            for each in served:
                each.wait_until_ready()
            drop = f"{DROPS}:{seconds * 0.3}:{seconds * 0.6}"
            sending = load(
                served, home, "--rate", str(rate), "--concurrency", "16", "--seconds", str(seconds), "--drop", drop
            )
            killer = Killer(served, home, chance, pause=1.0)
            killer.start()
            try:
                sent = loaded(sending, home)
            finally:
                killer.stop()
            for each in served:
                each.stop()
            deadline = time.monotonic() + 60
            while couriers(home):
                self._say(time.monotonic() < deadline, "a courier does not end")
                time.sleep(0.2)
            self.posted = [(headers["Idempotency-Key"], body) for _, headers, body in posted.requests]
        self.seen.update({f"{kind}s killed": count for kind, count in killer.kills.items()})
        runs = {name: runs_of(self.journal, name) for name in (DROPS, STAYS)}
        for name, some in runs.items():
            self._check_requests(name, sent[name], some)
        dropped = times_of(runs[DROPS], set(sent[DROPS]["dropped"]))  # of records: a busy machine sends them later
        self._check_alert(*dropped)
        self._check_page(runs, *dropped)

    def _say(self, good: object, text: str) -> None:
        if not good:
            self.wrong.append(text)

    def _check_requests(self, name: str, sent: dict[str, Any], runs: list[RecordedRun]) -> None:
        found = compared(sent, requests_in(runs))
        self.seen.update({kind: found[kind] for kind in ("answered", "not answered", "not answered but recorded")})
        self._say(not (found["lost"] or found["twice"] or found["of nobody"]), f"{name}: {found}")
        self._say(found["answered"] > 10 * self.window, f"{name} hardly answered: {found}")
        windows = monitor(runs, "score", every="1h", statistics=["count"]).groups[name]
        self._say(
            sum(window.count for window in windows) == found["answered"] + found["not answered but recorded"],
            f"{name}: the monitor has other counts: {windows}",
        )
        statuses = Counter(run.summary().status for run in runs)
        self.seen.update({f"runs {status}": count for status, count in statuses.items()})
        self._say(statuses.keys() <= {"finished", "killed"}, f"{name}: {statuses}")
        self._say(statuses["finished"] <= 2, f"{name}: two workers were left, but {statuses}")

    def _check_alert(self, begin: int, end: int) -> None:
        told: dict[str, dict[str, Any]] = {}
        for key, alert in self.posted:  # a courier that dies between telling and noting it tells again, by the same key
            self._say(told.setdefault(key, alert) == alert, f"{key} is {told[key]} and {alert}")
        self.seen["alerts told again"] += len(self.posted) - len(told)
        states = [(alert["group"], alert["state"]) for alert in told.values()]
        if states != [(DROPS, "firing"), (DROPS, "resolved")]:
            self.wrong.append(f"alerts: {self.posted}")
            return
        fired, resolved = (alert["time"] for alert in told.values())
        self._say(begin < fired <= end, f"fired {fired - begin} ms after the drop, which took {end - begin} ms")
        self._say(end < resolved, f"resolved {resolved - end} ms after the drop")
        self.seen["ms until it fired"] = fired - begin
        self.seen["ms until it was resolved"] = resolved - end

    def _check_page(self, runs: dict[str, list[RecordedRun]], begin: int, end: int) -> None:
        path = self.home / "report.html"
        write_page(path, multitrack.open_journal(self.journal).runs())
        with chromium(self.home / "chromium") as page:
            page.open(f"{path.as_uri()}#view=monitor&metric=score&stat=mean")
            page.wait("!document.querySelector('#monitor').hidden")
            self._say(page.texts("#monitor .legend button") == [DROPS, STAYS], "the page lacks a deployment")
            means = drawn(page)
            page.view("view=monitor&metric=score&stat=count")
            counts = drawn(page)
            self._say(page.troubles() == [], "the page has troubles")
            page.view("view=monitor&metric=score&stat=mean")
            page.shot(self.home / "monitor.png")
        for name, some in runs.items():
            total = sum(count for _, count in counts[name] if count)
            self._say(total == sum(requests_in(some).values()), f"the page has {total} predictions of {name}")
        length = min(
            later - earlier for (earlier, _), (later, _) in zip(counts[STAYS], counts[STAYS][1:], strict=False)
        )
        for name, low in ((DROPS, True), (STAYS, False)):
            within = [
                (mean, count) for (at, mean), (_, count) in zip(means[name], counts[name], strict=True)
                if count and begin <= at and at + length <= end
            ]  # fmt: skip
            mean = sum(mean * count for mean, count in within) / sum(count for _, count in within)
            self.seen[f"per mille right during the drop: {name}"] = round(1000 * mean)
            self._say(mean < 0.4 if low else mean > 0.7, f"the page shows {name} at {mean} during the drop")


def times_of(runs: Sequence[RecordedRun], requests: set[int]) -> tuple[int, int]:
    """The times of the first and the last record of some requests."""
    times = [
        record.time for run in runs for record in run.records()
        if isinstance(record, Metric) and record.values.get("request") in requests
    ]  # fmt: skip
    return min(times), max(times)


def drawn(page: Page) -> dict[str, list[tuple[float, float | None]]]:
    """The points of the graph: a time in milliseconds, and a value."""
    plot = "document.querySelector('#monitor .plot')"
    page.wait(f"{plot}?.data")
    traces = page.js(f"{plot}.data.map((t) => [t.meta, [...t.x].map((x) => +new Date(x)), [...t.y]])")
    return {name: list(zip(x, y, strict=True)) for name, x, y in traces}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="serving.py"
    )
    parser.add_argument("--seconds", type=float, default=300, help="of load (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=40, help="requests a second to each deployment")
    parser.add_argument("--seed", type=int, help="kills in the same order; default: another each time")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    home = Path(tempfile.mkdtemp(prefix="serving-"))
    print(f"seed {seed}, in {home}", flush=True)
    chaos = Chaos(home, options.seconds, seed, rate=options.rate)
    for text in chaos.wrong:
        print(text)
    print(json.dumps(dict(sorted(chaos.seen.items()))))
    if not chaos.wrong:
        shutil.rmtree(home, ignore_errors=True)
    return int(bool(chaos.wrong))


if __name__ == "__main__":
    sys.exit(main())
