"""What graphs show of a run, each series and list thinned; kept beside a long run that has ended.

So that fifty runs of a hundred thousand points are laid over each other at once. The courier keeps it as it goes, else
whoever draws the run first. As with a summary, it holds for as long as the journal's files look as they did, and the
file can be deleted at any time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.atomic import write_whole
from multitrack.journal.segments import is_live
from multitrack.summaries.cache import Stamp, stamp_of
from multitrack.summaries.downsample import Thinned, Thinner
from multitrack.summaries.series import read_pieces

#: Its name in the run's directory.
FILE: Final = "curves.msgpack"
#: Points of a curve, unless something else is asked for.
POINTS: Final = 1200
#: Bytes of a journal from which on it is kept: a shorter one is read as fast, and takes no more room than this would.
LONG: Final = 1 << 20
_VERSION: Final = 5


class Curves(msgspec.Struct, frozen=True, array_like=True):
    """Each series and each list metric of a run."""

    series: dict[str, Thinned]
    lists: dict[str, Thinned]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    version: int
    stamp: Stamp
    points: int
    curves: Curves


_decoder: Final = msgspec.msgpack.Decoder(_Kept)


def curves_of(directory: Path, points: int = POINTS) -> Curves:
    """The curves of the run in ``directory``, from what is kept, where that holds.

    Args:
        directory: The run's directory.
        points: Points of a curve at most.
    """
    stamp = stamp_of(directory)
    if sum(size for size, _ in stamp[1:]) < LONG:
        return read_curves(directory, points)
    with contextlib.suppress(OSError, ValueError):  # not there, of another version, damaged
        kept = _decoder.decode((directory / FILE).read_bytes())
        if (kept.version, kept.stamp, kept.points) == (_VERSION, stamp, points):
            return kept.curves
    live = is_live(directory)  # asked before reading
    found = read_curves(directory, points)
    if not live and not directory.is_symlink():
        with contextlib.suppress(OSError, OverflowError):  # a journal that is only read; an integer beyond 64 bits
            write_whole(directory / FILE, msgspec.msgpack.encode(_Kept(_VERSION, stamp, points, found)))
    return found


def read_curves(directory: Path, points: int = POINTS) -> Curves:
    """Read a run's journal once, in the memory of what is kept of it."""
    series: dict[str, Thinner] = {}
    lists: dict[str, Thinner] = {}
    for pieces, calls in read_pieces(directory):
        for name, piece in pieces.items():
            thinner = series.get(name) or series.setdefault(name, Thinner(points))
            thinner.extend(piece.steps, piece.times, piece.values)
        for call in calls:
            thinner = lists.get(call.name) or lists.setdefault(call.name, Thinner(points))
            start, count = thinner.count, len(call.values)
            thinner.extend(range(start, start + count), [call.time] * count, call.numbers)
    return Curves(*({name: thinner.thinned() for name, thinner in found.items()} for found in (series, lists)))
