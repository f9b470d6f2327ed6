// The page of one run: its facts, params, metrics, references, provenance and lines.

// Parts of the open run. While it grows, only parts with new data are created again: lists stay open, graphs zoomed.
let opened = { id: undefined };
const runControls = h("div", {}), runGraphs = h("div", { class: "graphs" });
const graphsSection = h("section", { class: "run-graphs" }, h("h2", {}, "Graphs"), runControls, runGraphs);

/** A part of the page, created again only if its data have changed. */
function part(name, shows, make) {
  const text = JSON.stringify(shows);
  if (opened.parts.get(name)?.text !== text) opened.parts.set(name, { text, made: make() });
  return opened.parts.get(name).made;
}

const LINKS = 200; // maximum number of children

function drawRun(place, run) {
  if (!run) {
    fill(place, back(), h("p", { class: "empty" }, `No run ${state.run} is in this page.`));
    return;
  }
  if (!isWhole(run)) {
    if (opened.id !== run.id) fill(place, back(), h("header", { class: "head" }, h("h1", {}, oneLine(run.name)), status(run.status)), h("p", { class: "empty" }, "…"));
    return;
  }
  if (opened.id !== run.id) opened = { id: run.id, parts: new Map(), lines: linesSection() };
  const children = data.runs.filter((other) => other.parent === run.id);
  fill(place, back(),
    h("header", { class: "head" }, h("h1", {}, oneLine(run.name)), status(run.status)),
    run.notes && h("p", { class: "notes" }, run.notes),
    facts([
      ["run", h("code", {}, run.id)], ["project", oneLine(run.project)], ["group", run.group && oneLine(run.group)],
      ["parent", run.parent && runLink(run.parent)],
      ["children", children.length > 0 && h("span", { class: "list" }, children.slice(0, LINKS).map((child) => runLink(child.id)),
        children.length > LINKS && h("span", { class: "hint" }, `and ${(children.length - LINKS).toLocaleString("en")} more: filter the table by parent = ${inner(run.name, 60)}`))],
      ["started", momentText(run.started)], [run.ended === null ? "last record" : "ended", momentText(run.ended ?? run.last)],
      ["took", tookText(metadata(run, "took"))],
      ...Object.entries(run.counts).filter(([, count]) => count).map(([name, count]) => [name, count.toLocaleString("en")]),
    ]),
    part("params", [run.params, run.sources], () => table("Params", ["param", "value", "from"], Object.entries(run.params).map(([name, value]) =>
      [name, valueText(paramValue(value), ALL_DIGITS), run.sources[name] ?? ""]))),
    metricTable(run),
    hasCurves(run) && graphsSection,
    part("tags", run.tags, () => table("Tags", ["tag", "value"], Object.entries(run.tags))),
    part("references", run.references, () => table("References", ["name", "role", "kind", "where", "size", "version"], run.references.map((ref) =>
      [ref.name, ref.role, ref.kind, reference(ref.uri), sizeText(ref.size), versionOf(ref) && h("code", { title: versionOf(ref) }, short(versionOf(ref), ref.version ? 60 : 20))]))),
    part("lineage", [data.version, data.lineage.nodes.length], () => lineageSection(lineageOf(run))),
    part("provenance", [run.directory, contextOf(run), data.packages[contextOf(run)?.packages]], () => provenance(run)),
    part("delivery", run.delivery, () => table("Delivery", ["backend", "state", "id", "link"], run.delivery.map((lane) =>
      [lane.name, lane.state, lane.id ?? "", lane.url ? reference(lane.url) : ""]))),
    run.lines.count > 0 && opened.lines(run));
  drawRunGraphs(run);
}

function drawRunGraphs(run) {
  if (!hasCurves(run) || run.listed) return;
  drawControls(runControls, [run]);
  drawGraphs(runGraphs, [run]);
}

function back() {
  return h("nav", { "aria-label": "Back" }, h("a", { ...opens(""), "data-key": "back" }, state.view === "monitor" ? "← monitor" : "← all runs"));
}

const runLink = (id) => (byId.has(id) ? h("a", opens(id), inner(byId.get(id).name, 100)) : h("code", {}, id));

/** A number, shown in full if it is short, and always in its title; a number recorded as text is shown in full. */
function exact(value) {
  if (typeof value !== "number") return valueText(value);
  const whole = String(value);
  return h("span", { class: "number", title: whole }, whole.length <= 14 ? whole : numberText(value, 9));
}

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function table(title, names, rows) {
  if (!rows.length) return null;
  return h("section", {}, h("h2", {}, title), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, oneLine(first)), rest.map((value) => h("td", {}, value))))))));
}

function metricTable(run) {
  const names = ["metric", "value", "points", "first", "min", "max", "mean", "median"];
  const row = (name, value, points) => [name, exact(value), points?.count ?? "",
    ...["first", "min", "max", "mean", "median"].map((of) => exact(points?.statistics[STATISTICS[of]] ?? ""))];
  const rows = Object.entries(run.metrics).map(([name, value]) => row(name, value, own(run.series, name)));
  for (const held of [run.series, run.lists]) {
    for (const [name, points] of Object.entries(held)) {
      if (held === run.series && own(run.metrics, name) !== undefined) continue;
      rows.push(row(name, points.statistics[STATISTICS.last], points));
    }
  }
  return table("Metrics", names, rows);
}

function provenance(run) {
  const from = contextOf(run);
  if (!from) return null;
  const git = from.git;
  const packages = Object.entries(data.packages[from.packages] ?? {});
  return h("section", {}, h("h2", {}, "Where it came from"),
    facts([
      ["command", h("code", {}, from.command.join(" "))], ["program", from.program && h("code", {}, from.program)],
      ["directory", h("code", {}, from.cwd)],
      ["git commit", git && h("span", {}, h("code", {}, git.commit), git.branch ? ` on ${git.branch}` : "", git.dirty ? ", changed since" : "")],
      ["git remote", git?.remote && reference(git.remote)],
      ["user", `${from.user} on ${from.host}`], ["Python", `${from.python}, ${from.platform}`], ["interpreter", h("code", {}, from.executable)],
      ["journal", h("code", {}, run.directory)],
    ]),
    packages.length > 0 && h("details", {}, h("summary", {}, plural(packages.length, "package")),
      h("ul", { class: "packages" }, packages.map(([name, version]) => h("li", {}, `${name} ${version}`)))));
}
