"""Find where a session resumes, and check that W&B holds all of it, by acknowledgements and the server's counts."""

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
    """The point where a session resumes.

    Attributes:
        rows: Number of the first row to send.
        lines: Number of the first line to send.
        shift: Offset of W&B's own step count, because another writer logs to the run.
        said: Messages about uncertain points.
        is_again: True if rows or lines are sent that were sent before.
    """

    rows: int = 0
    lines: int = 0
    shift: int = 0
    said: tuple[str, ...] = ()
    is_again: bool = False


def where_to_go_on(run: wandb.Run, taken: Taken, *, is_ours: bool) -> Resumed:
    """Find where an online session resumes, so that no row is duplicated and none is missing.

    The SDK's own count is used if it lies between the number of acknowledged rows and that number plus the rows in
    flight. Then it is exact, and it is also where the SDK places the next row. Else the acknowledged number is used.

    Args:
        run: The run, just started.
        taken: The known result of earlier sessions.
        is_ours: False if the SDK resumed another run with this id in W&B.
    """
    if not run.resumed and taken == Taken():
        return Resumed()
    step = run.starting_step
    answer = held.ask_of(run)
    said: tuple[str, ...] = ()
    if taken.most_rows is None or taken.most_lines is None:  # nothing or not everything was noted
        ours = is_ours and (answer.tail is None or STEP in answer.tail)
        rows, lines = max(taken.rows, step if ours else 0), max(taken.lines, (answer.lines or 0) if ours else 0)
        if answer.rows is None and taken.is_unlogged:
            said = (
                "neither W&B nor its SDK's log reports what an interrupted session has sent: everything from row "
                f"{rows} and line {lines} on was sent again",
            )
        return Resumed(rows, lines, max(0, step - rows), (*said, *_shift_sentences(step, rows)))
    rows, lines = taken.rows, taken.lines
    if run.resumed and answer.lines is not None and lines <= answer.lines <= taken.most_lines:
        lines = answer.lines
    if run.resumed and rows <= step <= taken.most_rows:
        rows = step
    elif 0 < step < rows:
        said = (f"W&B continued at row {step}, though it had acknowledged {rows} rows",)
        rows = step
    elif (rows, lines) != (taken.most_rows, taken.most_lines):  # some were in flight when delivery was interrupted
        rows_there, lines_there = held.in_files(run)
        if rows_there is not None and rows <= rows_there <= taken.most_rows:
            rows = rows_there
            lines = lines_there if lines_there is not None and lines <= lines_there <= taken.most_lines else lines
        else:
            said = (
                f"W&B does not report whether it has rows {rows} to {taken.most_rows - 1} and lines {lines} to "
                f"{taken.most_lines - 1}, which were in flight when delivery was interrupted: they were sent again",
            )
    is_again = (rows, lines) != (taken.most_rows, taken.most_lines)
    return Resumed(rows, lines, max(0, step - rows), (*said, *_shift_sentences(step, rows)), is_again)


def check_taken(run: wandb.Run, directory: Path, resumed: Resumed, rows: int, lines: int) -> list[str]:
    """Check that W&B holds all of a finished session.

    Args:
        run: The run.
        directory: The session's directory.
        resumed: The point where the session began.
        rows: Number of rows of the run so far.
        lines: Number of lines of the run so far.

    Returns:
        Messages if the server does not confirm its acknowledgements.

    Raises:
        SessionLostError: The server rejected or lost something, and the rest must be sent again.
        DeniedError: The server rejects the key.
    """

    def is_all(answer: held.Answer) -> bool:
        return (answer.rows or 0) >= rows and (answer.lines or 0) >= lines

    wanted = f"{rows} rows and {lines} lines"
    answer, sent = held.ask_until(lambda: held.ask_of(run), is_all), held.sent(directory)
    if is_all(answer):
        return []
    if sent is None and answer.rows is not None and resumed.rows < answer.rows < rows:  # it counts, with some progress
        raise SessionLostError(f"W&B holds {answer.rows} rows and {answer.lines} lines instead of {wanted}")
    if sent is not None and not sent.complete:
        refused = plain(sent.refused or "not everything was acknowledged")
        # An invalid answer is accepted if the server answers without counts, if only the run's end was sent, and the
        # second time, since such a server gives the same answer to everything.
        is_usual = resumed.is_again or (resumed.rows, resumed.lines) == (rows, lines)
        is_odd = not sent.is_final and sent.refused and (is_usual or (answer.rows is None and answer.is_there))
        if not is_odd:
            text = f"W&B did not take all of the run: {refused}"
            if is_denial(refused):
                raise DeniedError(f"{text}; {CREDENTIAL}")
            raise SessionLostError(text)
        return [f"W&B gave an invalid answer ({refused}): {wanted} were sent, and it is unknown whether W&B has them"]
    if answer.rows is None and answer.lines is None:
        known = "" if sent is None else " and acknowledged"
        said = [f"W&B does not report how much it holds: {wanted} were sent{known}"]
    else:
        known = "it was sent" if sent is None else "it acknowledged"
        said = [f"W&B reports {answer.rows} rows and {answer.lines} lines; {known} {wanted}"]
    if sent is not None and sent.rows < rows - resumed.rows:
        said.append(f"W&B's SDK left out {rows - resumed.rows - sent.rows} of the rows")
    return said


def sweep_sentences(run: wandb.Run, sweep: str | None, refused: str | None) -> list[str]:
    """Return a message if the run is not, or may not be, in its sweep.

    Args:
        run: The run, just started.
        sweep: The run's intended sweep.
        refused: The error with which W&B rejected the sweep, if any.
    """
    if not sweep:
        return []
    kept = "config multitrack/sweep and a tag have it"
    if refused is not None:
        return [f"sweep {sweep}: W&B did not take the run into it ({refused}); {kept}"]
    shown = held.ask_of(run).sweep
    if shown is None:
        return [f"sweep {sweep}: W&B does not report whether the run is in it; {kept}"]
    return [] if shown else [f"sweep {sweep}: W&B did not take the run into it; {kept}"]


def _shift_sentences(step: int, rows: int) -> tuple[str, ...]:
    if step <= rows:
        return ()
    return (f"another writer logs to this run in W&B: from row {rows} on, _step is {step - rows} higher",)
