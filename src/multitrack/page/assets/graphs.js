// One graph per series or list, with the runs over each other, each in its own look. Drawn when it comes into view.

const CROWD = 32; // more runs than this are drawn fainter, so that crowded regions appear darker
const LATEST = 8.64e15; // ms, of a Date
const CHARTS = typeof Plotly !== "undefined";

/** The names that have curves in these runs: [{group, name}], series first. */
function curveColumns(runs) {
  return columns.filter((column) => column.reduced && runs.some((run) => curve(run, column)));
}

// Created once, like the table: a slider that is created again at each step cannot be dragged.
const chooseX = h("select", { "data-key": "x", onchange: () => change({ x: chooseX.value }) });
const logScale = h("input", { type: "checkbox", "data-key": "log", onchange: () => change({ log: logScale.checked }) });
const slider = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, "data-key": "smooth", oninput: () => change({ smooth: Number(slider.value) }) });
const smoothing = h("output", {});
const crowd = h("span", { class: "hint crowd" });
const controlBar = h("div", { class: "bar" },
  h("label", {}, h("span", {}, "x axis"), chooseX), h("label", { class: "check" }, logScale, "log scale"),
  h("label", {}, h("span", {}, "smoothing"), slider, smoothing), h("span", { class: "hint" }, "drag: zoom · double click: all"), crowd);
const legend = h("div", { class: "legend", role: "group", "aria-label": "Runs in the graphs" });

/** Draw the controls of the graphs in the visible view. `left`: the number of runs that have no room in them. */
function drawControls(place, runs, left = 0) {
  offer(chooseX, [["step", "step"], ["time", "time since start"], ["clock", "clock"]], state.x);
  logScale.checked = state.log;
  if (Number(slider.value) !== state.smooth) slider.value = state.smooth;
  smoothing.textContent = state.smooth ? state.smooth.toFixed(2) : "off";
  const curved = runs.filter(hasCurves);
  crowd.textContent = left > 0 ? `the first ${CURVES} of the table are drawn, ${left.toLocaleString("en")} are not: sort, filter or hide to see others` : "";
  fill(legend, curved.map((run) => h("button", { class: "chip", "aria-pressed": String(!state.hidden.has(run.id)), "data-key": `legend ${run.id}`,
    "data-run": run.id, title: label(run), onclick: () => toggleHidden(run.id) }, swatch(run), label(run, 28))));
  fill(place, controlBar, curved.length > 1 && legend);
}

const waiting = new Map(); // functions that draw the figures out of view, by figure
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.inView = isIntersecting;
    if (isIntersecting) setTimeout(() => { if (target.inView && waiting.has(target)) drawNow(target); }); // after the table is painted
  }
}, { rootMargin: "300px" });

function drawNow(figure) {
  const draw = waiting.get(figure);
  waiting.delete(figure);
  draw();
}

/** Update the graphs in `place`: one figure per column, created once and redrawn when in view. */
function drawGraphs(place, runs) {
  const wanted = curveColumns(runs);
  const there = new Map([...place.children].map((figure) => [figure.dataset.column, figure]));
  if (!CHARTS) {
    fill(place, h("p", { class: "empty" }, "This page was made without charts. ",
      h("code", {}, "multitrack report"), " includes them if Plotly is installed, as by the extra ", h("code", {}, "report"), "."));
    return;
  }
  for (const [key, figure] of there) {
    if (wanted.some((column) => column.key === key)) continue;
    watcher.unobserve(figure);
    waiting.delete(figure);
    Plotly.purge(figure.querySelector(".plot"));
    figure.remove();
  }
  for (const column of wanted) {
    let figure = there.get(column.key);
    if (!figure) {
      figure = h("figure", { "data-column": column.key }, h("figcaption", {}), h("div", { class: "plot" }));
      there.set(column.key, figure);
      place.append(figure);
      watcher.observe(figure);
    }
    waiting.set(figure, () => drawGraph(figure, column, runs));
    if (figure.inView) drawNow(figure);
  }
  fill(place, wanted.map((column) => there.get(column.key))); // in their order
}

