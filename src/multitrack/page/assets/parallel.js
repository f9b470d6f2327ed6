// Parallel coordinates: a line per run through its params to the objective, which colours it. A range dragged on an
// axis filters the table and the graphs. Not drawn by Plotly, which would need `eval`, which this page forbids.

const HEIGHT = 320, TOP = 34, BOTTOM = 26, LEFT = 52, RIGHT = 84; // RIGHT: space for the last axis' numbers

/** The objective: the chosen metric, else the search's own, else `score`, a `val_` metric, or any with a known best end. */
function objective() {
  const metrics = columns.filter((column) => column.group === "metrics");
  const search = data.runs.map((run) => own(run.params, "search/objective")).find((name) => name !== undefined);
  return columnOf(state.objective) ?? metrics.find((column) => column.name === search && column.better) ??
    metrics.find((column) => column.name === "score") ?? ["max", "min"].map((end) =>
    metrics.find((column) => /^val_/.test(column.name) && column.better === end)).find(Boolean) ??
    metrics.find((column) => column.better) ?? metrics[0];
}

/**
 * The axes: params that differ among the runs with the objective, then the objective; empty for fewer than two runs.
 * Params recorded by Keras follow from the others, and get axes only if there are no others.
 */
function axes() {
  const goal = objective();
  if (!goal) return [];
  const runs = data.runs.filter((run) => isFinite(Number(cell(run, goal))));
  if (runs.length < 2) return [];
  const seen = new Set(); // of always equal params, only the first
  const params = columns.filter((column) => {
    if (column.group !== "params" || !differs(column, runs)) return false;
    const values = sameness(runs.map((run) => cell(run, column)));
    return !seen.has(values) && seen.add(values);
  });
  const given = params.filter(({ name }) => runs.some((run) => Object.hasOwn(run.params, name) && run.sources[name] !== "keras"));
  const differing = given.length ? given : params;
  leftOut = Math.max(0, differing.length - AXES);
  return [...differing.slice(0, AXES), goal].map((column) => axis(column, runs));
}

const AXES = 100; // maximum, beside the objective's; more would be illegible
let leftOut = 0; // number of differing params without an axis

/** A text that is the same for always equal params; 0.001 equals its nearest 32-bit float, unless other values differ. */
function sameness(values) {
  const exact = values.map((value) => (value === undefined ? "" : identity(value)));
  const rounded = values.map((value, i) => (typeof value === "number" ? numberText(value, 6) : exact[i]));
  return JSON.stringify(new Set(rounded).size === new Set(exact).size ? rounded : exact);
}

const NEAR = 1e-6; // distance up to which ticks are merged, as a fraction of the axis: 0.3 and 0.30000000000000004
const upFrom = (digits) => Array.from({ length: ALL_DIGITS + 1 - digits }, (_, i) => digits + i);
const whole = (value) => (typeof value === "bigint" ? value : BigInt(Math.round(value)));
const NARROW = 0.002; // a fraction of an axis that is too small to aim at
const isThere = (value) => value !== undefined && value !== null;

const near = (value) => (Number.isFinite(value) ? Number(value.toPrecision(12)) : value);

/** Compare texts of an axis: numbers in ascending order, then NaN, then other texts. */
function collate(a, b) {
  const [x, y] = [a, b].map(numberOr), [rank, other] = [x, y].map((value) => (!isNumber(value) ? 2 : Number.isNaN(value) ? 1 : 0));
  return rank - other || (rank === 0 && x != y ? (x < y ? -1 : 1) : a.localeCompare(b, "en", { numeric: true }));
}

/** An axis: the places of values, from 0 to 1, and the ticks; as in src/multitrack/plot/parallel_axis.py. */
function axis(column, runs) {
  const all = runs.map((run) => cell(run, column)), there = all.filter(isThere);
  const known = there.every(isNumber) ? there.filter(isFiniteNumber) : [], numbers = known.length > 0;
  const values = numbers ? known : there;
  const below = [there.length < all.length && "none", values.length < there.length && "not finite"].filter(Boolean).join(", ");
  const stands = numbers ? isFiniteNumber : isThere; // true for a value on the axis; others pass below it
  return { column, values, below, stands, ...(numbers ? scaled([...new Set(values)].sort(compare)) : named(values)) };
}

