// Parallel coordinates: a line a run through its params to the objective, which colours it. A range dragged on an
// axis filters the table and the graphs. Drawn here, as Plotly's own would need `eval`, which this page forbids.

const HEIGHT = 320, TOP = 34, BOTTOM = 26;

/** The metric that a search is about: chosen, else the search's own objective, else the first that has a better end. */
function objective() {
  const metrics = columns.filter((column) => column.group === "metrics");
  const search = data.runs.map((run) => own(run.params, "search/objective")).find((name) => name !== undefined);
  return columnOf(state.objective) ?? metrics.find((column) => column.name === search && column.better) ??
    metrics.find((column) => column.name === "score") ?? ["max", "min"].map((end) =>
    metrics.find((column) => /^val_/.test(column.name) && column.better === end)).find(Boolean) ??
    metrics.find((column) => column.better) ?? metrics[0];
}

/**
 * The axes: params that differ among the runs that have the objective, then the objective; none without two runs. What
 * Keras said of a fit follows from the rest, and has axes only where there is nothing else.
 */
function axes() {
  const goal = objective();
  if (!goal) return [];
  const runs = data.runs.filter((run) => isFinite(Number(cell(run, goal))));
  if (runs.length < 2) return [];
  const seen = new Set(); // of two params that are always equal, one is enough
  const params = columns.filter((column) => {
    if (column.group !== "params" || !differs(column, runs)) return false;
    const values = sameness(runs.map((run) => cell(run, column)));
    return !seen.has(values) && seen.add(values);
  });
  const given = params.filter(({ name }) => runs.some((run) => Object.hasOwn(run.params, name) && run.sources[name] !== "keras"));
  return [...(given.length ? given : params), goal].map((column) => axis(column, runs));
}

/** A text that params have in common which are always equal; 0.001 and its nearest single are, unless more tells them apart. */
function sameness(values) {
  const exact = values.map((value) => (value === undefined ? "" : identity(value)));
  const rounded = values.map((value, i) => (typeof value === "number" ? numberText(value, 6) : exact[i]));
  return JSON.stringify(new Set(rounded).size === new Set(exact).size ? rounded : exact);
}

const NEAR = 1e-6; // ticks that are no further apart than this part of an axis are one: 0.3 and 0.30000000000000004
const upFrom = (digits) => Array.from({ length: ALL_DIGITS + 1 - digits }, (_, i) => digits + i);
const isThere = (value) => value !== undefined && value !== null;

/** Where values stand on an axis, from 0 to 1, and what is written there; as in src/multitrack/axis.py. */
function axis(column, runs) {
  const all = runs.map((run) => cell(run, column)), values = all.filter(isThere);
  const numbers = values.length > 0 && values.every((value) => isNumber(value) && isFinite(Number(value)));
  return { column, lacking: values.length < all.length, ...(numbers ? scaled([...new Set(values)].sort(compare)) : named(values)) };
}

