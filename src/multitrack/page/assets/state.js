// The state of the view, kept in the URL after "#", so that a view can be linked and Back works.

const DEFAULTS = {
  run: "", sort: "metadata.started", down: false, filter: "", x: "step", log: false, smooth: 0, objective: "",
  all: false, theme: "", view: "", metric: "", stat: "mean", range: "",
};

const RANGE = /^(.*):("(?:[^"\\]|\\.)*"|[^":]+):("(?:[^"\\]|\\.)*"|[^":]+)$/s;

const state = read();
const listeners = [];

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = { hidden: new Set(given.getAll("hide")), folded: new Set(given.getAll("fold")), away: new Set(given.getAll("away")), reduce: new Map(), brush: new Map() };
  for (const [key, usual] of Object.entries(DEFAULTS)) {
    const text = given.get(key);
    if (text === null) found[key] = usual;
    else if (typeof usual === "boolean") found[key] = text === "1";
    else if (typeof usual === "number") found[key] = Math.min(0.99, Math.max(0, Number(text) || 0));
    else found[key] = text;
  }
  for (const text of given.getAll("reduce")) {
    const cut = text.lastIndexOf(":");
    found.reduce.set(text.slice(0, cut), text.slice(cut + 1));
  }
  for (const text of given.getAll("brush")) {
    const [, key, ...ends] = RANGE.exec(text) ?? [];
    const range = ends.map(endOf);
    if (key !== undefined && !range.includes(undefined) && typeof range[0] !== "string" === (typeof range[1] !== "string")) found.brush.set(key, range);
  }
  return found;
}

/** Parse an end of a range in the URL: a number, or a text in quotes. */
function endOf(text) {
  if (text.startsWith('"')) try { return JSON.parse(text); } catch { return undefined; }
  const value = numberOr(text);
  return isNumber(value) && isFinite(Number(value)) ? value : undefined;
}

function address(of = state) {
  const to = new URLSearchParams();
  for (const [key, usual] of Object.entries(DEFAULTS)) {
    if (of[key] !== usual) to.set(key, typeof usual === "boolean" ? (of[key] ? "1" : "0") : of[key]);
  }
  for (const id of of.hidden) to.append("hide", id);
  for (const group of of.folded) to.append("fold", group);
  for (const deployment of of.away) to.append("away", deployment);
  for (const [column, reduction] of of.reduce) to.append("reduce", `${column}:${reduction}`);
  for (const [axis, [low, high]] of of.brush) to.append("brush", [axis, ...[low, high].map(identity)].join(":"));
  return "#" + to.toString();
}

/** A link to a run, or with no id to all runs, that keeps the rest of the view. */
const opens = (id) => ({ href: address({ ...state, run: id }), "data-opens": id });

function tell(changed) {
  for (const listener of listeners) listener(changed);
  for (const link of document.querySelectorAll("a[data-opens]")) link.href = opens(link.dataset.opens).href; // not all links are redrawn
}

/** Change the state, and update every view. */
function change(changes) {
  Object.assign(state, changes);
  history.replaceState(null, "", address());
  tell(Object.keys(changes));
}

function onChange(listener) {
  listeners.push(listener);
}

addEventListener("hashchange", () => {
  if (location.hash === address()) return;
  const found = read();
  const turned = found.run !== state.run;
  Object.assign(state, found);
  tell(Object.keys(found));
  if (turned) scrollTo(0, 0);
});