const TICKS = 200; // maximum on an axis of texts; more would be illegible

function named(values) {
  const digits = digitsFor(values.map(near), upFrom(DIGITS));
  const text = (value) => valueText(near(value), digits);
  const names = [...new Set(values.map(text))].sort(collate);
  const at = new Map(names.map((name, i) => [name, names.length > 1 ? i / (names.length - 1) : 0.5]));
  return { place: (value) => at.get(text(value)), step: 1 / Math.max(1, names.length - 1), ticks: sampleOf([...at].map(([name, place]) => [place, name]), TICKS) };
}

/** The places and ticks of distinct numbers in ascending order. */
function scaled(distinct) {
  const low = distinct[0], high = distinct.at(-1);
  if (low === high) return { place: () => 0.5, valueAt: () => low, ticks: [[0.5, numberText(low, digitsFor([low], upFrom(DIGITS)))]] };
  const least = low == 0 && distinct.length > 2 ? distinct[1] : low; // a 0 is placed below a logarithmic axis
  const log = least > 0 && Number(high) / Number(least) >= 50;
  const room = isFinite(Number(high) - Number(low)) ? 1 : 2; // their difference may exceed the doubles, but half of it does not
  // Integers that doubles would round are placed by their distance from the lowest.
  const far = !log && room === 1 && distinct.some((value) => typeof value === "bigint") && distinct.every((value) => typeof value === "bigint" || Number.isInteger(value));
  const [bottom, top] = log ? [least, high].map((value) => Math.log10(Number(value))) : [];
  const zero = bottom - 0.15 * (top - bottom);
  const scale = log ? (value) => (value > 0 ? Math.log10(Number(value)) : zero) : far ? (value) => Number(whole(value) - whole(low)) : (value) => Number(value) / room;
  const [from, to] = [scale(low), scale(high)];
  const place = (value) => (scale(value) - from) / (to - from);
  // The number at a place, with as few digits as needed.
  const valueAt = (at) => {
    if (at <= 0 || at >= 1) return at <= 0 ? low : high;
    const scaled = from + at * (to - from);
    if (far) return numberOr(String(whole(low) + whole(scaled)));
    const value = log ? 10 ** scaled : scaled * room;
    return upFrom(3).map((digits) => Number(value.toPrecision(digits))).find((rounded) => Math.abs(place(rounded) - at) < NARROW) ?? value;
  };
  const apart = [low];
  for (const value of distinct) if (place(value) - place(apart.at(-1)) > NEAR) apart.push(value);
  if (apart.length <= 6) {
    const digits = digitsFor(apart, upFrom(DIGITS));
    return { place, valueAt, ticks: apart.map((value) => [place(value), numberText(value, digits)]) };
  }
  const quarters = (a, b) => [0, 0.25, 0.5, 0.75, 1].map((at) => a + at * (b - a));
  const placed = log ? [...(low == 0 ? [zero] : []), ...quarters(bottom, top)] : quarters(from, to);
  const marks = placed.map((at) => (log ? (at < bottom ? 0 : at === top ? Number(high) : 10 ** at) : far ? Number(low) + at : at * room));
  const digits = upFrom(3).find((count) => new Set(marks.map((value) => value.toPrecision(count))).size === marks.length) ?? ALL_DIGITS;
  return { place, valueAt, ticks: marks.map((value, i) => [(placed[i] - from) / (to - from), numberText(Number(value.toPrecision(digits)), digits)]) };
}

let cachedAxes = null; // axes of the current drawing

// A range is its lowest and its highest value: two numbers, or two texts of an axis of texts. It stays the same when
// runs arrive, in another report, and with another objective; only its place on the axis changes.

/** The text of a value on an axis of texts. */
const textOf = (value) => valueText(near(value), ALL_DIGITS);

function within(value, [low, high]) {
  if (!isThere(value)) return false;
  if (typeof low === "string") return collate(low, textOf(value)) <= 0 && collate(textOf(value), high) <= 0;
  return isNumber(value) && value >= low && value <= high;
}

/** True if a run is within every range. */
function brushed(run) {
  for (const [key, range] of state.brush) {
    const column = columnOf(key);
    if (!column || !within(cell(run, column), range)) return false;
  }
  return true;
}

