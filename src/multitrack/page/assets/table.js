// The table: columns by group, sorted by a click on their name, with series and lists reduced as their header says.

/**
 * True if runs differ in a column: in their values, or because a run has a value and a sibling has none. A search's own
 * run lacks the columns of its trials, which does not count as a difference.
 */
function differs(column, runs) {
  const values = new Set(), had = new Map();
  for (const run of runs) {
    const value = cell(run, column);
    const has = value !== undefined && value !== "";
    if (has) values.add(identity(value));
    if (values.size > 1 || (had.get(run.parent) ?? has) !== has) return true;
    had.set(run.parent, has);
  }
  return false;
}

/** The name column, and the columns of the groups that are switched on. */
function openColumns() {
  return columns.filter((column) => column.key === "metadata.name" || !state.folded.has(column.group));
}

/** The columns of the table: of the open columns those in which runs differ, or all. */
function tableColumns(runs) {
  if (state.all || runs.length < 2) return openColumns();
  return openColumns().filter((column) => column.key === "metadata.name" || column.key === "metadata.status" ||
    column.key === "metadata.started" || column.key === state.sort ||
    column.group === "metrics" || column.group === "lists" || differs(column, runs));
}

// Created once, and never removed: typed text stays, screen readers announce messages, and rows stay in view.
const box = h("input", { type: "search", "data-key": "filter", spellcheck: "false", autocomplete: "off",
  placeholder: "words, or lr < 0.01 and status = finished", "aria-describedby": "trouble", oninput: () => typed(box.value),
  onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) endTyping(); } });
const find = h("label", { class: "find" }, h("span", {}, "Filter"), box);
const trouble = h("span", { class: "trouble", id: "trouble", role: "status" });
const bar = h("div", { class: "bar" });
const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of runs" });
const head = h("thead", {}), headerRow = h("tr", {}), lookHeader = h("td", { class: "look" }), body = h("tbody", {});
const runsTable = h("table", { class: "runs" }, h("caption", { class: "hidden" }, "Runs; the buttons in the header sort"), head, body);
const headers = new Map(), rows = new Map(); // by column, by run; kept so that an open drop-down stays open while runs arrive

function drawTable(place) {
  const runs = sorted(shownRuns());
  const shown = tableColumns(data.runs);
  const left = openColumns().length - shown.length;
  const best = bestCells(runs, shown);
  if (box.value !== state.filter) box.value = state.filter;
  box.setAttribute("aria-invalid", String(filter.trouble !== ""));
  if (trouble.textContent !== visible(filter.trouble)) trouble.textContent = visible(filter.trouble);
  fillBar(runs, left);
  fill(headerRow, lookHeader, shown.map(header));
  fill(head, groupRow(shown), headerRow);
  fill(scroll, runsTable, !runs.length && h("p", { class: "empty" }, data.runs.length ? "No run matches the filter." : "No runs yet."));
  fill(place, bar, scroll);
  drawRows(runs, (run) => row(run, shown, best));
}

/** Fill the bar above the table: the filter, the number of matching runs, ranges, and switches of columns. */
function fillBar(runs, left) {
  fill(bar, find, trouble,
    h("span", { class: "count" }, `${runs.length.toLocaleString("en")} of ${plural(data.runs.length, "run")}`),
    [...state.brush.keys()].map((key) => h("button", { class: "chip", "data-key": `unbrush ${key}`,
      "aria-label": `Clear the range of ${columnOf(key)?.name ?? key}, ${rangeText(state.brush.get(key))}`,
      onclick: () => { const brush = new Map(state.brush); brush.delete(key); change({ brush }); } },
      `${inner(columnOf(key)?.name ?? key, 32)} ${rangeText(state.brush.get(key))} `, h("span", { "aria-hidden": "true" }, "×"))),
    (left > 0 || state.all) && h("label", { class: "check" },
      h("input", { type: "checkbox", checked: state.all, "data-key": "all",
        onchange: (event) => change({ all: event.target.checked }) }),
      state.all ? "also columns that are equal in all runs that have them" : `also ${plural(left, "column")} equal in all runs that have them`),
    groupSwitches());
}

/** A switch for each group in which the runs have columns. */
function groupSwitches() {
  const groups = GROUPS.filter((group) => columns.some((column) => column.group === group && column.key !== "metadata.name"));
  return h("span", { class: "switches", role: "group", "aria-label": "Columns" }, h("span", { class: "hint" }, "columns"), groups.map((group) => h("button", {
    class: "chip", "data-key": `fold ${group}`, "aria-pressed": String(!state.folded.has(group)),
    onclick: () => { const folded = new Set(state.folded); if (!folded.delete(group)) folded.add(group); change({ folded }); },
  }, group === "metadata" ? "run" : group)));
}

