"""Compute the curves of a run for graphs: each series and list downsampled, and cached for a long run that has ended.

With the cache, a graph overlays fifty runs of a hundred thousand points without reading their journals. It is written
by the courier before it exits, or by the first reader that draws the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.segments import is_live
from multitrack.summaries.cache import CacheFile, stamp_of
from multitrack.summaries.downsample import Thinned, Thinner
from multitrack.summaries.series import read_pieces

#: Default maximum number of points of a curve.
POINTS: Final = 1200
#: Minimum bytes of a journal whose curves are cached: a shorter one is read as fast as the cache, and no larger.
LONG: Final = 1 << 20


class Curves(msgspec.Struct, frozen=True, array_like=True):
    """The curves of all series and list metrics of a run, by name."""

    series: dict[str, Thinned]
    lists: dict[str, Thinned]


class CachedCurves(msgspec.Struct, frozen=True, array_like=True):
    """Curves, and the maximum number of points used for them."""

    points: int
    curves: Curves


CACHE: Final = CacheFile("curves.msgpack", 6, CachedCurves)


def curves_of(directory: Path, points: int = POINTS) -> Curves:
    """Return the curves of the run in ``directory``, from the cache if it is valid.

    Args:
        directory: The run's directory.
        points: Maximum number of points of a curve.
    """
    stamp = stamp_of(directory)
    if sum(size for size, _ in stamp[1:]) < LONG:
        return read_curves(directory, points)
    cached = CACHE.read(directory, stamp)
    if cached is not None and cached.points == points:
        return cached.curves
    live = is_live(directory)  # checked before reading
    found = read_curves(directory, points)
    if not live:
        CACHE.write(directory, stamp, CachedCurves(points, found))
    return found


def read_curves(directory: Path, points: int = POINTS) -> Curves:
    """Compute the curves from a run's journal, in one pass and with memory independent of its length."""
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
