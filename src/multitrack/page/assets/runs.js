// The runs, their columns, and the selection of shown runs.

const holder = document.getElementById("data");
const data = holder.type === "application/json" ? JSON.parse(holder.textContent) : await unpacked();

/** The data of a large page, which are compressed in the file. */
async function unpacked() {
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("app").textContent = "The data of this page are compressed; it needs a browser of 2023 or later.";
    throw new Error("no DecompressionStream");
  }
  const packed = atob(holder.textContent), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) bytes[i] = packed.charCodeAt(i);
  holder.textContent = "";
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

const GROUPS = ["metadata", "tags", "params", "metrics", "lists", "inputs", "outputs", "versions", "models"];
const REDUCTIONS = ["last", "first", "min", "max", "mean", "median", "count", "best"];
const STATISTICS = { count: 0, first: 1, last: 2, min: 3, max: 4, mean: 5, median: 6 };
const METADATA = ["status", "started", "took", "project", "parent", "group"];

let byId = new Map();
let columns = [];

function index() {
  byId = new Map(data.runs.map((run) => [run.id, run]));
  filter.text = undefined; // parse it again: its columns may exist now
  const named = new Map();
  for (const { name } of data.runs) named.set(name, (named.get(name) ?? 0) + 1);
  let looks = 0;
  data.runs.forEach((run, i) => {
    run.place = i;
    run.ending = named.get(run.name) > 1 ? ` (${run.id.slice(-6)})` : ""; // distinguishes runs with the same name
    run.look = hasCurves(run) ? looks++ : undefined;
  });
  columns = [{ group: "metadata", name: "name", key: "metadata.name", kind: "text" }];
  for (const group of GROUPS) {
    const names = new Map();
    for (const run of data.runs) for (const name of namesIn(run, group)) names.set(name, true);
    for (const name of names.keys()) {
      const column = { group, name, key: `${group}.${name}`, kind: "text", reduced: false };
      if (group === "metrics" || group === "lists") {
        column.kind = "number";
        column.reduced = data.runs.some((run) => curve(run, column));
        column.better = own(data.better, name);
      } else if (name === "started") column.kind = "time";
      else if (name === "took") column.kind = "seconds";
      else if (group === "params" && data.runs.every((run) => ["number", "bigint", "undefined"].includes(typeof cell(run, column)))) column.kind = "number";
      columns.push(column);
    }
  }
  // Metrics with a known best end, such as loss and accuracy, come before speeds and rates.
  columns = GROUPS.flatMap((group) => columns.filter((column) => column.group === group).sort((a, b) => !a.better - !b.better));
}

/** A run's name in a legend. */
const label = (run, most = Infinity) => inner(run.name, most) + run.ending;

const hasCurves = (run) => Object.keys(run.series).length + Object.keys(run.lists).length > 0;

function namesIn(run, group) {
  if (group === "metadata") return METADATA.filter((name) => metadata(run, name) !== undefined);
  if (group === "metrics") return [...Object.keys(run.metrics), ...Object.keys(run.series)];
  if (group === "inputs" || group === "outputs") {
    return run.references.filter((ref) => `${ref.role}s` === group).map((ref) => ref.name);
  }
  if (group === "versions") return run.references.filter((ref) => ref.role === "input" && versionOf(ref)).map((ref) => ref.name);
  return Object.keys(run[group]);
}

/** The version of a reference that a tool gave it, or else its digest. */
const versionOf = (ref) => ref.version ?? ref.digest ?? undefined;

function metadata(run, name) {
  if (name === "took") return Math.max(0, (run.ended ?? data.made) - run.started) / 1000;
  if (name === "parent") return run.parent ? (byId.get(run.parent)?.name ?? run.parent) : undefined;
  return run[name] ?? undefined;
}

/** The series or list of a column, or undefined. */
function curve(run, column) {
  const held = column.group === "lists" ? run.lists : run.series;
  return Object.hasOwn(held, column.name) ? held[column.name] : undefined;
}

const own = (held, name) => (Object.hasOwn(held, name) ? held[name] : undefined);

