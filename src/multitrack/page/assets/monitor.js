// A metric in production over time: deployments are picked, a range of time is dragged, and a point leads to its run.
// The windows are Python's, in data.monitor.

const EXECUTIONS_AT_ONCE = 200;
const WINDOW_STATISTICS = ["mean", "rate", "count", "min", "max", "p50", "p95", "p99"];

const hasMonitor = () => Object.keys(data.monitor.executions).length > 0;

const viewTabs = h("nav", { class: "tabs", "aria-label": "Views" });
const showView = (view) => { location.hash = address({ ...state, view, run: "" }); }; // Back returns

function drawTabs() {
  viewTabs.hidden = !hasMonitor();
  fill(viewTabs, [["", "Runs"], ["monitor", "Monitor"]].map(([view, text]) => h("button", { class: "chip", "data-key": `view ${view}`,
    "aria-pressed": String(state.view === view), onclick: () => showView(view) }, text)));
}

const chooseMetric = h("select", { "data-key": "monitor metric", onchange: () => change({ metric: chooseMetric.value }) });
const chooseStatistic = h("select", { "data-key": "monitor statistic", onchange: () => change({ stat: chooseStatistic.value }) });
const wholeRange = h("button", { class: "chip", "data-key": "whole range", onclick: () => change({ range: "" }) });
const monitorBar = h("div", { class: "bar" }, h("label", {}, h("span", {}, "metric"), chooseMetric),
  h("label", {}, h("span", {}, "statistic"), chooseStatistic), wholeRange,
  h("span", { class: "hint" }, "drag: a range of time · double click: all · click on a point: its run"));
const deploymentChips = h("div", { class: "legend", role: "group", "aria-label": "Deployments" });
const monitorPlot = h("div", { class: "plot", role: "img" });
const monitorFigure = h("figure", { id: "monitored" }, h("figcaption", {}), monitorPlot);
const executionsHead = ["run", "deployment", "trigger", "status", "started", "took", "inputs", "outputs"];

/** The deployments that are in the page, in the order of their colours. */
const deployments = () => [...new Set(Object.values(data.monitor.executions).map((execution) => execution.deployment))].sort();

/** The chosen range of time in ms. */
function chosenRange() {
  const ends = state.range.split(":").map(Number);
  return ends.length === 2 && ends.every((end) => isFinite(end) && Math.abs(end) <= LATEST) && ends[0] <= ends[1] ? ends : [-Infinity, Infinity];
}

function drawMonitor(place) {
  const names = Object.keys(data.monitor.metrics), every = deployments();
  const name = own(data.monitor.metrics, state.metric) ? state.metric : names[0];
  const statistic = WINDOW_STATISTICS.includes(state.stat) ? state.stat : "mean";
  offer(chooseMetric, names.map((one) => [one, inner(one, 60)]), name);
  offer(chooseStatistic, WINDOW_STATISTICS.map((one) => [one, one === "rate" ? "values per second" : one]), statistic);
  const [from, to] = chosenRange();
  wholeRange.hidden = !isFinite(from);
  wholeRange.textContent = isFinite(from) ? `${momentText(from)} to ${momentText(to)} ×` : "";
  fill(deploymentChips, every.map((deployment, i) => h("button", { class: "chip", "data-key": `deployment ${deployment}`,
    "data-deployment": deployment, "aria-pressed": String(!state.away.has(deployment)), onclick: () => togglePicked(deployment) },
    swatch({ look: i }), inner(deployment, 40))));
  fill(place, h("h2", {}, "Monitor"), monitorBar, deploymentChips, CHARTS && name !== undefined && monitorFigure,
    name === undefined && h("p", { class: "empty" }, "No execution has a metric yet."), executionsTable(from, to));
  if (CHARTS && name !== undefined) drawWindows(name, statistic, every, from, to);
}

function togglePicked(deployment) {
  const away = new Set(state.away);
  if (!away.delete(deployment)) away.add(deployment);
  change({ away });
}

