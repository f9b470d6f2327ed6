"""Any calls, any values, any crash point, any stretches: what comes out of the journal equals the model.

The long form, 10 times as many examples: ``pytest --hypothesis-profile=long tests/journal/test_journal_properties.py``.
"""

import math
import sys
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from multitrack import records
from multitrack.journal import encoding
from multitrack.journal.cursor import Cursor
from multitrack.records import Record
from multitrack.testing.strategies import Call, calls
from recorded import read_all, recorded, replayed

#: Examples take a millisecond or 50, as the disk likes.
unhurried = settings(deadline=None, max_examples=3 * settings().max_examples)
sessions = st.lists(st.lists(calls(), max_size=12), min_size=1, max_size=3)
sizes = st.tuples(st.integers(1, 4), st.sampled_from([1, 100, 1 << 20]))


def as_text(found: Sequence[Record]) -> list[str]:
    """Records such that a NaN equals itself."""
    return [repr(record) for record in found]


def params(value: object) -> Call:
    return Call("log_params", ({"lr": value},), ({"lr": value},))


def points(*values: float) -> list[Call]:
    return [Call("log_metric", ("loss", value, 0), ({"loss": value}, 0)) for value in values]


def reference(kind: str) -> Call:
    return Call("log_artifact_ref", ("loss", "s3://bucket/", kind, "output"), ("loss", "s3://bucket/"))


@unhurried
@given(sessions, st.booleans())
@example(parts=[[params(0.0), params(-0.0)]], ends=True)
@example(parts=[[params([1])], [params([True])]], ends=True)
@example(parts=[[reference("model"), reference("file")], []], ends=True)
@example(parts=[points(2**53, 2**53 + 1), points(math.inf, sys.float_info.max, 10**400)], ends=True)
def test_what_comes_out_is_what_went_in(parts: list[list[Call]], ends: bool) -> None:
    """Ended and resumed, or killed and resumed, in the middle of it."""
    with recorded() as run:
        for i, part in enumerate(parts):
            if i:
                run.end() if ends else run.die()
                run.open()
            run.make(part)
            run.expect()


@unhurried
@given(st.lists(calls(), min_size=1, max_size=12), st.data(), st.lists(calls(), max_size=6))
def test_cut_at_any_byte_it_holds_the_calls_that_had_returned(
    before: list[Call], data: st.DataObject, after: list[Call]
) -> None:
    """And the run goes on from there: lists at their index, params free again that were never acknowledged."""
    with recorded() as run:
        run.make(before)
        run.die()
        whole = run.path.read_bytes()
        cut = data.draw(st.integers(whole.index(b"\n") + 1, len(whole)), label="bytes")
        run.path.write_bytes(whole[:cut])
        run.model = replayed([(call, time) for call, time, end in run.ends if end <= cut])
        run.expect()
        run.open()
        run.expect()
        run.make(after)
        run.expect()


@unhurried
@given(st.lists(calls(), min_size=1, max_size=12), st.data())
def test_a_damaged_line_is_missing_and_nothing_else(made: list[Call], data: st.DataObject) -> None:
    """Whatever stands there instead; a list of which one line is damaged is missing that part, or whole."""
    with recorded() as run:
        run.make(made)
        run.die()
        lines = run.path.read_bytes().splitlines(keepends=True)
        place = data.draw(st.integers(0, len(lines) - 1), label="line")
        damage = data.draw(st.binary(min_size=1).filter(lambda raw: b"\n" not in raw), label="damage")
        was = encoding.decode(lines[place])
        if encoding.decode_or_none(damage) is not None or (isinstance(was, records.ListMetric) and was.parts > 1):
            return
        intact = run.read()
        run.path.write_bytes(b"".join([*lines[:place], damage + b"\n", *lines[place + 1 :]]))
        cursor = Cursor(run.directory)
        found = read_all(cursor)
        assert [ordinal for ordinal, _ in cursor.damaged] == [place]
        assert [record.ordinal for record in found] == [record.ordinal for record in intact if record.ordinal != place]
        starts = [len(lines[0]), *(end for _, _, end in run.ends)]
        offset = sum(len(line) for line in lines[:place])
        # A call that wrote nothing, such as a param's repeat, says nothing here either.
        wrote = [(call, time, start, end) for (call, time, end), start in zip(run.ends, starts, strict=False)]
        kept = [(call, time) for call, time, start, end in wrote if start < end and not start <= offset < end]
        run.expect(replayed(kept))


@unhurried
@given(sessions, sizes, st.lists(sizes, min_size=1, max_size=3))
def test_any_stretches_give_the_same_as_one(
    parts: list[list[Call]], size: tuple[int, int], live: list[tuple[int, int]]
) -> None:
    """Also for a reader that reads beside the writer, a few records now and then."""
    with recorded() as run:
        beside, found = Cursor(run.directory), []
        for i, part in enumerate(parts):
            if i:
                run.end()
                run.open()
            for j, call in enumerate(part):
                run.make([call])
                found += beside.read(*live[j % len(live)])
        found += read_all(beside)
        assert as_text(found) == as_text(run.read()) == as_text(run.read(*size))


@unhurried
@given(st.lists(calls(), max_size=12))
def test_no_two_points_agree_in_all_that_a_tracker_tells_them_by(made: list[Call]) -> None:
    with recorded() as run:
        run.make(made)
        for name, points in run.model.series.items():
            if name not in run.model.lists:
                assert len({(p.step, p.time, repr(p.value)) for p in points}) == len(points)