/** A run's value in a column, or undefined. Series and lists are reduced as given, by default as the header says. */
function cell(run, column, reduction = state.reduce.get(column.key)) {
  const { group, name } = column;
  if (group === "metadata") return metadata(run, name);
  if (group === "tags") return own(run.tags, name);
  if (group === "params") return paramValue(own(run.params, name));
  if (group === "inputs" || group === "outputs") {
    return run.references.findLast((ref) => ref.name === name && `${ref.role}s` === group)?.uri;
  }
  if (group === "versions") {
    const ref = run.references.findLast((ref) => ref.name === name && ref.role === "input");
    return ref && versionOf(ref);
  }
  if (group === "models") return own(run.models, name);
  const simple = group === "metrics" ? own(run.metrics, name) : undefined;
  const points = curve(run, column);
  if (simple !== undefined && (!reduction || !points)) return reduction === "count" ? 1 : exactly(simple);
  if (!points) return undefined;
  const wanted = reduction === "best" ? column.better : (reduction ?? "last");
  if (STATISTICS[wanted] >= points.statistics.length) {
    wantStatistics(column);
    return undefined;
  }
  const value = points.statistics[STATISTICS[wanted]];
  return value === null ? undefined : exactly(value);
}

// A param that JSON would alter is written as {number: text}.
function paramValue(value) {
  return value !== null && typeof value === "object" && Object.hasOwn(value, "number") ? exactly(value.number) : value;
}

function cellText(value, column) {
  if (value === undefined) return "";
  if (column.kind === "time") return momentText(value);
  if (column.kind === "seconds") return tookText(value);
  return valueText(value, digitsOf(column));
}

/** The number of digits at which a column's numbers differ, with its current reduction. Cached until the runs change. */
function digitsOf(column) {
  const reduction = state.reduce.get(column.key);
  column.digits ??= new Map();
  if (!column.digits.has(reduction)) column.digits.set(reduction, digitsFor(data.runs.map((run) => cell(run, column))));
  return column.digits.get(reduction);
}

const columnOf = (key) => columns.find((column) => column.key === key);

function compare(a, b) {
  const missing = (v) => v === undefined || Number.isNaN(v);
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  return valueText(a).localeCompare(valueText(b), "en", { numeric: true });
}

function sorted(runs) {
  const column = columnOf(state.sort) ?? columns[0];
  const values = new Map(runs.map((run) => [run, cell(run, column)]));
  const missing = (v) => v === undefined || Number.isNaN(v);
  return [...runs].sort((one, two) => {
    const a = values.get(one), b = values.get(two);
    const order = compare(a, b);
    // Missing values are last in both directions.
    return (state.down && !missing(a) && !missing(b) ? -order : order) || one.place - two.place;
  });
}

function searched(run) {
  run.text ??= [run.id, run.name, run.project, run.status, run.group, run.notes, metadata(run, "parent"),
    ...Object.entries(run.tags).flat(), ...Object.entries(run.params).flatMap(([k, v]) => [k, valueText(paramValue(v), ALL_DIGITS)]),
    ...run.references.flatMap((ref) => [ref.name, ref.uri])].filter(Boolean).join("\n").toLowerCase();
  return run.text;
}

const PAUSE = 300; // ms without a key before the filter is parsed: a half-typed column name would match no run
let typing; // the timer of a filter that is being typed, and is not parsed yet
let filter = { text: "", of: "", meets: () => true, trouble: "" }; // as last parsed; `of` is the text that the rows match

function typed(text) {
  state.filter = text;
  clearTimeout(typing);
  typing = setTimeout(endTyping, PAUSE);
}

function endTyping() {
  clearTimeout(typing);
  typing = undefined;
  change({ filter: state.filter });
}

/** Parse the filter. If it is invalid, show the error, and keep the rows of the last valid one. */
function readFilter() {
  try {
    filter = { text: state.filter, of: state.filter.trim(), meets: parseWhere(state.filter), trouble: "" };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    filter = { ...filter, text: state.filter, trouble: `${error.message}; shown: ${filter.of ? `runs of ${short(filter.of, 100)}` : "all runs"}` };
  }
}

/** The runs that match the filter. */
function filtered() {
  if (filter.text !== state.filter && typing === undefined) readFilter();
  return data.runs.filter(filter.meets);
}

/** The runs of the table: those that match the filter and all ranges. */
function shownRuns() {
  return filtered().filter(brushed);
}

const CURVES = 200; // maximum number of runs in a graph

/** The runs of the graphs: of too many, the first ones of the table. */
function drawnRuns() {
  const runs = shownRuns().filter((run) => !state.hidden.has(run.id) && hasCurves(run));
  return runs.length > CURVES ? sorted(runs).slice(0, CURVES) : runs;
}

/** The runs of the legend: those that the graphs draw, and hidden ones. */
function legendRuns() {
  const runs = shownRuns().filter(hasCurves);
  if (runs.length <= CURVES) return runs;
  const drawn = new Set(drawnRuns());
  return runs.filter((run) => drawn.has(run) || state.hidden.has(run.id)).slice(0, 2 * CURVES);
}

function toggleHidden(id) {
  const hidden = new Set(state.hidden);
  if (!hidden.delete(id)) hidden.add(id);
  change({ hidden });
}