function drawWindows(name, statistic, every, from, to) {
  const held = data.monitor.metrics[name];
  const picked = every.filter((deployment) => own(held, deployment) && !state.away.has(deployment));
  const scale = valueScale(picked.map((deployment) => ({ values: held[deployment][statistic] })), false);
  const length = Math.max(0, ...picked.map((deployment) => held[deployment].end[0] - held[deployment].start[0]));
  fill(monitorFigure.querySelector("figcaption"), h("span", { class: "title" }, inner(name, 100)),
    h("span", { class: "hint" }, length ? `windows of ${tookText(length / 1000)}` : "no deployment is picked"));
  monitorPlot.setAttribute("aria-label", visible(`Graph of ${name} over time, ${plural(picked.length, "deployment")}`));
  const traces = picked.map((deployment) => windowTrace(deployment, held[deployment], statistic, scale, every.indexOf(deployment)));
  const [muted, line] = ["--muted", "--line"].map(style);
  const axis = { color: muted, gridcolor: line, zeroline: false, linecolor: line, ticks: "", automargin: true };
  Plotly.react(monitorPlot, traces, {
    margin: { l: 48, r: 12, t: 6, b: 36 }, height: 340, showlegend: false, hovermode: "closest", dragmode: "zoom",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "inherit", size: 11, color: style("--text") },
    xaxis: { ...axis, type: "date", ...(isFinite(from) ? { range: [momentText(from, true), momentText(to, true)] } : { autorange: true }) },
    yaxis: { ...axis, ...scale.axis, fixedrange: true, exponentformat: "power" },
    hoverlabel: { bgcolor: style("--raised"), bordercolor: line, font: { color: style("--text") } },
  }, { displayModeBar: false, responsive: true });
  if (monitorPlot.follows) return;
  monitorPlot.follows = true;
  monitorPlot.on("plotly_relayout", dragged);
  monitorPlot.on("plotly_click", ({ points: [point] }) => point && follow(point.data.meta, point.customdata));
}

/** A deployment's line, in local time; a window without values interrupts it. */
function windowTrace(deployment, windows, statistic, scale, place) {
  const x = [], y = [], customdata = [];
  windows.start.forEach((start, i) => {
    if (i && start !== windows.end[i - 1]) { x.push(momentText(windows.end[i - 1], true)); y.push(null); customdata.push(null); }
    x.push(momentText(start, true));
    y.push(scale.place(number(windows[statistic][i])));
    customdata.push(i);
  });
  const { colour, dash } = look({ look: place });
  return { x, y, customdata, meta: deployment, name: plotlyText(inner(deployment, 40)), type: "scatter", mode: "lines+markers",
    line: { color: colour, width: 1.6, dash }, marker: { color: colour, size: x.length > 100 ? 4 : 6 },
    hovertemplate: "%{y}<br>%{x}<extra>%{fullData.name}</extra>" };
}

function dragged(changes) {
  const ends = [changes["xaxis.range[0]"], changes["xaxis.range[1]"]];
  if (ends.every((end) => end !== undefined)) change({ range: ends.map((end) => new Date(String(end).replace(" ", "T")).getTime()).join(":") });
  else if (changes["xaxis.autorange"]) change({ range: "" });
}

/** Open the run of a window; of several runs, list them: the range becomes the window. */
function follow(deployment, i) {
  const windows = own(own(data.monitor.metrics, chooseMetric.value) ?? {}, deployment);
  if (!windows || i === null || i === undefined) return;
  if (windows.run[i] !== null && byId.has(windows.run[i])) location.hash = address({ ...state, run: windows.run[i] });
  else change({ range: `${windows.start[i]}:${windows.end[i] - 1}` });
}

/** The executions of the picked deployments that were there within the range, newest first. */
function executionsTable(from, to) {
  const found = data.runs.filter((run) => {
    const execution = own(data.monitor.executions, run.id);
    return execution && !state.away.has(execution.deployment) && run.started <= to && (run.ended ?? Infinity) >= from;
  }).sort((a, b) => b.started - a.started);
  const values = ({ shown, more }) => [...shown.map(([name, value, type, source]) => `${oneLine(name)} ${short(value, 60)} (${type}${source && `, ${source}`})`),
    ...(more ? [`… ${more} more`] : [])].join("\n");
  const row = (run) => {
    const execution = data.monitor.executions[run.id];
    return h("tr", { "data-run": run.id }, h("th", { scope: "row" }, h("a", { ...opens(run.id), "data-key": `execution ${run.id}` }, inner(run.name, 60))),
      [inner(execution.deployment, 40), inner(execution.trigger, 40), status(run.status), momentText(run.started), tookText(metadata(run, "took")),
        values(execution.inputs), values(execution.outputs)].map((value) => h("td", {}, value)));
  };
  return h("section", {}, h("h2", {}, "Executions"),
    h("p", { class: "hint" }, `${found.length.toLocaleString("en")} of ${plural(Object.keys(data.monitor.executions).length, "execution")}`,
      found.length > EXECUTIONS_AT_ONCE && `, the newest ${EXECUTIONS_AT_ONCE} are shown`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Executions" }, h("table", { class: "plain executions" },
      h("thead", {}, h("tr", {}, executionsHead.map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, found.slice(0, EXECUTIONS_AT_ONCE).map(row)))));
}