function groupRow(shown) {
  const spans = [];
  for (const { group, key } of shown) {
    const last = spans.at(-1);
    const title = key === "metadata.name" ? "run" : group;
    if (last?.title === title || (last?.title === "run" && group === "metadata")) last.span += 1;
    else spans.push({ title, span: 1 });
  }
  return h("tr", { class: "groups" }, h("td", { class: "look" }),
    spans.map(({ title, span }) => h("th", { scope: "colgroup", colspan: span }, h("span", {}, title))));
}

function header(column) {
  const { key } = column, sortedBy = state.sort === key;
  if (!headers.has(key)) headers.set(key, newHeader(column));
  const { cell: made, arrow, select } = headers.get(key);
  if (sortedBy) made.setAttribute("aria-sort", state.down ? "descending" : "ascending");
  else made.removeAttribute("aria-sort");
  made.className = `${column.kind} ${key === "metadata.name" ? "name" : ""}`;
  arrow.textContent = sortedBy ? (state.down ? "▼" : "▲") : "";
  select.hidden = !column.reduced;
  if (column.reduced) {
    const simple = column.group === "metrics" && data.runs.some((run) => own(run.metrics, column.name) !== undefined);
    const names = REDUCTIONS.filter((name) => name !== "best" || column.better).filter((name) => simple || name !== "last");
    offer(select, [["", simple ? "recorded" : "last"], ...names.map((name) => [name, name])], state.reduce.get(key) ?? "");
  }
  return made;
}

function newHeader({ key, name }) {
  const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
  const turn = () => change({ sort: key, down: state.sort === key ? !state.down : columnOf(key)?.better === "max" });
  const choose = () => {
    const reduce = new Map(state.reduce);
    if (select.value) reduce.set(key, select.value);
    else reduce.delete(key);
    change({ reduce });
  };
  const select = h("select", { class: "reduce", "data-key": `reduce ${key}`, "aria-label": `Reduction of ${name}`, onchange: choose });
  const cell = h("th", { scope: "col" },
    h("button", { class: "sort", "data-key": `sort ${key}`, title: `${key}: sort`, onclick: turn }, inner(name, 32), arrow), select);
  return { cell, arrow, select };
}

function bestCells(runs, shown) {
  const best = new Map();
  for (const column of shown) {
    if (!column.better || state.reduce.get(column.key) === "count") continue;
    const values = runs.map((run) => cell(run, column)).filter(isFiniteNumber); // like the min and max of a series
    if (new Set(values).size > 1) best.set(column.key, values.reduce((a, b) => ((column.better === "min" ? b < a : b > a) ? b : a)));
  }
  return best;
}

function row(run, shown, best) {
  const hidden = state.hidden.has(run.id);
  if (!rows.has(run.id)) rows.set(run.id, h("tr", { "data-run": run.id }));
  const made = rows.get(run.id);
  made.className = hidden ? "off" : "";
  fill(made,
    h("td", { class: "look" }, eye(run, hidden)),
    shown.map((column) => {
      if (column.key === "metadata.name") {
        return h("th", { scope: "row", class: "name" }, h("a", { ...opens(run.id), "data-key": `open ${run.id}`, title: run.name.length > 2 * KEPT ? run.name : undefined }, fitted(run.name)));
      }
      const value = cell(run, column);
      const text = cellText(value, column);
      const whole = column.kind === "number" && isNumber(value) ? String(value) : text;
      if (column.key === "metadata.status") return h("td", {}, status(value));
      return h("td", { class: `${column.kind} ${value !== undefined && best.get(column.key) === value ? "best" : ""}`,
        title: text.length > 48 || whole !== text ? whole : undefined }, inner(text));
    }));
  return made;
}

function status(value) {
  return h("span", { class: `status ${value}` }, value);
}

function eye(run, hidden) {
  return h("button", { class: "eye", "data-key": `eye ${run.id}`, "aria-pressed": String(!hidden),
    "aria-label": `Show ${label(run)} in the graphs`, title: hidden ? "show in the graphs" : "hide in the graphs",
    onclick: () => toggleHidden(run.id) },
    h("svg", { viewBox: "0 0 16 10", width: 16, height: 10, "aria-hidden": "true" },
      h("path", { d: "M1 5C4-.3 12-.3 15 5 12 10.3 4 10.3 1 5Z", fill: "none", stroke: "currentColor", "stroke-width": 1.2 }),
      hidden ? h("line", { x1: 3, y1: 9.5, x2: 13, y2: 0.5, stroke: "currentColor", "stroke-width": 1.2 })
        : h("circle", { cx: 8, cy: 5, r: 2, fill: "currentColor" })),
    swatch(run));
}
