"""Kill searches at any moment, start them again until they end, and compare what is recorded with what KerasTuner knows.

    python tests/faults/searches.py --searches 100
    python tests/faults/searches.py --searches 10 --trackers mlflow,wandb,neptune --seed 7

Each search is a small one without a model, in a process that kills itself by SIGKILL: first at one of
:data:`SITES`, then anywhere among the calls of functions that KerasTuner and multitrack make, half of the time among
those around the begin and the end of a trial, and at its end where it made fewer calls. The first searches, one for
each of the sites, die there and not again, so that what comes of each is seen whatever the seed. Each is started again
until it ends, and then, in the journal (with ``--trackers`` also in what ``multitrack sync`` delivers, by each
tracker's own reader): there is one run of the search; each trial has its attempts, of which the last ended as
KerasTuner says, with its score, and the earlier ones were killed or had failed; there is no run that the notes do not
name, and none that only they name; nothing is recorded twice; the best is named right.

KerasTuner writes its files in place: killed while it does, it cannot read them again, which is counted, and such a search begins
anew with ``overwrite=True``. Exit status: 0 all right; 1 not.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras_tuner
from keras_tuner.src.engine.trial import Trial

import multitrack
from compare import Expected, compare_tracker
from multitrack import keras_tuner as tuners
from multitrack.reading.delivery import report_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines, Metric, Params, Tags
from trackers import QUIET, TRACKERS, Served, environment

TRIALS = 4
#: What a search's process exits with where KerasTuner cannot read its own files.
TORN = 42
#: Where each search dies first, in turn: file, function, at its call or return, and at the how manieth.
SITES = (
    (
        "multitrack/keras_tuner/search.py",
        "end_trial",
        "call",
        1,
    ),  # KerasTuner has ended the first trial, and will not run it again
    ("multitrack/keras_tuner/search.py", "end_trial", "call", 3),
    ("multitrack/keras_tuner/trial.py", "log_result", "return", 2),  # the score is there, the end is not
    ("multitrack/keras_tuner/notes.py", "begin", "return", 2),  # an attempt is noted, its run has not begun
    ("multitrack/keras_tuner/search.py", "_save_notes", "return", 1),  # and the same of the search's run
    ("oracle.py", "end_trial", "return", 2),  # it has, but would run the trial again
    ("multitrack/keras_tuner/search_run.py", "refer_to_best", "return", 1),  # all is done but the end
)
#: Functions around which it is most likely to die.
AROUND = ("begin", "on_trial_begin", "on_trial_end", "end")


class Bowl(keras_tuner.RandomSearch):
    """A black box: a bowl with noise, which fails now and then."""

    chance = random.Random()
    failing = 0.15

    def run_trial(self, trial: Any) -> float:
        x = trial.hyperparameters.Float("x", -1, 1)
        run = multitrack.active_run()
        for step in range(3):
            run.log_metric("seen", x + step, step=step)
        run.log_lines(f"x is {x}")
        if self.chance.random() < self.failing:
            raise ZeroDivisionError("now and then")
        return float(x * x + 0.01 * self.chance.random())


class Death:
    """Kills this process at the n-th call, return, or call of a built-in function within KerasTuner and multitrack."""

    def __init__(self, nth: int, *, around: bool = False, site: tuple[str, str, str] | None = None) -> None:
        self.left = nth
        self.around = around
        self.site = site
        self.inside = 0

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if "multitrack" not in code.co_filename and "keras_tuner" not in code.co_filename:
            return
        if code.co_name in AROUND and event in ("call", "return"):
            self.inside += 1 if event == "call" else -1
        if self.site is not None:
            due = code.co_filename.endswith(f"/{self.site[0]}") and (code.co_name, event) == self.site[1:]
        else:
            due = not self.around or self.inside > 0
        if due:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def search(directory: Path, noise: str, seed: int, death: Death | None, *, overwrite: bool) -> None:
    """One process of a search, up to its end or its death."""
    os.chdir(directory)
    Bowl.chance.seed(noise)
    if death is not None and death.site is not None:  # so that a trial is there to be completed, or to be run again
        Bowl.failing = 0
    sys.setprofile(death)
    try:
        tuner = tuners.tracked(Bowl)(
            objective=keras_tuner.Objective("default_objective", "min"), max_trials=TRIALS, seed=seed,
            max_retries_per_trial=1, max_consecutive_failed_trials=99, directory="tuning", project_name="bowl",
            overwrite=overwrite,
        )  # fmt: skip
    except ValueError:  # JSON
        os._exit(TORN)
    tuner.oracle.verbose = 0
    tuner.search()
    sys.setprofile(None)
    if death is not None and death.site is None:  # it was to die later than there was anything to do
        os.kill(os.getpid(), signal.SIGKILL)
    multitrack.recording.couriers.stop_couriers()


def forked(directory: Path, noise: str, seed: int, death: Death | None, *, overwrite: bool = False) -> int:
    """The same in a process of its own; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            log = os.open(directory / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            search(directory, noise, seed, death, overwrite=overwrite)
            sys.stdout.flush()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Killed:
    """One search, killed several times.

    Attributes:
        kills: How often it was.
        torn: How often KerasTuner could not read its files.
        wrong: What is wrong, told.
        seen: What came about, counted.
    """

    def __init__(self, directory: Path, seed: int, kills: int, served: dict[str, Served]) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.served = served
        self.kills = self.torn = 0
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        chance = random.Random(seed)
        tables = {TRACKERS[name].backend: made.options(directory) for name, made in served.items()}
        lines = [f'project = "searches"\nbackends = {json.dumps(list(tables))}\ninterval = 0.2\n']
        lines += [] if tables else ['delivery = "off"\n']
        for backend, options in tables.items():
            lines += [f"[{backend}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in options.items())]
        (directory / "multitrack.toml").write_text("".join(lines))
        file, function, event, nth = SITES[seed % len(SITES)]
        overwrite, processes = False, 0
        while True:
            around = chance.random() < 0.5
            death = None
            if not processes:
                death = Death(nth - 1, site=(file, function, event))
            elif self.kills < kills:
                death = Death(chance.randrange(1, 1500 if around else 9000), around=around)
            status = forked(directory, f"{seed} {processes}", seed, death, overwrite=overwrite)
            processes += 1
            overwrite = status == TORN
            self.torn += status == TORN
            self.kills += status == -signal.SIGKILL
            if processes == 1 and status != -signal.SIGKILL:
                self._say(False, f"it ended with {status}, and never came to {event} {nth} of {function} in {file}")
                return
            if status == 0:
                break
            if status not in (TORN, -signal.SIGKILL):
                self.wrong.append(f"exit status {status}: {(directory / 'output.log').read_text()[-3000:]}")
                return
            time.sleep(chance.choice((0, 0, chance.random())) if served else 0)
        self._check()
        if served:
            self._check_trackers()

    def _say(self, good: object, text: str) -> None:
        if not good:
            self.wrong.append(text)

    def _check(self) -> None:
        notes = json.loads((self.directory / "tuning/bowl/multitrack.json").read_text())
        runs = {run.id: run for run in multitrack.open_journal(self.directory / ".multitrack").runs()}
        ours = {run.id for run in runs.values() if run.manifest.group == notes["search"]}
        noted = {run_id for attempts in notes["trials"].values() for run_id in attempts}
        self._say(ours == noted | {notes["parent"]}, f"runs {sorted(ours)}, notes {notes}")
        self._say(self.torn or len(ours) == len(runs), f"runs of nobody: {sorted(runs.keys() - ours)}")
        parent = runs[notes["parent"]]
        for run_id in noted & ours:
            self._say(runs[run_id].manifest.parent == parent.id, f"{run_id} has another parent")
        scores, checked, lost, withdrawn = {}, 0, 0, 0
        ended = Counter(json.loads((self.directory / "tuning/bowl/oracle.json").read_text())["end_order"])
        for path in sorted((self.directory / "tuning/bowl").glob("trial_*/trial.json")):
            trial = Trial.load(str(path))
            attempts = [runs[run_id] for run_id in notes["trials"].get(trial.trial_id, ()) if run_id in runs]
            if not attempts:  # killed between two of KerasTuner's files, it loses a trial that it has just made
                lost += 1
                self.seen["lost by KerasTuner"] += 1
                self._say(trial.status == "RUNNING", f"trial {trial.trial_id} is {trial.status} and has no run")
                continue
            checked += 1
            withdrawn += sum(run.summary().status == "finished" for run in attempts[:-1])
            self._check_trial(trial, attempts, again=ended[trial.trial_id] - 1)
            if trial.status == "COMPLETED":
                scores[trial.trial_id] = trial.score
        self._say(checked + lost == TRIALS, f"{checked} trials have runs, {lost} were lost, of {TRIALS}")
        self._check_parent(parent, scores, notes, withdrawn)

    def _check_trial(self, trial: Any, attempts: list[RecordedRun], again: int) -> None:
        where = f"trial {trial.trial_id}"
        names = [f"{where.replace(' ', '-')}" + (f"-a{n}" if n > 1 else "") for n in range(1, len(attempts) + 1)]
        self._say([run.manifest.name for run in attempts] == names, f"{where}: {[r.manifest.name for r in attempts]}")
        *earlier, last = [run.summary() for run in attempts]
        for before in earlier:
            self.seen[f"attempt {before.status}"] += 1
            if before.status == "finished":  # killed while it ends an invalid trial, KerasTuner queues it twice
                again -= 1
            self._say(before.status in ("killed", "failed") or again >= 0, f"{where}: an earlier one {before.status}")
        self._say(last.tags.get("keras_tuner/status") == trial.status, f"{where}: {last.tags}, not {trial.status}")
        self._say(last.status == {"COMPLETED": "finished", "FAILED": "failed"}[trial.status], f"{where}: {last.status}")
        if trial.status == "COMPLETED":
            found = (last.metrics.get("score"), last.metrics.get("default_objective"))
            self._say(found[0] == found[1] == trial.score, f"{where}: scores {found}, not {trial.score}")
        else:
            lines = [line.text for line in attempts[-1].get_lines()]
            self._say("ZeroDivisionError: now and then" in lines, f"{where}: no traceback in {lines}")
            self._say("score" not in last.metrics, f"{where}: a score, though it failed")
        self._say(last.params == trial.hyperparameters.values, f"{where}: params {last.params}")
        for run in attempts:
            self._check_once(run)
            self.seen["completed afterwards"] += len(list(run.directory.glob("*.jsonl"))) > 1

    def _check_once(self, run: RecordedRun) -> None:
        """Nothing is recorded twice."""
        found: Counter[object] = Counter()
        for record in run.records():
            match record:
                case Metric(step=None):
                    found.update(record.values.keys())
                case Metric():
                    found.update((name, record.step) for name in record.values)
                case Params():
                    found.update(("param", name) for name in record.values)
                case Tags():
                    found.update(("tag", *item) for item in record.values.items())
                case Lines():
                    found.update(("line", text) for text in record.lines if "ZeroDivision" in text or "x is" in text)
        twice = [what for what, count in found.items() if count > 1]
        self._say(not twice, f"run {run.id} ({run.manifest.name}) has twice: {twice}")

    def _check_parent(
        self, parent: RecordedRun, scores: dict[str, float], notes: dict[str, Any], withdrawn: int
    ) -> None:
        summary = parent.summary()
        self._say(summary.status == "finished" and not summary.mistakes, f"the search's run: {summary}")
        self._say(not any("search/2" in name for name in summary.params), f"the search's params: {summary.params}")
        written = [
            record.values["best_score"]
            for record in parent.records() if isinstance(record, Metric) and "best_score" in record.values
        ]  # fmt: skip
        # The best is taken back where KerasTuner runs its trial again, which then fails or scores worse.
        rises = sum(later >= before for before, later in itertools.pairwise(written))
        self._say(rises <= withdrawn, f"best scores {written}, with {withdrawn} completed trials run again")
        if scores:
            best = min(scores, key=lambda key: scores[key])
            named = summary.tags.get("best_trial"), summary.tags.get("best_run"), summary.metrics.get("best_score")
            expected = best, notes["trials"][best][-1], scores[best]
            self._say(named == expected, f"the best is {named}, not {expected}")

    def _check_trackers(self) -> None:
        here = Path.cwd()
        os.chdir(self.directory)
        try:
            multitrack.sync(self.directory / ".multitrack")
            for run in multitrack.open_journal(self.directory / ".multitrack").runs():
                report = report_of(run)
                self._say(len(report) == len(self.served) and report.complete, f"run {run.id}: {report}")
                expected = Expected()
                for record in run.records():
                    expected.take(record)
                for name, served in self.served.items():
                    native = served.read(self.directory, run.id, run.lanes()[TRACKERS[name].backend].id or "")
                    misses = compare_tracker(native, expected, TRACKERS[name].capabilities)
                    self.wrong += [f"{name}, run {run.id}: {text}" for text in misses.told]
                    self._say(native.status == run.summary().status, f"{name}, run {run.id} is {native.status}")
                    self._say(bool(native.parent) == bool(run.manifest.parent), f"{name}, {run.id}: {native.parent}")
        finally:
            os.chdir(here)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="searches.py"
    )
    parser.add_argument("--searches", type=int, default=50, help="how many (default: %(default)s)")
    parser.add_argument(
        "--kills", type=int, default=6, help="how often each but the first is killed (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="repeats the same searches; default: another each time")
    parser.add_argument("--trackers", default="", metavar="A,B", help=f"any of {', '.join(TRACKERS)}; default: none")
    options = parser.parse_args(arguments)
    names = [name for name in options.trackers.split(",") if name]
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    root = Path(tempfile.mkdtemp(prefix="searches-"))
    print(f"seed {seed}, in {root}", flush=True)
    os.environ.update(QUIET)
    os.environ.update(environment(root))
    total: Counter[str] = collections.Counter()
    wrong = 0
    with_servers = {name: TRACKERS[name].serve(root) for name in names}
    served = {name: server.__enter__() for name, server in with_servers.items()}
    for number in range(options.searches):
        kills = 1 if number < len(SITES) else options.kills
        one = Killed(root / str(number), seed * 1000 + number, kills, served)
        total.update(kills=one.kills, searches=1, **{"torn by KerasTuner": one.torn}, **one.seen)
        for text in one.wrong:
            print(f"search {number}, seed {seed}: {text}", flush=True)
        wrong += bool(one.wrong)
    for server in with_servers.values():
        server.__exit__(None, None, None)
    print(", ".join(f"{count} {what}" for what, count in sorted(total.items())))
    print(f"{wrong} searches are wrong")
    if not wrong:
        shutil.rmtree(root, ignore_errors=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
