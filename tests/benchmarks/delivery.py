"""How fast records reach a tracker: against the best that can be written by hand, and against calling it point by point.

Ours is a lane, as every courier drives it: it reads a run's journal from its start, delivers, and ends the run in the
tracker. Importing the SDK and opening the run are timed by themselves, on both sides. Whatever was written is counted
afterwards by the tracker's own reader.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import Case, Figures, Group, Results
from byhand import Mlflow, Neptune, Row, Tracker, Wandb
from seen import COURIERS, LATENCIES, seen_page

#: Keys a record.
SHAPES = (1, 10)


@dataclasses.dataclass(frozen=True)
class Way:
    """A tracker, and how much is sent there.

    Attributes:
        shown: What tables call it.
        make: Makes the tracker.
        points: How many points are delivered, and written by hand, with as many keys a record as each shape says.
        naive: How many are written point by point.
    """

    shown: str
    make: Callable[[], Tracker]
    points: int
    naive: int

    def named(self, who: str) -> str:
        """The name of a case."""
        return f"{self.shown}, {who}"


WAYS = (
    Way("MLflow on SQLite", lambda: Mlflow(http=False), 10_000, 200),
    Way("MLflow server", lambda: Mlflow(http=True), 10_000, 100),
    Way("W&B offline", lambda: Wandb(online=False), 20_000, 5_000),
    Way("W&B online (stand-in)", lambda: Wandb(online=True), 20_000, 5_000),
    Way("Neptune offline", Neptune, 200_000, 20_000),
)


def ours(way: Way) -> Callable[[float], Figures]:
    """From the first record until the run is ended there."""

    def timed(tracker: Tracker, run: Any) -> tuple[float, Figures]:
        from multitrack.delivery.lane import Lane
        from multitrack.journal.manifest import read_manifest

        (entry,) = read_manifest(run.directory).backends
        lane = Lane(run.directory, entry, notice=_fail)
        begun = time.perf_counter()
        while not lane.opened:
            lane.step()
        opened, cpu = time.perf_counter(), time.process_time()
        while not lane.done:
            lane.step()
        figures = {"all": time.perf_counter() - opened, "cpu": time.process_time() - cpu}
        lane.release()
        tracker.id = lane.state.id or ""
        return opened - begun, figures

    return _each_shape(way, way.points, timed)


def by_hand(way: Way, how: str) -> Callable[[float], Figures]:
    """The same data, without us: ``how`` is ``best`` or ``naive``."""

    def timed(tracker: Tracker, run: Any) -> tuple[float, Figures]:
        rows = rows_of(run)
        begun = time.perf_counter()
        tracker.open(run.id)
        opened, cpu = time.perf_counter(), time.process_time()
        getattr(tracker, how)(rows)
        tracker.close()
        return opened - begun, {"all": time.perf_counter() - opened, "cpu": time.process_time() - cpu}

    return _each_shape(way, way.points if how == "best" else way.naive, timed)


def _each_shape(
    way: Way, full: int, timed: Callable[[Tracker, Any], tuple[float, Figures]]
) -> Callable[[float], Figures]:
    def run(scale: float) -> Figures:
        points = max(100, int(full * scale))
        figures: Figures = {}
        with way.make() as tracker:
            for keys in SHAPES:
                recording = recorded(tracker, keys, points)
                opened, took = timed(tracker, recording)
                figures.setdefault("open", opened)  # the first one imports the SDK
                figures |= {f"{keys} {name}": value / points for name, value in took.items()}
                found = tracker.count(recording.id)
                assert found == points, f"{found} instead of {points} points arrived"
        return figures

    return run


def recorded(tracker: Tracker, keys: int, points: int) -> Any:
    """A run in a journal, ended, with nothing delivered yet."""
    import multitrack

    config = {"delivery": "off", tracker.name: tracker.options}
    chance = random.Random(0)
    names = [f"metric_{i}" for i in range(keys)]
    with multitrack.start_run("bench", run_id=f"keys-{keys}", backends=[tracker.name], config=config) as run:
        for step in range(points // keys):
            run.log_metrics({name: chance.random() for name in names}, step=step)
    return run


def rows_of(run: Any) -> list[Row]:
    """What was recorded, as our plugins get it."""
    from multitrack.reading.recorded_run import RecordedRun
    from multitrack.records import Metric

    records = RecordedRun(Path(run.directory)).records()
    return [Row(one.step or 0, one.time, one.numbers) for one in records if isinstance(one, Metric)]


def _fail(problem: str) -> None:
    raise AssertionError(problem)


OURS, BEST, NAIVE = "multitrack", "by hand", "point by point"
RATES = tuple(
    Case(way.named(who), run)
    for way in WAYS
    for who, run in ((OURS, ours(way)), (BEST, by_hand(way, "best")), (NAIVE, by_hand(way, "naive")))
)


def page(results: Results) -> str:
    rows = [
        "| tracker | keys a record | points a second | µs a point | by hand | × as fast as by hand | × as fast as point by point |",
        "|---|---|---|---|---|---|---|",
    ]
    costs = [
        "| tracker | CPU of the process that delivers, µs a point, 1 key | by hand | 10 keys | by hand | import and open, s | by hand |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        mine, best, naive = map(way.named, (OURS, BEST, NAIVE))
        if mine not in results:
            continue
        for keys in SHAPES:
            took = f"{keys} all"
            rows.append(
                f"| {way.shown} | {keys} | {1 / results.median(mine, took):,.0f} | {results.spread(mine, took, 1e6)} | "
                f"{results.spread(best, took, 1e6)} | {results.ratio(best, took, mine)} | "
                f"{statistics.median(results.ratios(naive, took, mine)):.1f} |"
            )
        figures = [f"{results.median(who, f'{keys} cpu') * 1e6:.1f}" for keys in SHAPES for who in (mine, best)]
        figures += [f"{results.median(who, 'open'):.1f}" for who in (mine, best)]
        costs.append(f"| {way.shown} | {' | '.join(figures)} |")
    by_hand_is = "; ".join(f"{way.shown}, {way.make().best_is}, against {way.make().naive_is}" for way in WAYS)
    return "\n".join([*rows, "", f"By hand and point by point: {by_hand_is}.", "", *costs, "", seen_page(results)])


#: Without servers: W&B and Neptune, and MLflow for how soon points are seen.
SHORT = (*RATES[6:9], *RATES[12:], LATENCIES[0], LATENCIES[1], COURIERS[0])
GROUP = Group("delivery", (*RATES, *LATENCIES, *COURIERS), page, rounds=5, short=SHORT)