function named(values) {
  const near = (value) => (Number.isFinite(value) ? Number(value.toPrecision(12)) : value);
  const digits = digitsFor(values.map(near), upFrom(DIGITS));
  const text = (value) => valueText(near(value), digits);
  const names = [...new Set(values.map(text))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const place = (value) => (names.length > 1 ? names.indexOf(text(value)) / (names.length - 1) : 0.5);
  return { place, ticks: names.map((name, i) => [names.length > 1 ? i / (names.length - 1) : 0.5, name]) };
}

/** The same of numbers that differ, from the least to the most. */
function scaled(distinct) {
  const low = distinct[0], high = distinct.at(-1);
  const least = low == 0 && distinct.length > 2 ? distinct[1] : low; // a 0 stands below a logarithmic axis
  const log = least > 0 && Number(high) / Number(least) >= 50;
  // Integers that doubles would round are placed by how far they are from the lowest.
  const far = !log && distinct.some((value) => typeof value === "bigint") && distinct.every((value) => typeof value === "bigint" || Number.isInteger(value));
  const [bottom, top] = log ? [least, high].map((value) => Math.log10(Number(value))) : [];
  const zero = bottom - 0.15 * (top - bottom);
  const scale = log ? (value) => (value > 0 ? Math.log10(Number(value)) : zero) : far ? (value) => Number(BigInt(value) - BigInt(low)) : Number;
  const [from, to] = low === high ? [scale(low) - 1, scale(high) + 1] : [scale(low), scale(high)];
  const place = (value) => (scale(value) - from) / (to - from);
  const apart = [low];
  for (const value of distinct) if (place(value) - place(apart.at(-1)) > NEAR) apart.push(value);
  if (apart.length <= 6) {
    const digits = digitsFor(apart, upFrom(DIGITS));
    return { place, ticks: apart.map((value) => [place(value), numberText(value, digits)]) };
  }
  const quarters = (a, b) => [0, 0.25, 0.5, 0.75, 1].map((at) => a + at * (b - a));
  const placed = log ? [...(low == 0 ? [zero] : []), ...quarters(bottom, top)] : quarters(from, to);
  const marks = placed.map((at) => (log ? (at < bottom ? 0 : 10 ** at) : far ? Number(low) + at : at));
  const digits = upFrom(3).find((count) => new Set(marks.map((value) => value.toPrecision(count))).size === marks.length) ?? ALL_DIGITS;
  return { place, ticks: marks.map((value, i) => [(placed[i] - from) / (to - from), numberText(Number(value.toPrecision(digits)), digits)]) };
}

let cachedAxes = null; // of this drawing; the places of a brush depend on them

function placeOf(run, key) {
  const found = (cachedAxes ??= axes()).find((axis) => axis.column.key === key);
  const value = found && cell(run, found.column);
  return isThere(value) ? found.place(value) : undefined;
}

/** Whether a run is within every range that is set. Ranges are places on the axes, from 0 to 1. */
function brushed(run) {
  for (const [key, [low, high]] of state.brush) {
    const place = placeOf(run, key);
    if (place === undefined || !(place >= low - 1e-9 && place <= high + 1e-9)) return false;
  }
  return true;
}

function drawParallel(place) {
  const all = (cachedAxes ??= axes());
  const section = place.closest("section");
  section.hidden = all.length < 2;
  if (section.hidden) return;
  const goal = all.at(-1);
  const width = Math.max(place.clientWidth || 800, all.length * 84);
  const x = (i) => 52 + (i * (width - 104)) / (all.length - 1);
  const y = (at) => HEIGHT - BOTTOM - 14 - at * (HEIGHT - TOP - BOTTOM - 14);
  const runs = filtered().filter((run) => isFinite(Number(cell(run, goal.column))));
  const drawn = [...runs].sort((a, b) => brushed(a) - brushed(b) || goal.place(cell(a, goal.column)) - goal.place(cell(b, goal.column)));
  const lines = drawn.map((run) => {
    const points = all.map((axis, i) => {
      const value = cell(run, axis.column);
      return `${x(i).toFixed(1)} ${(isThere(value) ? y(axis.place(value)) : HEIGHT - 10).toFixed(1)}`;
    });
    const on = brushed(run) && !state.hidden.has(run.id);
    return h("path", { class: on ? "line" : "line out", "data-run": run.id, d: "M" + points.join("L"),
      stroke: on ? shade(goal.place(cell(run, goal.column))) : undefined },
      h("title", {}, `${label(run)}: ${goal.column.name} ${numberText(cell(run, goal.column), digitsOf(goal.column))}`));
  });
  fill(place,
    h("svg", { class: "parallel", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "group",
      "aria-label": `Parallel coordinates of ${plural(runs.length, "run")}, coloured by ${goal.column.name}` },
      h("g", {}, lines),
      all.map((axis, i) => axisGroup(axis, x(i), y, axis === goal, Math.max(12, Math.floor((x(1) - x(0)) / 9))))));
}

/** One axis; its name has room for some characters. */
function axisGroup(axis, x, y, isGoal, room) {
  const { key, name } = axis.column;
  const range = state.brush.get(key);
  const [low, high] = range ?? [0, 1];
  const reduction = state.reduce.has(key) ? ` ${state.reduce.get(key)}` : "";
  const end = (which, at) => h("line", { class: "end", x1: x - 9, x2: x + 9, y1: y(at), y2: y(at), tabindex: "0", role: "slider",
    "data-key": `${which} ${key}`, "aria-label": `${name}, ${which} end of the range`, "aria-orientation": "vertical",
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(at * 100), "aria-valuetext": valueAt(axis, at),
    onkeydown: (event) => moveEnd(event, axis, which) });
  return h("g", { class: isGoal ? "axis goal" : "axis", "data-axis": key },
    h("line", { class: "rule", x1: x, x2: x, y1: y(0), y2: y(1) }),
    axis.ticks.map(([at, text]) => h("text", { class: "tick", x: x + 12, y: y(at) + 4 }, inner(text, 10), text.length > 10 && h("title", {}, text))),
    axis.lacking && h("text", { class: "none", x: x + 12, y: HEIGHT - 6 }, "none"),
    h("text", { class: "label", x, y: 16, "text-anchor": "middle" }, inner(name, room) + reduction, h("title", {}, name)),
    range && h("rect", { class: "brush", x: x - 6, width: 12, y: y(high), height: Math.max(2, y(low) - y(high)) }),
    h("rect", { class: "grip", x: x - 16, width: 32, y: y(1) - 6, height: y(0) - y(1) + 12,
      onpointerdown: (event) => startBrush(event, axis, y), ondblclick: () => setRange(key, null) }),
    end("lower", low), end("upper", high));
}

/** What stands nearest to a place on an axis, for those who hear it. */
function valueAt(axis, at) {
  const [, text] = axis.ticks.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a), [Infinity, "nothing"]);
  return at === 0 || at === 1 ? `${text}, the end` : `near ${text}`;
}

function setRange(key, range) {
  const brush = new Map(state.brush);
  if (!range || (range[0] <= 0 && range[1] >= 1)) brush.delete(key);
  else brush.set(key, range.map((at) => Math.min(1, Math.max(0, Math.round(at * 1e4) / 1e4))));
  change({ brush });
}

function startBrush(event, axis, y) {
  event.preventDefault();
  const svg = event.target.ownerSVGElement;
  const top = svg.getBoundingClientRect().top;
  const at = (moved) => {
    const place = (y(0) - (moved.clientY - top)) / (y(0) - y(1));
    return place < 0.02 ? 0 : place > 0.98 ? 1 : place; // an end is easily missed by a pixel
  };
  const first = at(event);
  let moved = false;
  const move = (to) => {
    if (!moved && Math.abs(to.clientY - event.clientY) < 4) return;
    moved = true;
    setRange(axis.column.key, [first, at(to)].sort((a, b) => a - b));
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    if (!moved) setRange(axis.column.key, null); // a click
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };

function moveEnd(event, axis, which) {
  const { key } = axis.column;
  const [low, high] = state.brush.get(key) ?? [0, 1];
  if (event.key === "Escape" || event.key === "Delete") return setRange(key, null);
  const here = which === "lower" ? low : high;
  let to = here + 0.02 * (KEYS[event.key] ?? 0);
  if (event.key === "Home") to = 0;
  else if (event.key === "End") to = 1;
  else if (!(event.key in KEYS)) return undefined;
  event.preventDefault();
  return setRange(key, which === "lower" ? [Math.min(to, high), high] : [low, Math.max(to, low)]);
}