/** The range between two places on an axis; null if there is no text between them. */
function rangeAt({ values, place, valueAt }, [low, high]) {
  if (valueAt) return [valueAt(low), valueAt(high)];
  const texts = values.filter((value) => place(value) >= low - NEAR && place(value) <= high + NEAR).map(textOf).sort(collate);
  return texts.length ? [texts[0], texts.at(-1)] : null;
}

/** The places of a range on an axis; null if no value on the axis is within it. */
function placesOf({ values, place, valueAt }, range) {
  if (valueAt && typeof range[0] !== "string") return range.map((value) => Math.min(1, Math.max(0, place(value))));
  const places = values.filter((value) => within(value, range)).map(place);
  return places.length ? [Math.min(...places), Math.max(...places)] : null;
}

function rangeText([low, high]) {
  const digits = digitsFor([low, high]);
  const [from, to] = [low, high].map((end) => inner(valueText(end, digits), 24));
  return low === high ? from : `${from} to ${to}`;
}

const LINES = 1000; // maximum number of runs that are drawn
let undrawn = 0; // number of runs without a line

/** An even sample of an ordered list, with its first and last one. */
function sampleOf(list, most) {
  if (list.length <= most) return list;
  return Array.from({ length: Math.max(0, most) }, (_, i) => list[Math.round(i * (list.length - 1) / Math.max(1, most - 1))]);
}

let drawnWidth; // width of the place in pixels

/** Redraw when the width of the place changes, as when the page gets its scrollbar. */
function followWidth(place) {
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (place.clientWidth && place.clientWidth !== drawnWidth) drawParallel(place);
  })).observe(place);
}

function drawParallel(place) {
  const all = (cachedAxes ??= axes());
  const section = place.closest("section");
  section.hidden = all.length < 2;
  if (section.hidden) return;
  const goal = all.at(-1);
  drawnWidth = place.clientWidth;
  const width = Math.max(drawnWidth || 800, all.length * 88);
  const x = (i) => LEFT + (i * (width - LEFT - RIGHT)) / (all.length - 1);
  const y = (at) => HEIGHT - BOTTOM - 14 - at * (HEIGHT - TOP - BOTTOM - 14);
  const side = (axis) => (axis === goal ? ["end", width - 1] : axis === all[0] ? ["start", 1] : null);
  // Pixels for the names: between their neighbours, or, for the first and the last one, from the edge of the picture.
  const between = x(1) - x(0), room = (axis) => (!side(axis) ? between : all.length === 2 ? width / 2 : LEFT + between / 2) - 8;
  const runs = filtered().filter((run) => isFinite(Number(cell(run, goal.column))));
  const within = new Set(runs.filter(brushed)), places = new Map(runs.map((run) => [run, goal.place(cell(run, goal.column))]));
  const ordered = runs.sort((a, b) => within.has(a) - within.has(b) || places.get(a) - places.get(b));
  const drawn = ordered.length > LINES ? sampleOf(ordered.filter((run) => !within.has(run)), LINES - within.size).concat(sampleOf(ordered.filter((run) => within.has(run)), LINES)) : ordered;
  undrawn = ordered.length - drawn.length;
  const lines = drawn.map((run) => {
    const points = all.map((axis, i) => {
      const value = cell(run, axis.column);
      return `${x(i).toFixed(1)} ${(axis.stands(value) ? y(axis.place(value)) : HEIGHT - 10).toFixed(1)}`;
    });
    const on = within.has(run) && !state.hidden.has(run.id);
    return h("path", { class: on ? "line" : "line out", "data-run": run.id, d: "M" + points.join("L"),
      stroke: on ? shade(places.get(run)) : undefined },
      h("title", {}, `${label(run)}: ${goal.column.name} ${numberText(cell(run, goal.column), digitsOf(goal.column))}`));
  });
  fill(place,
    h("svg", { class: "parallel", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "group",
      "aria-label": `Parallel coordinates of ${plural(runs.length, "run")}, coloured by ${goal.column.name}` },
      h("g", {}, lines),
      all.map((axis, i) => axisGroup(axis, x(i), y, axis === goal, side(axis), room(axis)))));
}

const CENTRED = 2 * LEFT - 8; // maximum pixels of a name centred over the first or the last axis; longer ones are aligned with the picture's edge
const FONT = '600 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif'; // page.css

