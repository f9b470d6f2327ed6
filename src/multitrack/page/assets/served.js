// A served page: what changed since it was drawn, and the curves and columns of many runs, requested when they are
// needed. A listed run has what the table shows; its series have no points, and the first statistics only.

const GONE = "The report is no longer served; this is its last state.";
const requested = new Set(); // requests that are under way

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

/** Request something once, then take it and draw. */
async function request(path, takeIt) {
  if (requested.has(path)) return;
  requested.add(path);
  let answer;
  try {
    answer = await ask(path);
  } catch {
    return say(GONE);
  } finally {
    requested.delete(path);
  }
  return takeIt(answer);
}

/** The points of a run that is no longer in its journal. */
const NO_POINTS = { steps: [], times: [], values: [], means: null, odd: 0, huge: 0, below: 0 };

/** True if the points of a column are here for all these runs; otherwise they are requested, and graphs drawn again. */
function haveCurves(column, runs) {
  const missing = runs.filter((run) => curve(run, column).values === undefined);
  if (!missing.length) return true;
  const { group, name } = column;
  request(`curves?${new URLSearchParams([["group", group], ["name", name], ...missing.map((run) => ["id", run.id])])}`, ({ curves }) => {
    for (const run of missing) {
      const held = curve(run, column);
      if (held) Object.assign(held, own(curves, run.id) ?? NO_POINTS);
    }
    draw(["curves"]);
  });
  return false;
}

/** True if a run has all data of its page; otherwise they are requested, and the page is drawn again. */
function isWhole(run) {
  if (run.listed) requestWhole(run.id);
  return !run.listed;
}

function requestWhole(id) {
  return request(`run?${new URLSearchParams({ id })}`, ({ runs: [run], contexts, packages }) => {
    if (!run && state.run === id) fill(places.one, back(), h("p", { class: "empty" }, `The run ${id} is no longer in its journal.`));
    if (!run || !byId.has(id)) return;
    if (run.context !== null) { // it has packages, which those of the table lack
      const place = `of ${id}`, context = contexts[run.context];
      data.contexts[place] = { ...context, packages: place };
      data.packages[place] = packages[context.packages];
      run.context = place;
    }
    Object.assign(byId.get(id), { listed: false }, run);
    draw(["curves"]);
  });
}

/** Request all statistics of a column. */
function wantStatistics({ group, name }) {
  if (data.watch === null) return;
  request(`column?${new URLSearchParams({ group, name })}`, ({ statistics }) => {
    for (const [id, found] of Object.entries(statistics)) {
      const points = byId.has(id) && curve(byId.get(id), { group, name });
      if (points && points.statistics.length < found.length) points.statistics = found;
    }
    for (const column of columns) column.digits = undefined;
    drawAgain();
  });
}

/** Request the contexts of all runs, which a filter on the user or the command needs. */
function wantContexts() {
  request("contexts", ({ contexts, packages }) => {
    Object.assign(data.contexts, contexts);
    Object.assign(data.packages, packages);
    drawAgain();
  });
}

function drawAgain() {
  filter.text = undefined; // parse it again: it may compare what is new
  draw();
}

/** Begin to follow the runs; the lineage of many is requested after their table is drawn. */
function followRuns() {
  if (data.watch === null) return;
  setTimeout(poll, data.watch * 1000);
  if (!data.lineage.isMissing) return;
  request("lineage", ({ lineage }) => {
    mergeLineage(lineage);
    draw();
  });
}

async function poll() {
  try {
    await request(`changes?since=${data.version}`, (news) => { say(""); take(news); });
    if (byId.get(state.run)?.listed === false) await requestWhole(state.run); // its delivery goes on
  } finally {
    setTimeout(poll, data.watch * 1000);
  }
}

function say(text) {
  if (statusLine.textContent !== text) statusLine.textContent = text;
}

function take(news) {
  const isNew = news.version !== data.version;
  data.version = news.version;
  if (!isNew) return;
  Object.assign(data.contexts, news.contexts);
  Object.assign(data.packages, news.packages);
  Object.assign(data, { better: news.better, made: news.made });
  mergeMonitor(news.monitor);
  for (const run of news.runs) {
    const old = byId.get(run.id);
    if (old) Object.assign(old, { text: undefined }, run); // its texts for the filter are gathered anew
    else data.runs.push(run);
  }
  index();
  if (Object.keys(news.lineage).length) mergeLineage(news.lineage);
  drawFacts();
  draw(state.run ? (news.runs.some((run) => run.id === state.run) ? null : ["nothing"]) : null);
}

function mergeMonitor({ metrics, executions }) {
  const merged = (held, found) => Object.fromEntries([...Object.entries(held), ...Object.entries(found)]);
  const windows = Object.entries(metrics).map(([name, found]) => [name, merged(own(data.monitor.metrics, name) ?? {}, found)]);
  data.monitor = { metrics: merged(data.monitor.metrics, Object.fromEntries(windows)), executions: merged(data.monitor.executions, executions) };
}

/** Replace the nodes that changed, with the edges that begin at them; null is a node that is gone. */
function mergeLineage(changed) {
  const { nodes, edges } = data.lineage;
  const held = new Map(nodes.map((node) => [node.id, { node, to: [] }]));
  for (const [from, to, loose] of edges) held.get(nodes[from].id).to.push([nodes[to].id, loose]);
  for (const [id, found] of Object.entries(changed)) {
    if (found === null) held.delete(id);
    else held.set(id, found);
  }
  const place = new Map([...held.keys()].map((id, i) => [id, i]));
  data.lineage = {
    nodes: [...held.values()].map(({ node }) => node),
    edges: [...held].flatMap(([id, { to }]) => to.filter(([other]) => place.has(other)).map(([other, loose]) => [place.get(id), place.get(other), loose])),
  };
  indexLineage();
}
