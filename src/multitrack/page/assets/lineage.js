// Lineage, from left to right: data and models, and the runs that read and wrote them. The joins are Python's.

const LAYERS = 12, ROWS = 16; // the room of a picture
const BOX = { width: 164, height: 42, across: 208, down: 54 };

let into = [], outOf = []; // the edges of each node, by its position in data.lineage.nodes
let nodeOf = new Map();

function indexLineage() {
  const { nodes, edges } = data.lineage;
  [into, outOf] = [nodes.map(() => []), nodes.map(() => [])];
  for (const edge of edges) {
    outOf[edge[0]].push(edge);
    into[edge[1]].push(edge);
  }
  nodeOf = new Map(nodes.map((node, i) => [node.id, i]));
}

/** All nodes that are reached from one. Each is visited once, so a cycle ends. */
function reached(start, edgesOf, end) {
  const seen = new Set([start]);
  for (const node of seen) for (const edge of edgesOf[node]) seen.add(edge[end]);
  return seen;
}

/** What a run came from, and what came from it. */
function lineageOf(run) {
  const start = nodeOf.get(run.id);
  if (start === undefined) return { nodes: [], edges: [] };
  const up = reached(start, into, 0), down = reached(start, outOf, 1);
  const both = (set, [from, to]) => set.has(from) && set.has(to);
  return { nodes: [...new Set([...up, ...down])], edges: data.lineage.edges.filter((edge) => both(up, edge) || both(down, edge)), start };
}

/** These runs, and what they read and wrote. */
function lineageAmong(runs) {
  const shown = new Set(runs.map((run) => run.id));
  const counts = (i) => data.lineage.nodes[i].type !== "run" || shown.has(data.lineage.nodes[i].id);
  const edges = data.lineage.edges.filter(([from, to]) => counts(from) && counts(to));
  return { nodes: [...new Set(edges.flatMap(([from, to]) => [from, to]))], edges };
}

/** The column of each node: one more than those of all that lead to it, apart from cycles. */
function layersOf({ nodes, edges }) {
  const next = new Map(nodes.map((node) => [node, new Set()])), waits = new Map(nodes.map((node) => [node, 0]));
  for (const [from, to] of edges) {
    if (from === to || next.get(from).has(to)) continue;
    next.get(from).add(to);
    waits.set(to, waits.get(to) + 1);
  }
  const first = nodes.filter((node) => !waits.get(node)), ready = [...first];
  const found = new Map(), remaining = new Set(nodes), layers = new Map();
  for (let i = 0; remaining.size;) {
    if (i === ready.length) ready.push([...remaining].reduce((a, b) => (waits.get(b) < waits.get(a) ? b : a))); // a cycle
    const node = ready[i++];
    if (!remaining.delete(node)) continue;
    layers.set(node, found.get(node) ?? 0);
    for (const other of next.get(node)) {
      if (!remaining.has(other)) continue;
      found.set(other, Math.max(found.get(other) ?? 0, layers.get(node) + 1));
      waits.set(other, waits.get(other) - 1);
      if (!waits.get(other)) ready.push(other);
    }
  }
  for (const node of first) { // stands beside the first that it leads to
    const after = [...next.get(node)].map((other) => layers.get(other));
    if (after.length) layers.set(node, Math.max(0, Math.min(...after) - 1));
  }
  return layers;
}