/** Draw one axis. `room`: pixels for its name; `side`: anchor of the name of the first and the last axis. */
function axisGroup(axis, x, y, isGoal, side, room) {
  const { key, name } = axis.column;
  const range = state.brush.get(key);
  const places = range && placesOf(axis, range);
  const [low, high] = places ?? [0, 1];
  const how = state.reduce.has(key) ? ` ${state.reduce.get(key)}` : "";
  const title = cutTo(name, room - widthOf(how, FONT), FONT) + how;
  const [anchor, at] = side && widthOf(title, FONT) > CENTRED ? side : ["middle", x];
  const end = (which, at) => h("line", { class: "end", x1: x - 9, x2: x + 9, y1: y(at), y2: y(at), tabindex: "0", role: "slider",
    "data-key": `${which} ${key}`, "aria-label": `${name}, ${which} end of the range`, "aria-orientation": "vertical",
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(at * 100), "aria-valuetext": heard(axis, at, places && range[which === "lower" ? 0 : 1]),
    onkeydown: (event) => moveEnd(event, axis, which) });
  return h("g", { class: isGoal ? "axis goal" : "axis", "data-axis": key },
    h("line", { class: "rule", x1: x, x2: x, y1: y(0), y2: y(1) }),
    axis.ticks.map(([at, text]) => h("text", { class: "tick", x: x + 12, y: y(at) + 4 }, inner(text, 10), text.length > 10 && h("title", {}, text))),
    axis.below && h("text", { class: "none", x: x + 12, y: HEIGHT - 6 }, axis.below,
      axis.below !== "none" && h("title", {}, "runs whose value is NaN, infinite or beyond 1.8e308")),
    h("text", { class: "label", x: at, y: 16, "text-anchor": anchor }, title, h("title", {}, name)),
    places && h("rect", { class: "brush", x: x - 6, width: 12, y: y(high), height: Math.max(2, y(low) - y(high)) }),
    h("rect", { class: "grip", x: x - 16, width: 32, y: y(1) - 6, height: y(0) - y(1) + 12,
      onpointerdown: (event) => startBrush(event, axis, y), ondblclick: () => setRange(axis, null) }),
    end("lower", low), end("upper", high));
}

/** The accessible text of a range's end: its value, and a note if it is the end of the axis. */
function heard(axis, at, value) {
  const text = value === undefined || value === null ? axis.ticks.at(at === 0 ? 0 : -1)[1] : valueText(value);
  return at === 0 || at === 1 ? `${text}, the end` : text;
}

/** Set a range between two places; the whole axis, or no places, clear it. */
function setRange(axis, places) {
  const brush = new Map(state.brush);
  const [low, high] = (places ?? [0, 1]).map((at) => (at < NARROW ? 0 : at > 1 - NARROW ? 1 : at));
  const range = low === 0 && high === 1 ? null : rangeAt(axis, [low, high]);
  if (range) brush.set(axis.column.key, range);
  else brush.delete(axis.column.key);
  change({ brush });
}

function startBrush(event, axis, y) {
  event.preventDefault();
  const svg = event.target.ownerSVGElement;
  const top = svg.getBoundingClientRect().top;
  const at = (moved) => {
    const place = (y(0) - (moved.clientY - top)) / (y(0) - y(1));
    return place < 0.02 ? 0 : place > 0.98 ? 1 : place; // snaps to the ends, which are easily missed by a pixel
  };
  const first = at(event);
  let moved = false;
  const move = (to) => {
    if (!moved && Math.abs(to.clientY - event.clientY) < 4) return;
    moved = true;
    setRange(axis, [first, at(to)].sort((a, b) => a - b));
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    if (!moved) setRange(axis, null); // a click
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };

function moveEnd(event, axis, which) {
  const range = state.brush.get(axis.column.key);
  const [low, high] = (range && placesOf(axis, range)) ?? [0, 1];
  if (event.key === "Escape" || event.key === "Delete") return setRange(axis, null);
  const here = which === "lower" ? low : high;
  let to = here + (axis.step ?? 0.02) * (KEYS[event.key] ?? 0);
  if (event.key === "Home") to = 0;
  else if (event.key === "End") to = 1;
  else if (!(event.key in KEYS)) return undefined;
  event.preventDefault();
  return setRange(axis, which === "lower" ? [Math.min(to, high), high] : [low, Math.max(to, low)]);
}