function drawGraph(figure, column, runs) {
  const drawn = runs.filter((run) => curve(run, column));
  if (!haveCurves(column, drawn)) return;
  const held = drawn.map((run) => curve(run, column));
  const notes = [];
  const thinned = held.filter((points) => points.count > points.values.length);
  if (thinned.length) {
    const most = Math.max(...thinned.map((points) => points.count));
    notes.push(`up to ${most.toLocaleString("en")} points per run, ${thinned[0].values.length.toLocaleString("en")} drawn with all extremes`);
  }
  const scale = valueScale(held, state.log);
  const gaps = [["odd", "NaN or infinite"], ["huge", "beyond ±1.8e308"], ...(state.log ? [["below", "of 0 and below"]] : [])].map(([kind, what]) =>
    [held.reduce((sum, points) => sum + points[kind], 0), held.filter((points) => points[kind]).length, what]).filter(([count]) => count);
  if (scale.beyond) gaps.push([scale.beyond, 1, `beyond ±${MOST}`]);
  if (gaps.length) notes.push(`not shown: ${gaps.map(([count, runs, what]) => `${count.toLocaleString("en")} ${what}${runs > 1 ? ` in ${runs} runs` : ""}`).join(", ")}`);
  fill(figure.querySelector("figcaption"), h("span", { class: "title", title: column.name.length > 100 ? column.name : undefined }, inner(column.name, 100)),
    column.group === "lists" && h("span", { class: "hint" }, "list"), h("span", { class: "hint" }, notes.join(" · ")));
  const plot = figure.querySelector(".plot");
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", visible(`Graph of ${column.name}, ${plural(drawn.length, "run")}; the table has the numbers`));
  const opacity = Math.min(1, Math.max(0.15, CROWD / drawn.length));
  if (!plot.data) fill(plot);
  try {
    Plotly.react(plot, drawn.flatMap((run) => traces(run, column, scale, opacity)), layout(column, held, scale), { displayModeBar: false, responsive: true });
  } catch (error) { // must not cost the page and its other graphs
    Plotly.purge(plot);
    fill(plot, h("p", { class: "empty" }, `This graph could not be drawn: ${error.message}`));
  }
}

// Plotly interprets some HTML in its texts; recorded text must not be.
const plotlyText = (text) => visible(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

function traces(run, column, scale, opacity) {
  const points = curve(run, column);
  const { colour, dash, marker, marked } = look(run);
  const few = points.values.length <= 24;
  const trace = (curve, more) => ({
    ...broken(xs(run, curve), curve.values.map((value) => scale.place(number(value)))), name: plotlyText(label(run, 40)), meta: run.id,
    type: "scatter", mode: few || marked ? "lines+markers" : "lines",
    line: { color: colour, width: 1.6, dash }, marker: { color: colour, size: few ? 5 : 6, symbol: marker, maxdisplayed: few ? 0 : 12 },
    hovertemplate: "%{y}<br>%{x}<extra>%{fullData.name}</extra>", ...more,
  });
  if (!state.smooth || points.values.length < 3) return [trace(points, { opacity })];
  return [trace(points, { opacity: 0.25 * opacity, hoverinfo: "skip", hovertemplate: null }), trace(smoothed(points.means ?? points), { opacity })];
}

function xs(run, points) {
  if (state.x === "step") return points.steps;
  if (state.x === "time") return points.times.map((time) => time / 1000);
  return points.times.map((time) => (Math.abs(run.started + time) <= LATEST ? run.started + time : null));
}

/**
 * The exponential moving average, corrected for the bias of its start, with the gaps of the points. For a thinned
 * series, of the means of its stretches, each weighted by its number of points.
 */
function smoothed(points) {
  let sum = 0, weight = 0;
  const values = points.values.map((value, i) => {
    value = number(value);
    if (!isFinite(value)) return NaN;
    const before = state.smooth ** (points.counts ? points.counts[i] : 1);
    sum = before * sum + (1 - before) * value;
    weight = before * weight + (1 - before);
    return sum / weight;
  });
  return { steps: points.steps, times: points.times, values };
}

function layout(column, held, scale) {
  const steps = held.flatMap((points) => points.steps);
  const [first, last] = [Math.min, Math.max].map((end) => steps.reduce((a, b) => end(a, b)));
  const few = state.x === "step" && last - first <= 10 && Math.abs(last) < 2 ** 53; // no half steps between them
  const [text, muted, line] = ["--text", "--muted", "--line"].map(style);
  const axis = { color: muted, gridcolor: line, zeroline: false, linecolor: line, ticks: "", automargin: true };
  const title = { step: column.group === "lists" ? "index" : "step", time: "seconds since start", clock: "" }[state.x];
  return {
    margin: { l: 48, r: 12, t: 6, b: 36 }, height: 250, showlegend: false, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "inherit", size: 11, color: text },
    xaxis: { ...axis, title: { text: title, standoff: 6, font: { size: 11, color: muted } }, type: state.x === "clock" ? "date" : "linear",
      dtick: few ? 1 : undefined, range: state.x === "step" ? rangeOf(steps) : undefined },
    yaxis: { ...axis, ...scale.axis, exponentformat: "power" },
    hoverlabel: { bgcolor: style("--raised"), bordercolor: line, font: { color: text } },
    uirevision: `${state.run} ${state.x} ${state.log}`,
  };
}
