// A run's log lines: filtered by text, time and stream. Drawn some hundred at a time.

const LINES_AT_ONCE = 500;

/** Create the section once, and return a function that shows a run's lines in it, with the current filter. */
function linesSection() {
  let run, drawn = [];
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
    drawn = found.slice(0, wanted.most).map((line, i) => {
      const key = JSON.stringify([line, needle]);
      return drawn[i]?.key === key ? drawn[i] : { key, item: item(line, needle) }; // existing lines stay when more are added
    });
    fill(list, drawn.map((line) => line.item));
    told.textContent = `${found.length.toLocaleString("en")} of ${plural(run.lines.count, "line")}`;
    more.hidden = found.length <= wanted.most;
  }

  const input = (label, key, type, more = {}) => h("label", {}, h("span", {}, label),
    h("input", { type, "data-key": `lines ${key}`, oninput: set(key), ...more }));
  const chooseStream = h("select", { "data-key": "lines stream", onchange: set("stream") });
  const ofStream = h("label", {}, h("span", {}, "stream"), chooseStream);
  const note = h("p", { class: "note" });
  const section = h("section", { id: "lines" }, h("h2", {}, "Lines"),
    h("div", { class: "bar" }, input("Find", "find", "search", { spellcheck: "false" }),
      input("from", "from", "datetime-local", { step: 1 }), input("to", "to", "datetime-local", { step: 1 }), ofStream, told),
    note, list, more);

  return (shown) => {
    run = shown;
    const streams = [...new Set(run.lines.kept.map((line) => line[1]))].sort();
    ofStream.hidden = streams.length < 2;
    offer(chooseStream, [["", "all"], ...streams.map((stream) => [stream, stream])], wanted.stream);
    const left = run.lines.count - run.lines.kept.length;
    note.hidden = left <= 0;
    note.replaceChildren(`${plural(left, "line")} between the first ${run.lines.head.toLocaleString("en")} and the last are not in this page; `,
      h("code", {}, `multitrack logs ${run.id}`), " prints all.");
    draw();
    return section;
  };
}

function item([time, stream, text], needle) {
  return h("li", {}, h("time", {}, momentText(time, true)), h("span", { class: `stream ${stream === "stderr" ? "stderr" : ""}` }, stream),
    h("span", { class: "text" }, marked(text, needle)));
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
