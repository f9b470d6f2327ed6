// A run's log lines: searched, between two times, of one stream. Drawn some hundred at a time.

const LINES_AT_ONCE = 500;

function linesSection(run) {
  const streams = [...new Set(run.lines.kept.map((line) => line[1]))].sort();
  const wanted = { find: "", from: "", to: "", stream: "", most: LINES_AT_ONCE };
  const list = h("ol", { class: "lines", tabindex: "0", role: "region", "aria-label": "Log lines" });
  const told = h("span", { class: "count", role: "status" });
  const more = h("button", { onclick: () => { wanted.most += 5 * LINES_AT_ONCE; draw(); } }, "Show more");
  const set = (key) => (event) => { wanted[key] = event.target.value; wanted.most = LINES_AT_ONCE; draw(); };

  function draw() {
    const needle = wanted.find.toLowerCase();
    const from = wanted.from ? new Date(wanted.from).getTime() : -Infinity;
    const to = wanted.to ? new Date(wanted.to).getTime() + 999 : Infinity; // the whole second
    const found = run.lines.kept.filter(([time, stream, text]) => time >= from && time <= to &&
      (!wanted.stream || stream === wanted.stream) && text.toLowerCase().includes(needle));
    fill(list, found.slice(0, wanted.most).map(([time, stream, text]) => h("li", {},
      h("time", {}, momentText(time, true)), h("span", { class: `stream ${stream === "stderr" ? "stderr" : ""}` }, stream),
      h("span", { class: "text" }, marked(text, needle)))));
    told.textContent = `${found.length.toLocaleString("en")} of ${plural(run.lines.count, "line")}`;
    more.hidden = found.length <= wanted.most;
  }

  draw();
  const left = run.lines.count - run.lines.kept.length;
  const input = (label, key, type, more = {}) => h("label", {}, h("span", {}, label),
    h("input", { type, "data-key": `lines ${key}`, oninput: set(key), ...more }));
  return h("section", { id: "lines" }, h("h2", {}, "Lines"),
    h("div", { class: "bar" }, input("Find", "find", "search", { spellcheck: "false" }),
      input("from", "from", "datetime-local", { step: 1 }), input("to", "to", "datetime-local", { step: 1 }),
      streams.length > 1 && h("label", {}, h("span", {}, "stream"), h("select", { onchange: set("stream") },
        h("option", { value: "" }, "all"), streams.map((stream) => h("option", { value: stream }, stream)))), told),
    left > 0 && h("p", { class: "note" }, `${plural(left, "line")} between the first ${run.lines.head.toLocaleString("en")} and the last are not in this page; `,
      h("code", {}, `multitrack logs ${run.id}`), " prints all."),
    list, more);
}

function marked(text, needle) {
  if (!needle) return text;
  const parts = [], lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0 && parts.length < 200; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  return [...parts, text.slice(from)];
}