/** The nodes of the columns that are shown, with those that have no room. */
function columnsOf(part) {
  const layers = layersOf(part), all = [];
  for (const [node, layer] of layers) (all[layer] ??= []).push(node);
  const middle = part.start === undefined ? all.length - 1 : layers.get(part.start);
  const from = Math.max(0, Math.min(middle - LAYERS / 2, all.length - LAYERS));
  const heights = new Map(), before = new Map();
  for (const [source, target] of part.edges) {
    if (!before.has(target)) before.set(target, []);
    before.get(target).push(source);
  }
  const degree = (node) => into[node].length + outOf[node].length;
  const height = (node) => {
    const known = (before.get(node) ?? []).map((other) => heights.get(other)).filter((place) => place !== undefined);
    return known.length ? known.reduce((a, b) => a + b) / known.length : 0.5;
  };
  return all.slice(from, from + LAYERS).map((nodes = []) => {
    const ranked = [...nodes].sort((a, b) => (b === part.start) - (a === part.start) || degree(b) - degree(a));
    const kept = new Set(ranked.slice(0, ranked.length > ROWS ? ROWS - 1 : ROWS));
    const placed = nodes.filter((node) => kept.has(node)).map((node) => [node, height(node)]).sort((a, b) => a[1] - b[1]).map(([node]) => node);
    placed.forEach((node, i) => heights.set(node, (i + 0.5) / placed.length));
    return { placed, rest: nodes.filter((node) => !kept.has(node)) };
  });
}

function lineagePicture(part) {
  const shown = columnsOf(part), most = Math.max(...shown.map(({ placed, rest }) => placed.length + (rest.length > 0)));
  const at = new Map(), boxes = [];
  shown.forEach(({ placed, rest }, i) => {
    const top = (most - placed.length - (rest.length > 0)) / 2;
    placed.forEach((node, j) => {
      at.set(node, [i, top + j]);
      boxes.push(lineageBox(data.lineage.nodes[node], i, top + j, node === part.start));
    });
    if (!rest.length) return;
    for (const node of rest) at.set(node, [i, top + placed.length]);
    boxes.push(h("div", { class: "box more", style: placeOf(i, top + placed.length) }, `… ${rest.length.toLocaleString("en")} more`));
  });
  const paths = new Map();
  for (const [from, to, loose] of part.edges) {
    if (!at.has(from) || !at.has(to)) continue;
    const [[a, b], [c, d]] = [at.get(from), at.get(to)];
    const [x, y, u, v] = [a * BOX.across + BOX.width, b * BOX.down + BOX.height / 2, c * BOX.across, d * BOX.down + BOX.height / 2];
    const bend = Math.max(20, Math.abs(u - x) / 2);
    paths.set(`M${x},${y}C${x + bend},${y} ${u - bend},${v} ${u},${v}`, loose);
  }
  const [width, height] = [shown.length * BOX.across - BOX.across + BOX.width, most * BOX.down - BOX.down + BOX.height];
  const drawn = shown.reduce((sum, { placed }) => sum + placed.length, 0);
  return [
    h("p", { class: "hint" }, "data and models are square, runs are round · dashed: only the URI joins them",
      drawn < part.nodes.length && ` · ${(part.nodes.length - drawn).toLocaleString("en")} of ${plural(part.nodes.length, "node")} are not shown`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Lineage" },
      h("div", { class: "lineage", style: `width:${width}px;height:${height}px` },
        h("svg", { width, height, "aria-hidden": "true" }, [...paths].map(([d, loose]) => h("path", { d, class: loose ? "loose" : null }))), boxes))];
}

const placeOf = (column, row) => `left:${column * BOX.across}px;top:${row * BOX.down}px;width:${BOX.width}px;height:${BOX.height}px`;

function lineageBox(node, column, row, strong) {
  const more = { class: `box ${node.type}${strong ? " strong" : ""}`, style: placeOf(column, row), title: node.more, "data-node": node.id };
  const lines = [h("span", { class: "title" }, oneLine(node.title)), h("span", { class: "fact" }, oneLine(node.fact))];
  return node.type === "run" && !strong ? h("a", { ...more, ...opens(node.id) }, lines) : h("div", more, lines);
}

/** Draw a part of the lineage; nothing if it holds no data. */
function lineageSection(part) {
  if (!part.nodes.some((node) => data.lineage.nodes[node].type !== "run")) return null;
  return h("section", { class: "lineages" }, h("h2", {}, "Lineage"), lineagePicture(part));
}
