"""Where a session goes on, and whether W&B took all of it: by what was acknowledged, and by what the server says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from multitrack.errors import DeniedError
from multitrack_wandb import held
from multitrack_wandb.errors import CREDENTIAL, SessionLostError, is_denial, plain
from multitrack_wandb.names import STEP
from multitrack_wandb.session_files import Taken

if TYPE_CHECKING:
    import wandb


class Resumed(NamedTuple):
    """Where a session goes on.

    Attributes:
        rows: Number of the first row that is sent.
        lines: Number of the first line that is sent.
        shift: How much further on W&B's own count of steps is, because somebody else logs to the run.
        said: A sentence for each thing that is not certain.
        is_again: Whether rows or lines come that were sent before.
    """

    rows: int = 0
    lines: int = 0
    shift: int = 0
    said: tuple[str, ...] = ()
    is_again: bool = False


def where_to_go_on(run: wandb.Run, taken: Taken, *, is_ours: bool) -> Resumed:
    """Where a session online goes on, so that no row comes twice and none is missing.

    The SDK's own answer counts where it lies between what was acknowledged and what was on its way besides. Then it is
    exact, and it is also where the SDK places the next row. Everywhere else, what was acknowledged counts.

    Args:
        run: The run, just started.
        taken: What is known of earlier sessions.
        is_ours: False where W&B has another run of this id, which the SDK took for it.
    """
    if not run.resumed and taken == Taken():
        return Resumed()
    step = run.starting_step
    answer = held.ask_of(run)
    if taken.most_rows is None or taken.most_lines is None:  # nothing was noted, or not all
        ours = is_ours and (answer.tail is None or STEP in answer.tail)
        rows, lines = max(taken.rows, step if ours else 0), max(taken.lines, (answer.lines or 0) if ours else 0)
        return Resumed(rows, lines, max(0, step - rows), _shift_sentences(step, rows))
    said: tuple[str, ...] = ()
    rows, lines = taken.rows, taken.lines
    if run.resumed and answer.lines is not None and lines <= answer.lines <= taken.most_lines:
        lines = answer.lines
    if run.resumed and rows <= step <= taken.most_rows:
        rows = step
    elif 0 < step < rows:
        said = (f"W&B went on at row {step}, though it had acknowledged {rows} rows",)
        rows = step
    elif (rows, lines) != (taken.most_rows, taken.most_lines):  # some were on their way when delivery was cut off
        rows_there, lines_there = held.in_files(run)
        if rows_there is not None and rows <= rows_there <= taken.most_rows:
            rows = rows_there
            lines = lines_there if lines_there is not None and lines <= lines_there <= taken.most_lines else lines
        else:
            said = (
                f"W&B does not say whether it has rows {rows} to {taken.most_rows - 1} and lines {lines} to "
                f"{taken.most_lines - 1}, which were on their way when delivery was cut off: they were sent again",
            )
    is_again = (rows, lines) != (taken.most_rows, taken.most_lines)
    return Resumed(rows, lines, max(0, step - rows), (*said, *_shift_sentences(step, rows)), is_again)


def check_taken(run: wandb.Run, directory: Path, resumed: Resumed, rows: int, lines: int) -> list[str]:
    """See that W&B took all of a session that was finished.

    Args:
        run: The run.
        directory: The session's directory.
        resumed: Where the session began.
        rows: How many rows the run has so far.
        lines: How many lines it has so far.

    Returns:
        A sentence where the server does not confirm what it acknowledged.

    Raises:
        SessionLostError: It refused something, or lost it: the rest is to be sent anew.
        DeniedError: It refuses the key.
    """

    def is_all(answer: held.Answer) -> bool:
        return (answer.rows or 0) >= rows and (answer.lines or 0) >= lines

    wanted = f"{rows} rows and {lines} lines"
    answer, sent = held.ask_until(lambda: held.ask_of(run), is_all), held.sent(directory)
    if is_all(answer):
        return []
    if sent is None and answer.rows is not None and resumed.rows < answer.rows < rows:  # it counts: some progress
        raise SessionLostError(f"W&B holds {answer.rows} rows and {answer.lines} lines instead of {wanted}")
    if sent is not None and not sent.complete:
        refused = plain(sent.refused or "not everything was acknowledged")
        # Such an answer is taken for a good one where the server is there and does not count, where nothing was sent
        # but the run's end, and where it comes for the second time: this server answers so to everything.
        is_usual = resumed.is_again or (resumed.rows, resumed.lines) == (rows, lines)
        is_odd = not sent.is_final and sent.refused and (is_usual or (answer.rows is None and answer.is_there))
        if not is_odd:
            text = f"W&B did not take all of the run: {refused}"
            if is_denial(refused):
                raise DeniedError(f"{text}; {CREDENTIAL}")
            raise SessionLostError(text)
        return [f"W&B answered what was sent with nonsense ({refused}): {wanted} were sent, and nobody knows of more"]
    if answer.rows is None and answer.lines is None:
        said = [f"W&B does not say how much it holds: {wanted} were sent, and what was sent was acknowledged"]
    else:
        said = [f"W&B says that it holds {answer.rows} rows and {answer.lines} lines; it acknowledged {wanted}"]
    if sent is not None and sent.rows < rows - resumed.rows:
        said.append(f"W&B's SDK left out {rows - resumed.rows - sent.rows} of the rows")
    return said


def sweep_sentences(run: wandb.Run, sweep: str | None, refused: str | None) -> list[str]:
    """What became of the run's sweep.

    Args:
        run: The run, just started.
        sweep: The sweep that it is to be in.
        refused: Why W&B did not let it in, if it said so.
    """
    if not sweep:
        return []
    kept = "config multitrack/sweep and a tag have it"
    if refused is not None:
        return [f"sweep {sweep}: W&B did not take the run into it ({refused}); {kept}"]
    shown = held.ask_of(run).sweep
    if shown is None:
        return [f"sweep {sweep}: W&B does not say whether it took the run into it; {kept}"]
    return [] if shown else [f"sweep {sweep}: W&B did not take the run into it; {kept}"]


def _shift_sentences(step: int, rows: int) -> tuple[str, ...]:
    if step <= rows:
        return ()
    return (f"somebody else logs to this run in W&B: from row {rows} on, _step is {step - rows} more",)
