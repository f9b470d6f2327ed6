// Axes of graphs for any doubles: Plotly adds, subtracts and divides the values it draws, which overflows for values
// near the limits of doubles. Such values are drawn scaled, and the ticks show the original numbers. As in
// src/multitrack/plot/scales.py.

const MOST = 1e300, LEAST = 1e-290;

/** The y axis of a graph: `place` returns the drawn place of a double, or null for a gap, and `axis` is Plotly's. */
function valueScale(held, log) {
  const sizes = held.map(({ values }) => values.map((value) => number(value)).filter((value) => isFinite(value) && (value > 0 || (value !== 0 && !log))).map(Math.abs));
  const largest = sizes.filter((run) => run.length).map((run) => run.reduce((a, b) => Math.max(a, b)));
  const least = sizes.flat().reduce((a, b) => Math.min(a, b), Infinity);
  // Beside runs without such values, values of this size are treated as infinite: they would flatten the others.
  const limit = !log && largest.some((size) => size <= MOST) ? MOST : Infinity;
  const most = largest.filter((size) => size <= limit).reduce((a, b) => Math.max(a, b), 0);
  const shown = (value) => isFinite(value) && Math.abs(value) <= limit && (value > 0 || !log);
  const beyond = held.reduce((sum, { values }) => sum + values.filter((value) => isFinite(number(value)) && Math.abs(number(value)) > limit).length, 0);
  const extreme = most > MOST || (most > 0 && (log ? least : most) < LEAST);
  if (!extreme) {
    const values = held.flatMap((points) => points.values).map((value) => number(value)).filter(shown);
    return { beyond, place: (value) => (shown(value) ? value : null), axis: { type: log ? "log" : "linear", range: log ? undefined : rangeOf(values) } };
  }
  if (log) return { beyond, place: (value) => (shown(value) ? Math.log10(value) : null), axis: decades(Math.log10(least), Math.log10(most)) };
  const exponent = Math.floor(Math.log10(most));
  // In two steps, so that each power is a finite double.
  const half = Math.trunc(exponent / 2), scaled = (value) => value / 10 ** half / 10 ** (exponent - half);
  return { beyond, place: (value) => (shown(value) ? scaled(value) : null), axis: { type: "linear", ticksuffix: `e${exponent}` } };
}

/** A range around large numbers that are nearly equal as doubles; undefined if Plotly's own range works. */
function rangeOf(numbers) {
  const [low, high] = [Math.min, Math.max].map((end) => numbers.reduce((a, b) => end(a, b), numbers[0]));
  const size = Math.max(Math.abs(low), Math.abs(high));
  return high - low < size * 1e-12 && size > 1e6 ? [low - size * 1e-9, high + size * 1e-9] : undefined;
}

/** An axis of logarithms, with integers as ticks. */
function decades(low, high) {
  const step = Math.max(1, Math.ceil((high - low) / 6)), tickvals = [];
  for (let tick = Math.floor(low / step) * step; tick <= high + step; tick += step) tickvals.push(tick);
  return { type: "linear", tickvals, ticktext: tickvals.map((tick) => `10<sup>${tick}</sup>`) };
}

/** The points with a gap wherever x goes back, as in a run that was resumed at an earlier step. */
function broken(xs, ys) {
  const x = [], y = [];
  xs.forEach((at, i) => {
    if (i && at < xs[i - 1]) { x.push(null); y.push(null); }
    x.push(at); y.push(ys[i]);
  });
  return { x, y };
}
