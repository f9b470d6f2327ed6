// The page: all runs, or one run.

const app = document.getElementById("app");
const statusLine = document.getElementById("status");
const places = {};

function build() {
  document.title = visible(`${oneLine(data.title)} · multitrack`);
  const themes = [["", "system"], ["light", "light"], ["dark", "dark"]];
  for (const name of ["table", "controls", "graphs", "objective", "parallel", "lineage", "one", "monitored"]) places[name] = h("div", {});
  places.graphs.className = "graphs";
  places.parallel.className = "scroll";
  places.overview = h("main", { id: "overview" },
    h("section", { id: "runs", "aria-label": "Runs" }, places.table),
    h("section", { id: "search" }, h("h2", {}, "Parallel coordinates"), places.objective, places.parallel),
    h("section", { id: "graphs" }, h("h2", {}, "Graphs"), places.controls, places.graphs),
    places.lineage);
  places.single = h("main", { id: "single" }, places.one);
  places.monitor = h("main", { id: "monitor" }, places.monitored);
  places.facts = h("p", { class: "hint" });
  app.append(
    h("header", { class: "top" },
      h("div", {}, h("h1", {}, h("a", { href: "#", "data-key": "home" }, oneLine(data.title))), places.facts, viewTabs),
      h("label", {}, h("span", {}, "theme"), h("select", { "data-key": "theme", onchange: (event) => change({ theme: event.target.value }) },
        themes.map(([value, text]) => h("option", { value, selected: state.theme === value }, text))))),
    places.overview, places.monitor, places.single);
}

function drawFacts() {
  const thinned = data.runs.some((run) => [run.series, run.lists].some((held) =>
    Object.values(held).some((points) => points.count > (points.values?.length ?? data.points))));
  fill(places.facts, h("span", {}, [plural(data.runs.length, "run"), data.journal, `made ${momentText(data.made)}`].join(" · ")),
    data.sampled !== null && h("span", { id: "sampled" }, ` · curves are sampled: at most ${data.sampled.toLocaleString("en")} points of each, of ${plural(data.runs.length, "run")}, so that the file stays small; `,
      h("code", {}, "multitrack report --watch"), ` draws up to ${data.points.toLocaleString("en")} of each`),
    data.sampled === null && thinned && h("span", {}, ` · series of more than ${data.points.toLocaleString("en")} points are thinned: each stretch keeps its first, last, lowest and highest`));
}

const chooseObjective = h("select", { "data-key": "objective", onchange: () => change({
  objective: chooseObjective.value, brush: new Map([...state.brush].filter(([key]) => key.startsWith("params."))) }) });
const scale = h("span", { class: "scale", "aria-hidden": "true" });
const axesHint = h("span", { class: "hint" });
const objectiveBar = h("div", { class: "bar" }, h("label", {}, h("span", {}, "objective"), chooseObjective), scale,
  h("span", { class: "hint" }, "drag on an axis: set a range · click: clear it"), axesHint);

function drawObjective() {
  const goal = objective();
  const metrics = columns.filter((column) => column.group === "metrics");
  offer(chooseObjective, metrics.map((column) => [column.key, inner(column.name, 60)]), goal?.key);
  fill(scale, scaleBar(goal));
  axesHint.textContent = [leftOut && `${plural(leftOut, "more differing param")} without an axis`,
    undrawn && `${undrawn.toLocaleString("en")} of ${plural(undrawn + LINES, "run")} are not drawn: set a range or filter to see others`].filter(Boolean).join(" · ");
  fill(places.objective, objectiveBar);
}

function scaleBar(goal) {
  const axis = cachedAxes?.at(-1);
  if (!goal || !axis) return null;
  const steps = 24;
  return [h("span", {}, axis.ticks[0][1]),
    h("svg", { width: 96, height: 10, viewBox: `0 0 ${steps} 1`, preserveAspectRatio: "none" },
      Array.from({ length: steps }, (_, i) => h("rect", { x: i, y: 0, width: 1.05, height: 1, fill: shade(i / (steps - 1)) }))),
    h("span", {}, axis.ticks.at(-1)[1])];
}

function draw(changed = null) {
  const did = (...keys) => changed === null || keys.some((key) => changed.includes(key));
  if (did("theme")) applyTheme();
  cachedAxes = null;
  const single = Boolean(state.run), monitoring = !single && state.view === "monitor" && hasMonitor();
  drawTabs();
  places.overview.hidden = single || monitoring;
  places.monitor.hidden = !monitoring;
  places.single.hidden = !single;
  if (single) {
    const smaller = changed && !changed.includes("run") && !changed.includes("curves") && byId.has(state.run);
    return smaller ? drawRunGraphs(byId.get(state.run)) : drawRun(places.one, byId.get(state.run));
  }
  if (monitoring) return drawMonitor(places.monitored);
  if (!did("x", "log", "smooth", "curves") || changed === null || changed.includes("filter")) {
    drawTable(places.table);
    drawParallel(places.parallel);
    drawObjective();
    fill(places.lineage, lineageSection(lineageAmong(shownRuns())));
  }
  const drawn = drawnRuns(), visible = shownRuns().filter((run) => hasCurves(run) && !state.hidden.has(run.id));
  drawControls(places.controls, legendRuns(), visible.length - drawn.length);
  document.getElementById("graphs").hidden = !curveColumns(data.runs).length;
  return drawGraphs(places.graphs, drawn);
}

data.lineage ??= { nodes: [], edges: [], isMissing: true };
index();
indexLineage();
applyTheme();
build();
drawFacts();
onChange(draw);
followScroll();
darkQuery.addEventListener("change", () => draw(null));
followWidth(places.parallel);
draw();
followRuns();
